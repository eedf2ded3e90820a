"""A film's coefficients, picture by picture: for lids and head motion that somebody else lends."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from generators.sadtalker.framing import Mode, framed
from generators.sadtalker.performance import FPS, measured
from generators.wav2lip.footage import Footage
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from generators.sadtalker.networks import Networks
    from generators.sadtalker.performance import Rows
    from thsafe.core.types import Progress

_SIDE = 256


def film_rows(networks: Networks, film: Path, most: int, progress: Progress) -> Rows:
    """The 73 coefficients of the largest face in each picture, (n, 73), at 25 pictures a second.

    Pictures without a face repeat the one before.

    Args:
        networks: with their weights.
        film: the film.
        most: pictures that are needed; the film is not read further.
        progress: told how far it is.

    Raises:
        InputError: ``film.no-face``, or what is wrong with the file.
    """
    from thsafe.media.faces import FaceTracker

    footage = Footage(film)
    footage.fps = Fraction(FPS)
    rows: list[Rows] = []
    late = 0
    progress.start("watching the driver", most)
    with FaceTracker() as tracker:
        for picture in footage.frames():
            faces = tracker.next(picture)
            if faces:
                row = measured(networks, framed(picture, faces[0].landmarks, Mode.CROP, _SIDE))
                rows += [row] * (late + 1)  # what was missed before the first face
                late = 0
            elif rows:
                rows.append(rows[-1])
            else:
                late += 1
            progress.advance()
            if len(rows) >= most:
                break
    if not rows:
        raise InputError(
            f"No face was found in {film.name}.",
            code="film.no-face",
            found=f"{late} pictures without a face",
            rule="somebody's face must be seen",
            next_step="choose a film that shows a face from the front",
        )
    return np.stack(rows[:most])
