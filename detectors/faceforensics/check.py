"""Published FaceForensics-era detectors as evidence: scores beside each other, never a verdict.

These networks find the one method that they were trained on and are near chance on modern talking heads, so a score
carries no likelihood ratio here and decides nothing. Polarity is one for all: higher means more like a manipulation.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.types import Evidence, Status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

    Faces = NDArray[np.float32]
    Scorer = Callable[[Faces], list[float]]

CROP = 1.3
"""Side of the square crop in sides of the face box, as the weights were evaluated."""
LEAST_FACE = 80
"""Pixels; below that the crop is mostly interpolation and the score means nothing."""
_SIDE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One published set of weights."""

    cards: tuple[str, ...]
    """Model cards, one a file (``thsafe models list``)."""
    trained_on: str
    worth: str
    """What is known of its worth, in words."""


PUBLISHED = {
    "meso4-f2f": Published(
        cards=("meso4-f2f",),
        trained_on="FaceForensics (Face2Face)",
        worth="finds Face2Face; near chance on modern talking heads",
    ),
    "mesoinception-f2f": Published(
        cards=("mesoinception-f2f",),
        trained_on="FaceForensics (Face2Face)",
        worth="finds Face2Face; near chance on modern talking heads",
    ),
    "mesoinception-df": Published(
        cards=("mesoinception-df",),
        trained_on="the authors' own 2018 deepfakes",
        worth="finds face swaps of 2018; near chance on modern talking heads",
    ),
    "classnseg": Published(
        cards=("classnseg-encoder", "classnseg-decoder"),
        trained_on="FaceForensics (Face2Face)",
        worth="finds Face2Face, with a mask; near chance on modern talking heads",
    ),
    "gend-pe": Published(
        cards=("gend-pe", "gend-pe-config"),
        trained_on="FaceForensics++",
        worth="its authors report video AUC .96 on Celeb-DF v2 and .87 on DFDC; not measured here",
    ),
}


def examine_faces(name: str, weights: Sequence[Path], frames: Sequence[tuple[float, Frame]]) -> Evidence:
    """Score the largest face of each frame.

    Args:
        name: one of ``PUBLISHED``.
        weights: its files, in the order of its cards.
        frames: (seconds, BGR picture).

    Returns:
        Evidence ``detector.<name>`` without strength; ``not-evaluated`` where no face is large enough.
    """
    published = PUBLISHED[name]
    check = f"detector.{name}"
    crops, seen = face_crops(frames)
    if not len(crops):
        reason = f"No face of at least {LEAST_FACE} pixels in {len(frames)} frames."
        return Evidence(check=check, status=Status.NOT_EVALUATED, summary=reason, code="NO-FACE")
    scores = _scorer(name, tuple(weights))(crops)
    score = statistics.fmean(scores)
    return Evidence(
        check=check,
        status=Status.FOUND if score >= 0.5 else Status.ABSENT,
        summary=(
            f"Score {score:.2f} of 1 over {len(scores)} faces (higher: more like the manipulations it was trained on: "
            f"{published.trained_on}). Experimental: {published.worth}; it decides nothing."
        ),
        code="EXPERIMENTAL",
        detail={
            "score": round(score, 4),
            "lowest": round(min(scores), 4),
            "highest": round(max(scores), 4),
            "coverage": round(len(scores) / len(frames), 3),
            "times": [round(seconds, 2) for seconds in seen],
            "scores": [round(value, 4) for value in scores],
            "crop": f"landmark box x {CROP}",
            "trained_on": published.trained_on,
        },
        model_digest=_digest(weights),
    )


def face_crops(frames: Sequence[tuple[float, Frame]]) -> tuple[Faces, list[float]]:
    """The largest face of each frame as RGB crops (n, 3, 256, 256) in [0, 1], and the times that had one."""
    import cv2
    import numpy as np

    from thsafe.media.faces import FaceFinder

    crops, times = [], []
    with FaceFinder() as finder:
        seen = [(seconds, frame, finder.find(frame, max_faces=1)) for seconds, frame in frames]
    for seconds, frame, faces in seen:
        if not faces:
            continue
        x0, y0, x1, y1 = faces[0].box
        width, height = x1 - x0, y1 - y0
        if max(width, height) < LEAST_FACE:
            continue
        half = max(width, height) * CROP / 2
        left, right = (x0 + x1) / 2 - half, (x0 + x1) / 2 + half
        top, bottom = (y0 + y1) / 2 - half, (y0 + y1) / 2 + half
        corners = np.array([(left, top), (right, top), (left, bottom)], np.float32)
        target = np.array([(0, 0), (_SIDE, 0), (0, _SIDE)], np.float32)
        warp = cv2.getAffineTransform(corners, target)
        crop = cv2.warpAffine(frame, warp, (_SIDE, _SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        crops.append(crop[:, :, ::-1].astype(np.float32).transpose(2, 0, 1) / 255)
        times.append(seconds)
    return (np.stack(crops) if crops else np.zeros((0, 3, _SIDE, _SIDE), np.float32)), times


@cache
def _scorer(name: str, weights: tuple[Path, ...]) -> Scorer:
    """Loaded once a process: a batch of files keeps it warm."""
    import torch

    from detectors.faceforensics.nets import Meso4, MesoInception4
    from detectors.faceforensics.weights import fill_mesonet, load_classnseg

    if name == "gend-pe":
        from detectors.faceforensics.gend import load_gend

        return load_gend(weights).score
    if name == "classnseg":
        whole = load_classnseg(*weights)
        # ImageNet's mean and deviation, as in its training.
        mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

        def by_mask(faces: Faces) -> list[float]:
            with torch.inference_mode():
                genuine, _ = whole((torch.from_numpy(faces) - mean) / deviation)
            return [1 - float(value) for value in genuine]

        return by_mask
    net = fill_mesonet(Meso4() if name.startswith("meso4") else MesoInception4(), weights[0])

    def by_class(faces: Faces) -> list[float]:
        with torch.inference_mode():
            return [1 - float(value) for value in net(torch.from_numpy(faces))]

    return by_class


def _digest(paths: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes())
    return whole.hexdigest()
