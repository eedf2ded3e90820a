"""Draw the picture of our own figures for the page on Live2D: ``python docs/make_figures.py``."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from generators.live2d.cubism import Look
from generators.live2d.figure import EXPRESSIONS, FIGURES, RIG
from generators.live2d.puppet import Puppet

TARGET = Path(__file__).parent / "pictures" / "figures.jpg"
SIDE = 300
POSES = (
    {},
    {"ParamMouthOpenY": 1.0, "ParamBrowLY": 0.4, "ParamBrowRY": 0.4},
    {"ParamAngleX": 14.0, "ParamAngleZ": 6.0, "ParamMouthOpenY": 0.35, "ParamMouthForm": -0.7, "ParamEyeBallX": 0.4},
    {**EXPRESSIONS["smile"], "ParamAngleX": -8.0},
    {"ParamAngleY": -10.0, "ParamAngleZ": -8.0, "ParamEyeLOpen": 0.0, "ParamEyeROpen": 0.0, "ParamMouthForm": 0.4},
)


def main() -> None:
    """Every figure at rest, in an "ah", an "oo" to the side, a smile, and with its eyes shut."""
    rows = []
    for name in FIGURES:
        puppet = Puppet(name, Look(width=SIDE, height=SIDE, fps=Fraction(25)))
        rest = {parameter: span.default for parameter, span in RIG.parameters.items()}
        rows.append(np.hstack([puppet.draw({**rest, **pose}) for pose in POSES]))
    cv2.imwrite(str(TARGET), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
