"""Talking-head video that can prove what it is, and checks for video that can't.

The documented import surface: ``verify`` and the engines. Nothing heavy is imported until it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from thsafe.core.version import __version__ as __version__

if TYPE_CHECKING:
    from generators.did.engine import DId
    from generators.embedded.engine import Portrait
    from generators.facefusion.engine import FaceFusion
    from generators.live2d.engine import Live2D
    from generators.liveportrait.engine import LivePortrait
    from generators.sadtalker.engine import SadTalker
    from generators.wav2lip.engine import Wav2Lip
    from thsafe.core.errors import Refused, ThsafeError
    from thsafe.core.types import Output, Report, Verdict
    from thsafe.verification import verify, verify_many

__all__ = [
    "DId",
    "FaceFusion",
    "Live2D",
    "LivePortrait",
    "Output",
    "Portrait",
    "Refused",
    "Report",
    "SadTalker",
    "ThsafeError",
    "Verdict",
    "Wav2Lip",
    "verify",
    "verify_many",
]
__distribution__ = "thsafe"

_HOMES = {
    "DId": "generators.did.engine",
    "FaceFusion": "generators.facefusion.engine",
    "Live2D": "generators.live2d.engine",
    "LivePortrait": "generators.liveportrait.engine",
    "Output": "thsafe.core.types",
    "Portrait": "generators.embedded.engine",
    "Refused": "thsafe.core.errors",
    "Report": "thsafe.core.types",
    "SadTalker": "generators.sadtalker.engine",
    "ThsafeError": "thsafe.core.errors",
    "Verdict": "thsafe.core.types",
    "Wav2Lip": "generators.wav2lip.engine",
    "verify": "thsafe.verification",
    "verify_many": "thsafe.verification",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'thsafe' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
