"""Letters as coverage masks: which font can write a text, and the text at an exact height.

English comes from the font inside Pillow; accents, Greek and Cyrillic from the DejaVu Sans that OpenCV's wheel brings.
Other scripts need a font of the system; it is looked up by file name in the usual folders, so no font service is asked.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thsafe.core.errors import MissingError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFont import FreeTypeFont

_NAMES = (
    "DejaVuSans",
    "NotoSansCJK-Medium",
    "NotoSansCJK-Bold",
    "NotoSansCJK-Regular",
    "NotoSansCJKsc-Medium",
    "NotoSansCJKsc-Regular",
    "NotoSansSC-Regular",
    "NotoSansKR-Regular",
    "SourceHanSans-Medium",
    "SourceHanSansSC-Regular",
    "wqy-microhei",
    "wqy-zenhei",
    "NanumGothicBold",
    "NanumGothic",
    "DroidSansFallbackFull",
    "NotoSansDevanagari-SemiBold",
    "NotoSansDevanagari-Regular",
    "Lohit-Devanagari",
    "NotoSansArabic-Regular",
    "NotoSansHebrew-Regular",
    "NotoSansThai-Regular",
)
_SUFFIXES = (".ttf", ".otf", ".ttc")
_PACKAGES = (
    (0x1100, 0x11FF, "fonts-noto-cjk"),
    (0x2E80, 0x9FFF, "fonts-noto-cjk"),
    (0xAC00, 0xD7AF, "fonts-noto-cjk"),
    (0xF900, 0xFAFF, "fonts-noto-cjk"),
    (0xFF00, 0xFFEF, "fonts-noto-cjk"),
)


@dataclass(frozen=True, slots=True)
class Face:
    """A font that has every character of the text it was found for."""

    path: str | None
    """None: the font inside Pillow."""

    def at(self, size: float) -> FreeTypeFont:
        """The font at a nominal size in pixels."""
        from PIL import ImageFont

        if self.path is None:
            return ImageFont.load_default(size)  # type: ignore[return-value]  # FreeType is part of Pillow's wheels
        return ImageFont.truetype(self.path, size)

    def mask(self, text: str, size: float) -> NDArray[np.uint8]:
        """Coverage 0 to 255 of a line of text, cut to its ink; (rows, columns)."""
        return _ink(self.at(size), text)

    def size_for(self, text: str, height: float) -> float:
        """The nominal size at which the tallest plain character of the text, capital or CJK, is ``height`` pixels."""
        sample = tallest(text)
        font = self.at(1000)
        _, top, _, bottom = font.getbbox(sample)
        return height * 1000 / (bottom - top)


def tallest(text: str) -> str:
    """What is measured as text height: a capital H where there are capitals, else one of the text's own characters.

    Beside Chinese characters capitals are the lower ones: what holds for them holds for the whole text.
    """
    plain = [char for char in text if char.isalnum()]
    if any(ord(char) >= 0x1100 for char in plain) and not any(char.isupper() for char in plain):
        return next(char for char in plain if ord(char) >= 0x1100)
    return "H" if plain else text[:1]


def find_face(text: str) -> Face:
    """A font with every character of ``text``.

    Raises:
        MissingError: ``label.font``, naming the Debian package that brings one.
    """
    wanted = "".join(sorted({char for char in text if not char.isspace()}))
    return _find_face(wanted)


@cache
def _find_face(wanted: str) -> Face:
    built_in = Face(None)
    if _covers(built_in, wanted):
        return built_in
    for path in _system_fonts():
        face = Face(str(path))
        try:
            if _covers(face, wanted):
                return face
        except OSError:
            continue
    lacking = [char for char in wanted if not _covers(built_in, char)]
    point = ord(lacking[0])
    package = next((name for low, high, name in _PACKAGES if low <= point <= high), "fonts-noto-core")
    raise MissingError(
        f"No font on this machine can write the label characters {''.join(lacking)}.",
        code="label.font",
        found=", ".join(str(folder) for folder in _folders() if folder.is_dir()) or "no font folders",
        rule="a label that the law asks for is written in full or not at all",
        next_step=f"sudo apt-get install {package}",
    )


def _folders() -> tuple[Path, ...]:
    data = os.environ.get("XDG_DATA_HOME")
    home = Path.home()
    return (
        *_wheel_folders(),
        Path(data) / "fonts" if data else home / ".local/share/fonts",
        home / ".fonts",
        Path("/usr/local/share/fonts"),
        Path("/usr/share/fonts"),
        Path("/System/Library/Fonts"),
        Path("/Library/Fonts"),
    )


def _wheel_folders() -> Iterator[Path]:
    """Fonts inside packages that thsafe depends on; found without importing them."""
    for package, inside in (("cv2", "qt/fonts"), ("matplotlib", "mpl-data/fonts/ttf")):
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin:
            yield Path(spec.origin).parent / inside


def _system_fonts() -> Iterator[Path]:
    """Fonts of the known names, in the order of the names."""
    files = {}
    for folder in reversed(_folders()):
        for base, _, names in os.walk(folder):
            files.update({name: Path(base) / name for name in names if name.endswith(_SUFFIXES)})
    for stem in _NAMES:
        for suffix in _SUFFIXES:
            if stem + suffix in files:
                yield files[stem + suffix]


def _covers(face: Face, text: str) -> bool:
    """Every character draws something that is not the font's box for missing ones."""
    font = face.at(32)
    nothing = _ink(font, "\U0010ffff")
    for char in text:
        ink = _ink(font, char)
        if not ink.any() or (ink.shape == nothing.shape and np.array_equal(ink, nothing)):
            return False
    return True


def _ink(font: FreeTypeFont, text: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    left, top, right, bottom = font.getbbox(text)
    canvas = Image.new("L", (max(1, int(right - left) + 2), max(1, int(bottom - top) + 2)))
    ImageDraw.Draw(canvas).text((1 - left, 1 - top), text, fill=255, font=font)
    return np.asarray(canvas)
