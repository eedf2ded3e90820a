"""The face swappers that FaceFusion 3.8 offers, and under which licence each is, by FaceFusion's own source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapModel:
    """One swapper's licence."""

    licence: str
    commercial_use: bool
    """False also where the licence is unknown: nobody has allowed it."""


_NONCOMMERCIAL: Final = SwapModel(licence="non-commercial", commercial_use=False)
_UNKNOWN: Final = SwapModel(licence="unknown", commercial_use=False)
_GHOST: Final = SwapModel(licence="Apache-2.0", commercial_use=True)
_HYPERSWAP: Final = SwapModel(licence="ResearchRAIL", commercial_use=False)

MODELS: Final[Mapping[str, SwapModel]] = {
    "ghost_1_256": _GHOST,
    "ghost_2_256": _GHOST,
    "ghost_3_256": _GHOST,
    "hyperswap_1a_256": _HYPERSWAP,
    "hyperswap_1b_256": _HYPERSWAP,
    "hyperswap_1c_256": _HYPERSWAP,
    "inswapper_128": _NONCOMMERCIAL,
    "inswapper_128_fp16": _NONCOMMERCIAL,
    "simswap_256": _NONCOMMERCIAL,
    "simswap_unofficial_512": _NONCOMMERCIAL,
    "blendswap_256": _NONCOMMERCIAL,
    "hififace_unofficial_256": _UNKNOWN,
    "uniface_256": _UNKNOWN,
}
"""By name; the first is the default."""
DEFAULT: Final = next(iter(MODELS))
CODE_LICENCE: Final = "OpenRAIL-AS"
ENHANCERS: Final[Mapping[str, SwapModel]] = {"gfpgan_1.4": SwapModel(licence="Apache-2.0", commercial_use=True)}
"""What draws where the face is also enhanced: the one whose licence is clean (CodeFormer and GPEN are not)."""
ENHANCER: Final = next(iter(ENHANCERS))
