"""One label as pixels: a dark rounded plate with white letters of an exact height, drawn once per job."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thsafe.core.errors import MarkError
from thsafe.label.emblem import emblem, emblem_size
from thsafe.label.glyphs import find_face, tallest

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.ImageFont import FreeTypeFont

    from thsafe.core.types import Label

PLATE_OPACITY = 0.80
"""Leaves a hint of the picture and still keeps white text above 7:1 on a white wall."""
MARGIN = 0.6
"""Distance to the edge of the picture and between plates, in text heights."""
_PAD_X, _PAD_Y = 0.62, 0.55
_LINE_STEP = 1.75
_ICON_GAP = 0.5
"""Between the sign of AI and the text, in text heights."""
_RADIUS = 0.34
_HEADROOM = 1.03
_FINE = 4
"""Oversampling of the plate's corners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """Coverage of plate and letters, both ``float32`` (height, width) in [0, 1]; height and width are even."""

    backing: NDArray[np.float32]
    ink: NDArray[np.float32]
    text_height: int
    """Pixels: the height of a capital letter, or of a character in scripts without capitals."""
    ruler: tuple[int, int, int, int]
    """x0, y0, x1, y1 of one letter of full height, in plate pixels: where the height is measured again."""

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.ink.shape[0])

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.ink.shape[1])


def text_pixels(label: Label, width: int, height: int) -> int:
    """The label's height in whole pixels.

    A share that a law asks for is a lower bound: a little is added for the blur of encoding, then it is rounded up.
    """
    return max(1, math.ceil(label.height * min(width, height) * _HEADROOM))


def draw_plate(label: Label, width: int, height: int) -> Plate:
    """Draw a label for pictures of this size; long texts are wrapped, never made smaller.

    Raises:
        MissingError: ``label.font``.
        MarkError: ``label.no-room``.
    """
    face = find_face(label.text)
    tall = text_pixels(label, width, height)
    font = face.at(face.size_for(label.text, tall))
    margin = round(MARGIN * tall)
    sign_rows, sign_columns = emblem_size(tall) if label.icon else (0, 0)
    beside = sign_columns + (_ICON_GAP * tall if label.icon else 0)
    room = width - 2 * margin - 2 * _PAD_X * tall - beside
    lines = _balanced(label.text, font, room)
    widest = max(font.getlength(line) for line in lines)
    rows = _even(2 * _PAD_Y * tall + max(tall + (len(lines) - 1) * _LINE_STEP * tall, sign_rows))
    rows += 2 * _beyond(lines, font, tall, rows)
    columns = _even(2 * _PAD_X * tall + beside + widest)
    if columns > width or rows > height:
        raise MarkError(
            f'The label "{label.text}" does not fit into {width} x {height} pixels.',
            code="label.no-room",
            found=f"it needs {columns} x {rows} pixels at a text height of {tall}",
            rule="a label is never made smaller than the rule that asks for it",
            next_step="use a larger picture",
        )
    ink, ruler = _draw_text(lines, font, tall, (rows, columns), round(beside))
    if label.icon:
        top, left = (rows - sign_rows) // 2, round(_PAD_X * tall)
        ink[top : top + sign_rows, left : left + sign_columns] = emblem(tall)
    return Plate(backing=_rounded(rows, columns, _RADIUS * tall), ink=ink, text_height=tall, ruler=ruler)


def _balanced(text: str, font: FreeTypeFont, room: float) -> list[str]:
    """As few lines as fit, as even as they can be."""
    lines = _wrap(text, font, room)
    low, high = 0.0, room
    while len(lines) > 1 and high - low > 2:
        middle = (low + high) / 2
        tighter = _wrap(text, font, middle)
        if len(tighter) == len(lines) and max(map(font.getlength, tighter)) <= room:
            lines, high = tighter, middle
        else:
            low = middle
    return lines


def _wrap(text: str, font: FreeTypeFont, room: float) -> list[str]:
    """Break at spaces; scripts written without spaces break anywhere."""
    words = text.split(" ") if " " in text else [text]
    if len(words) == 1 and ord(max(text)) >= 0x1100 and font.getlength(text) > room:
        words, glue = list(text), ""
    else:
        glue = " "
    lines = [words[0]]
    for word in words[1:]:
        longer = lines[-1] + glue + word
        if font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _baseline(number: int, lines: list[str], font: FreeTypeFont, tall: int, rows: int) -> int:
    """The row that a line stands on, in a plate of so many."""
    # where the sample's lower edge is, relative to the baseline: 0 for capitals, below it for CJK characters
    drop = font.getbbox(tallest("".join(lines)), anchor="ls")[3]
    first = rows / 2 - ((len(lines) - 1) * _LINE_STEP + 1) * tall / 2 + tall - drop
    return round(first + number * _LINE_STEP * tall)


def _beyond(lines: list[str], font: FreeTypeFont, tall: int, rows: int) -> int:
    """Rows that are missing above or below: braces and strokes reach further than the letter that is measured."""
    above = _baseline(0, lines, font, tall, rows) + font.getbbox(lines[0], anchor="ls")[1]
    below = rows - _baseline(len(lines) - 1, lines, font, tall, rows) - font.getbbox(lines[-1], anchor="ls")[3]
    missing = 1 - min(above, below)
    # one more for the baseline, which is rounded anew
    return math.ceil(missing) + 1 if missing > 0 else 0


def _draw_text(
    lines: list[str], font: FreeTypeFont, tall: int, size: tuple[int, int], left: int
) -> tuple[NDArray[np.float32], tuple[int, int, int, int]]:
    """Coverage of the letters, right of ``left``, and the box of one letter of full height."""
    from PIL import Image, ImageDraw

    rows, columns = size
    canvas = Image.new("L", (columns, rows))
    pen = ImageDraw.Draw(canvas)
    ruler: tuple[int, int, int, int] | None = None
    for number, line in enumerate(lines):
        x = left + (columns - left - font.getlength(line)) / 2
        y = _baseline(number, lines, font, tall, rows)
        pen.text((x, y), line, fill=255, font=font, anchor="ls")
        ruler = ruler or _ruler(line, font, x, y)
    return np.array(canvas, np.float32) / 255, ruler or (0, 0, columns, rows)


def _ruler(line: str, font: FreeTypeFont, x: float, y: int) -> tuple[int, int, int, int] | None:
    """The box of the line's first character that has full height: a capital, a CJK character, else any letter."""
    ranked = [index for index, char in enumerate(line) if char.isupper() or ord(char) >= 0x1100]
    ranked += [index for index, char in enumerate(line) if char.isalnum()]
    if not ranked:
        return None
    index = ranked[0]
    left, top, right, bottom = font.getbbox(line[index], anchor="ls")
    start = x + font.getlength(line[:index])
    return math.floor(start + left), math.floor(y + top), math.ceil(start + right), math.ceil(y + bottom)


def _rounded(rows: int, columns: int, radius: float) -> NDArray[np.float32]:
    from PIL import Image, ImageDraw

    big = Image.new("L", (columns * _FINE, rows * _FINE))
    ImageDraw.Draw(big).rounded_rectangle(
        (0, 0, columns * _FINE - 1, rows * _FINE - 1), radius=radius * _FINE, fill=255
    )
    return np.asarray(big.resize((columns, rows), Image.Resampling.BOX), np.float32) / 255


def _even(value: float) -> int:
    return 2 * math.ceil(value / 2)
