"""FaceNet: a face as 512 numbers (Schroff et al., "FaceNet", 2015; Inception-ResNet-v1), found by MTCNN.

Its weights are pulled like any other: ``thsafe models pull facenet-vggface2``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from thsafe.core.types import Silent

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.home import Home
    from thsafe.models.card import ModelCard

CARD: Final = "facenet-vggface2"
_SURE: Final = 0.85
"""Probability from which MTCNN's find counts as a face. One less sure cannot be the person, but it may be a second."""
_SIDE: Final = 160
"""Pixels: the network's input."""


@dataclass(slots=True)
class FaceNet:
    """Both networks, loaded when the first face is described."""

    home: Home
    card: ModelCard
    _networks: tuple[Any, Any] | None = field(default=None, init=False, repr=False)

    @classmethod
    def installed(cls, home: Home) -> FaceNet | None:
        """The network, or None where its weights were not pulled."""
        from thsafe.models.card import find_card
        from thsafe.models.fetch import installed_path

        card = find_card(CARD)
        return None if installed_path(card, home) is None else cls(home, card)

    @property
    def name(self) -> str:
        """Its weights' name and the beginning of their digest, for the log."""
        return f"{self.card.name}:{self.card.sha256[:16]}"

    def describe(self, frame: Frame) -> Any:
        """The one face of a BGR picture as a unit vector, a torch tensor (512,); None for no face, or a second.

        Raises:
            InputError: the weights are damaged or changed.
        """
        import numpy as np
        import torch

        finder, network = self._load()
        picture = np.ascontiguousarray(frame[:, :, ::-1])
        boxes, sureness = finder.detect(picture)
        if boxes is None or len(boxes) != 1 or sureness[0] < _SURE:
            return None
        face = finder.extract(picture, boxes, None)
        if face is None:
            return None
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
