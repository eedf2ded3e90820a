"""Everyone of the cast in one picture: ``python -m generators.embedded.cast.sheet docs/pictures/cast.jpg``."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import numpy.typing as npt

from generators.embedded.cast.person import CAST
from generators.embedded.cast.portrait import draw

COLUMNS = 5
CELL = 360
"""Side of one portrait in the sheet, in pixels; drawn at twice that and reduced."""


def sheet() -> npt.NDArray[np.uint8]:
    """Draw the whole cast in rows of five: BGR, uint8."""
    cells = [
        cv2.resize(draw(person, size=2 * CELL).picture, (CELL, CELL), interpolation=cv2.INTER_AREA)
        for person in CAST.values()
    ]
    while len(cells) % COLUMNS:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.hstack(cells[k : k + COLUMNS]) for k in range(0, len(cells), COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def main(arguments: list[str]) -> None:
    """Write the sheet to the file named."""
    if len(arguments) != 1:
        raise SystemExit("name the picture to write: python -m generators.embedded.cast.sheet FILE.jpg")
    cv2.imwrite(arguments[0], sheet(), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(sys.argv[1:])
