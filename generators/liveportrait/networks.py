"""All of LivePortrait's networks with one set of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from generators.arithmetic import EXACT, Arithmetic
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
    arithmetic: Arithmetic

    @property
    def device(self) -> torch.device:
        """Where tensors belong."""
        import torch

        return torch.device(self.arithmetic.device)

    @classmethod
    def of(cls, files: Mapping[str, Mapping[str, Tensor]], *, arithmetic: Arithmetic = EXACT) -> Self:
        """Fill the networks.

        Args:
            files: the tensors of the authors' five files: ``appearance``, ``motion``, ``warping``, ``generator``,
                ``stitching``.
            arithmetic: on what and how they run.

        Raises:
            InputError: ``model.other-network``.
            EngineError: ``engine.device``.
        """
        device = arithmetic.device

        def part(make: Any, file: str, prefix: str = "") -> Any:
            title = f"LivePortrait's ({file})"
            return filled(make, files[file], title=title, prefix=prefix, device=device)

        return cls(
            appearance=part(Appearance, "appearance"),
            motion=part(MotionExtractor, "motion"),
            warping=arithmetic.ready(part(partial(Warping, POINTS), "warping")),
            decoder=arithmetic.ready(part(partial(Decoder, upscale=2), "generator")),
            stitching=part(Stitching, "stitching", "retarget_shoulder."),
            lips=part(Lips, "stitching", "retarget_mouth."),
            eyes=part(Eyes, "stitching", "retarget_eye."),
            arithmetic=arithmetic,
        )
