"""All of LivePortrait's networks with one set of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from generators.facevid.appearance import Appearance
from generators.facevid.spade import Decoder
from generators.facevid.warping import Warping
from generators.facevid.weights import filled
from generators.liveportrait.motion import POINTS, MotionExtractor
from generators.liveportrait.retargeting import Eyes, Lips, Stitching

if TYPE_CHECKING:
    import torch

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Networks:
    """Everything that runs between a portrait, a film and a picture."""

    appearance: Appearance
    motion: MotionExtractor
    warping: Warping
    decoder: Decoder
    stitching: Stitching
    lips: Lips
    eyes: Eyes
    device: torch.device

    @classmethod
    def of(cls, files: Mapping[str, Mapping[str, Tensor]], *, device: str = "cpu") -> Self:
        """Fill the networks.

        Args:
            files: the tensors of the authors' five files: ``appearance``, ``motion``, ``warping``, ``generator``,
                ``stitching``.
            device: ``cpu``, ``cuda`` or what else torch knows.

        Raises:
            InputError: ``model.other-network``.
            EngineError: ``engine.device``.
        """
        import torch

        def part(make: Any, file: str, prefix: str = "") -> Any:
            title = f"LivePortrait's ({file})"
            return filled(make, files[file], title=title, prefix=prefix, device=device)

        return cls(
            appearance=part(Appearance, "appearance"),
            motion=part(MotionExtractor, "motion"),
            warping=part(partial(Warping, POINTS), "warping"),
            decoder=part(partial(Decoder, upscale=2), "generator"),
            stitching=part(Stitching, "stitching", "retarget_shoulder."),
            lips=part(Lips, "stitching", "retarget_mouth."),
            eyes=part(Eyes, "stitching", "retarget_eye."),
            device=torch.device(device),
        )
