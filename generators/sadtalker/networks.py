"""All of SadTalker's networks with one set of weights."""

from __future__ import annotations

from collections.abc import Mapping as NameMapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from generators.arithmetic import EXACT, Arithmetic
from generators.facevid.appearance import Appearance
from generators.facevid.spade import Decoder
from generators.facevid.warping import Warping
from generators.facevid.weights import filled
from generators.sadtalker.coefficients import Reconstruction
from generators.sadtalker.keypoints import POINTS, KeyPoints, Mapping
from generators.sadtalker.listening import Expression, HeadPose

if TYPE_CHECKING:
    import torch

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""

LEAST: Final = 1e-3
"""Shares of a motion below this are dropped, as in the authors' code."""
_CROP: Final = 70
_WHOLE: Final = 73
"""Coefficients of a picture: 64 of expression, 6 of pose, and 3 of the crop's place for whole pictures."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Networks:
    """Everything that runs between a portrait, a voice and a picture."""

    expression: Expression
    pose: HeadPose
    reconstruction: Reconstruction
    key_points: KeyPoints
    mapping: Mapping
    appearance: Appearance
    warping: Warping
    decoder: Decoder
    arithmetic: Arithmetic
    whole: bool
    """Whether the mapping is the one for whole pictures."""

    @property
    def device(self) -> torch.device:
        """Where tensors belong."""
        import torch

        return torch.device(self.arithmetic.device)

    @classmethod
    def of(
        cls,
        main: NameMapping[str, Tensor],
        mapping: NameMapping[str, Tensor],
        *,
        whole: bool,
        arithmetic: Arithmetic = EXACT,
    ) -> Self:
        """Fill the networks.

        Args:
            main: the tensors of ``SadTalker_V0.0.2_*.safetensors``.
            mapping: those of ``mapping_00229`` (70 coefficients) or ``mapping_00109`` (73), whose names begin with
                ``mapping.`` or not.
            whole: ``mapping`` is the one with 73.
            arithmetic: on what and how they run.

        Raises:
            InputError: ``model.other-network``.
            EngineError: ``engine.device``.
        """
        device = arithmetic.device

        def part(make: Any, prefix: str, title: str) -> Any:
            return filled(make, main, title=f"SadTalker's ({title})", prefix=prefix, device=device)

        named = any(name.startswith("mapping.") for name in mapping)
        return cls(
            expression=part(Expression, "audio2exp.", "expression"),
            pose=part(HeadPose, "audio2pose.", "head pose"),
            reconstruction=part(Reconstruction, "face_3drecon.", "face coefficients"),
            key_points=part(KeyPoints, "kp_extractor.", "key points"),
            mapping=filled(
                partial(Mapping, _WHOLE if whole else _CROP),
                mapping,
                title="SadTalker's (mapping)",
                prefix="mapping." if named else "",
                device=device,
            ),
            appearance=part(Appearance, "generator.", "appearance"),
            warping=arithmetic.ready(part(partial(Warping, POINTS, least=LEAST), "generator.", "warping")),
            decoder=arithmetic.ready(part(Decoder, "generator.decoder.", "decoder")),
            arithmetic=arithmetic,
            whole=whole,
        )
