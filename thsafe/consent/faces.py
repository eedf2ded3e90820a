"""Is the face in a picture that of an approved picture? Compared in memory; neither measurement nor template is kept.

MTCNN finds the face, Inception-ResNet-v1 describes it with 512 numbers (Schroff et al., "FaceNet", 2015); the cosine
between two descriptions is the similarity. Its weights are pulled like any other (``thsafe models pull
facenet-vggface2``); where they are not, bytes alone count.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from thsafe.consent.files import sha256_of
from thsafe.consent.record import ConsentRecord
from thsafe.consent.store import ConsentStore
from thsafe.core.types import MediaKind, MediaRef, Silent

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.home import Home
    from thsafe.models.card import ModelCard

CARD: Final = "facenet-vggface2"
ENOUGH: Final = 0.70
"""Cosine from which two faces count as one person's. Chosen on the strict side of what is usual for these weights (0.4
to 0.6); not measured by us, so a match is logged with its score and never replaces the record's own pictures."""
_LOOKS: Final = 8
"""Frames of a film that are compared; every one must show that face, and no second one."""
_SURE: Final = 0.85
"""Probability from which MTCNN's find counts as a face. One less sure cannot be the person, but it may be a second."""
_SIDE: Final = 160
"""Pixels: the network's input."""


@dataclass(slots=True)
class FacenetMatcher:
    """The face matcher of an installation; its networks are loaded when two faces are first compared."""

    home: Home
    card: ModelCard
    enough: float = ENOUGH
    _networks: tuple[Any, Any] | None = field(default=None, init=False, repr=False)

    @classmethod
    def installed(cls, home: Home) -> FacenetMatcher | None:
        """The matcher, or None where its weights were not pulled."""
        from thsafe.models.card import find_card
        from thsafe.models.fetch import installed_path

        card = find_card(CARD)
        return None if installed_path(card, home) is None else cls(home, card)

    @property
    def name(self) -> str:
        """Its weights' name and the beginning of their digest, for the log."""
        return f"{self.card.name}:{self.card.sha256[:16]}"

    def same_person(self, ref: MediaRef, record: ConsentRecord) -> tuple[bool, float] | None:
        """Whether every look at an input shows one face alone, that of an approved picture, and the lowest similarity.

        None where nothing can be compared: no approved picture is at hand, or it shows no single face.

        Raises:
            InputError: the input, or the weights, are damaged or changed.
        """
        if ref.path is None or ref.kind not in {MediaKind.IMAGE, MediaKind.VIDEO}:
            return None
        known = [self._describe(self._only_face(frame)) for frame in _approved(record, ConsentStore(self.home))]
        known = [item for item in known if item is not None]
        if not known:
            return None
        lowest = 1.0
        for frame in _frames(ref.path, ref.kind):
            seen = self._describe(self._only_face(frame))
            if seen is None:
                return False, 0.0
            lowest = min(lowest, max(float(seen @ item) for item in known))
        return lowest >= self.enough, round(lowest, 3)

    def _only_face(self, frame: Frame) -> Any:
        """The one face of a picture as the network's input; None where there is none, or a second."""
        import numpy as np

        finder, _ = self._load()
        picture = np.ascontiguousarray(frame[:, :, ::-1])
        boxes, sureness = finder.detect(picture)
        if boxes is None or len(boxes) != 1 or sureness[0] < _SURE:
            return None
        return finder.extract(picture, boxes, None)

    def _describe(self, face: Any) -> Any:
        import torch

        if face is None:
            return None
        _, network = self._load()
        with torch.inference_mode():
            return network(face.reshape(1, 3, _SIDE, _SIDE))[0]

    def _load(self) -> tuple[Any, Any]:
        """Both networks; the weights are hashed first, since whoever could exchange them could make any two faces one.

        Raises:
            InputError: ``model.digest``, ``model.changed`` or ``model.not-weights``.
        """
        if self._networks is None:
            from thsafe._torch_compat import prepare_torchvision
            from thsafe.core.errors import InputError
            from thsafe.models.checkpoint import load_tensors
            from thsafe.models.fetch import require_weights, verify

            verify(self.card, self.home, progress=Silent())
            prepare_torchvision()
            from facenet_pytorch import MTCNN, InceptionResnetV1

            network = InceptionResnetV1(pretrained=None, classify=False)
            path = require_weights(self.card, self.home)
            # the last layer names the people of the training set; it is not wanted
            tensors = {name: item for name, item in load_tensors(path).items() if not name.startswith("logits.")}
            try:
                network.load_state_dict(tensors, strict=True)
            except RuntimeError as problem:
                raise InputError(
                    f"{path.name} holds the weights of another network.",
                    code="model.not-weights",
                    found=str(problem)[:200],
                    next_step=f"thsafe models pull {self.card.name}",
                ) from problem
            self._networks = (MTCNN(image_size=_SIDE, keep_all=True), network.eval())
        return self._networks


def _approved(record: ConsentRecord, store: ConsentStore) -> list[Frame]:
    """The approved portraits that still lie where they were, byte for byte as approved."""
    from thsafe.media.image import read_image

    wanted = {item.sha256 for item in record.terms.references if item.role == "portrait"}
    return [
        read_image(path)
        for sha256, path in store.pictures_of(record.id).items()
        if sha256 in wanted and path.is_file() and hmac.compare_digest(sha256_of(path), sha256)
    ]


def _frames(path: Path, kind: MediaKind) -> list[Frame]:
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image

    if kind is MediaKind.IMAGE:
        return [read_image(path)]
    with VideoReader(path) as reader:
        return [frame for _, frame in reader.sample_bgr(_LOOKS)]
