"""TrustMark's mark, written and read with its authors' package, where the user has installed it with its weights.

TrustMark (Bui et al. 2023, arXiv:2311.18297) hides 100 bits in a picture, of which an error-correcting code leaves 40
to 75; at 61 bits (BCH_5) a thsafe id of 64 does not fit. It has no key: anyone reads and writes it. So it stands beside
thsafe's own mark, for those who must read or write it, and never in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np

from thsafe.core.errors import MissingError, UsageError
from thsafe.models.card import find_card

if TYPE_CHECKING:
    from thsafe.core.types import Frame

MESSAGE_BITS: Final = 61
"""Under BCH_5, the package's own choice."""
_CARD: Final = "trustmark"
_VARIANT: Final = "Q"


class Package(Protocol):
    """The part of ``trustmark.TrustMark`` that is used."""

    def encode(self, cover_image: Any, string_secret: str, MODE: str) -> Any:
        """A marked PIL picture; the secret is a string of 0 and 1 when ``MODE`` is ``binary``."""

    def decode(self, stego_image: Any, MODE: str) -> tuple[str, bool, int]:
        """Secret, whether its code holds, and which code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustMarkReading:
    """What the decoder hears in one picture."""

    present: bool
    """The error-correcting code holds. The authors give no false-alarm figure; one of our own was not measured."""
    message: str
    """0 and 1, as many as the code leaves; empty where nothing is present."""


class TrustMark:
    """Writes and reads marks of TrustMark.

    Args:
        package: A loaded ``trustmark.TrustMark``.
    """

    def __init__(self, package: Package) -> None:
        self._package = package

    @classmethod
    def open(cls) -> Self:
        """With the installed package; nothing is fetched.

        Raises:
            MissingError: ``missing.trustmark`` without the package; ``model.missing`` without its weights, which the
                package would otherwise fetch from the network unasked.
        """
        card = find_card(_CARD)
        try:
            module = import_module("trustmark")
        except ImportError as problem:
            raise MissingError(
                "TrustMark is not installed.",
                code="missing.trustmark",
                found=str(problem),
                next_step='pip install "thsafe[trustmark]"',
            ) from problem
        folder = Path(str(module.__file__)).parent / "models"
        wanted = [folder / f"{part}_{_VARIANT}.ckpt" for part in ("encoder", "decoder")]
        absent = [path for path in wanted if not path.is_file()]
        if absent:
            raise MissingError(
                f"The weights of {card.title} are not installed.",
                code="model.missing",
                found=f"nothing at {absent[0]}",
                rule=f"licence: {card.licence}",
                next_step="let the package fetch them once: "
                f"python -c \"from trustmark import TrustMark; TrustMark(model_type='{_VARIANT}')\"",
            )
        return cls(module.TrustMark(verbose=False, model_type=_VARIANT, device="cpu"))

    def mark(self, frame: Frame, message: str) -> Frame:
        """One BGR frame (height, width, 3) with a message in it.

        Args:
            frame: The picture.
            message: 61 times 0 or 1.

        Raises:
            UsageError: ``watermark.message`` for another message.
        """
        from PIL import Image

        if len(message) != MESSAGE_BITS or set(message) - {"0", "1"}:
            raise UsageError(
                "TrustMark carries 61 bits.",
                code="watermark.message",
                found=repr(message),
                rule="61 times 0 or 1",
                next_step="pad a shorter message with zeros",
            )
        cover = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
        marked = np.asarray(self._package.encode(cover, message, MODE="binary"))
        return np.ascontiguousarray(marked[..., 2::-1])

    def read(self, frame: Frame) -> TrustMarkReading:
        """What one BGR frame (height, width, 3) carries."""
        from PIL import Image

        cover = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
        message, present, _ = self._package.decode(cover, MODE="binary")
        return TrustMarkReading(present=bool(present), message=message if present else "")
