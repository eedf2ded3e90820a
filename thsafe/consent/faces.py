"""Is the face in a picture that of an approved picture? Compared in memory; neither measurement nor template is kept.

MTCNN finds the face, Inception-ResNet-v1 describes it with 512 numbers (Schroff et al., "FaceNet", 2015); the cosine
between two descriptions is the similarity. Its weights are pulled like any other (``thsafe models pull
facenet-vggface2``); where they are not, bytes alone count.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.consent.files import sha256_of
from thsafe.consent.record import ConsentRecord
from thsafe.consent.store import ConsentStore
from thsafe.core.types import MediaKind, MediaRef
from thsafe.models.facenet import CARD, FaceNet

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.home import Home
    from thsafe.models.card import ModelCard

__all__ = ["CARD", "ENOUGH", "FacenetMatcher"]

ENOUGH: Final = 0.70
"""Cosine from which two faces count as one person's. Chosen on the strict side of what is usual for these weights (0.4
to 0.6); not measured by us, so a match is logged with its score and never replaces the record's own pictures."""
_LOOKS: Final = 8
"""Frames of a film that are compared; every one must show that face, and no second one."""


@dataclass(slots=True)
class FacenetMatcher:
    """The face matcher of an installation; its networks are loaded when two faces are first compared."""

    home: Home
    card: ModelCard
    enough: float = ENOUGH
    _net: FaceNet = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._net = FaceNet(self.home, self.card)

    @classmethod
    def installed(cls, home: Home) -> FacenetMatcher | None:
        """The matcher, or None where its weights were not pulled."""
        net = FaceNet.installed(home)
        return None if net is None else cls(home, net.card)

    @property
    def name(self) -> str:
        """Its weights' name and the beginning of their digest, for the log."""
        return self._net.name

    def same_person(self, ref: MediaRef, record: ConsentRecord) -> tuple[bool, float] | None:
        """Whether every look at an input shows one face alone, that of an approved picture, and the lowest similarity.

        None where nothing can be compared: no approved picture is at hand, or it shows no single face.

        Raises:
            InputError: the input, or the weights, are damaged or changed.
        """
        if ref.path is None or ref.kind not in {MediaKind.IMAGE, MediaKind.VIDEO}:
            return None
        known = [self._net.describe(frame) for frame in _approved(record, ConsentStore(self.home))]
        known = [item for item in known if item is not None]
        if not known:
            return None
        lowest = 1.0
        for frame in _frames(ref.path, ref.kind):
            seen = self._net.describe(frame)
            if seen is None:
                return False, 0.0
            lowest = min(lowest, max(float(seen @ item) for item in known))
        return lowest >= self.enough, round(lowest, 3)


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
