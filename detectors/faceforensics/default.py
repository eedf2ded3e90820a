"""The small detector that comes with thsafe: its weights, its card, and what it says of a file.

It is evidence beside the rest and decides nothing alone. Its card says what it is worth on people and methods that it
never saw, per quality; a report repeats that.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from thsafe.core.types import Evidence, Status

if TYPE_CHECKING:
    from detectors.faceforensics.calibrate import Calibration
    from thsafe.core.types import Frame

CHECK: Final = "detector.small"
LEAST_FACE: Final = 64
"""Pixels of a face's longer side in the file; smaller faces were not trained on."""
LEAST_COVER: Final = 0.5
"""Share of the frames looked at that must show such a face."""
FRAMES: Final = 12
_SMALL_FACE: Final = 96


def weights_path() -> Path:
    """Where the weights lie."""
    return Path(str(resources.files("detectors.faceforensics") / "shipped" / "small.safetensors"))


@cache
def card() -> Mapping[str, Any]:
    """The card beside the weights."""
    return tomllib.loads(weights_path().with_suffix(".toml").read_text(encoding="utf-8"))


def examine(frames: Sequence[tuple[float, Frame]], *, moving: bool) -> Evidence:
    """Score the largest face of up to twelve frames.

    Args:
        frames: (seconds, BGR picture), evenly spaced.
        moving: whether they come from a video.

    Returns:
        Evidence ``detector.small``. ``found`` and ``absent`` say only on which side of inconclusive the score lies, at
        the error rate of the card; everything else is ``not-evaluated`` with its reason.
    """
    chosen = [frames[int(place)] for place in np.linspace(0, len(frames) - 1, min(FRAMES, len(frames)))]
    faces, times, sizes = _faces(chosen)
    if len(faces) < max(1, LEAST_COVER * len(chosen)):
        reason = "no face" if not faces else f"a face of {LEAST_FACE} pixels or more in only {len(faces)}"
        return Evidence(
            check=CHECK,
            status=Status.NOT_EVALUATED,
            code="NO-FACE",
            summary=f"Not assessed: {reason} of {len(chosen)} frames."
            if faces
            else "Not assessed: no face large enough.",
            detail={"frames": len(chosen), "frames_with_face": len(faces)},
        )
    logits = _logits(faces)
    score = float(np.mean(logits))
    quality = _quality(float(np.median(sizes)), moving=moving)
    calibration = _calibration()
    ratio = float(calibration.ratios(np.array([score]), quality)[0] / np.log(10))
    answer = calibration.answer(score, quality)
    status, words = _WORDS[answer]
    known = card()
    worth = known["worth"]
    return Evidence(
        check=CHECK,
        status=status,
        code="EXPERIMENTAL",
        summary=f"{words} Experimental: {worth}",
        detail={
            "score": round(score, 4),
            "log10_likelihood_ratio": round(ratio, 3),
            "answer": answer,
            "error_rate": calibration.alpha,
            "quality": quality,
            "coverage": round(len(faces) / len(chosen), 3),
            "face_pixels": round(float(np.median(sizes))),
            "times": [round(seconds, 2) for seconds in times],
            "scores": [round(float(value), 4) for value in logits],
            "crop": known["crop"],
            "trained_on": known["trained_on"],
            "calibrated_with": {
                "genuine": calibration.bin_for(quality).genuine,
                "manipulated": calibration.bin_for(quality).manipulated,
            },
        },
        model_digest=weights_digest(),
    )


_WORDS: Final = {
    "manipulated": (Status.FOUND, "The face looks like the manipulations that this detector was trained on."),
    "genuine": (
        Status.ABSENT,
        "No trace of the manipulations that this detector knows; that does not show the picture is genuine.",
    ),
    "both": (Status.NOT_EVALUATED, "Inconclusive: the score is usual for genuine and for manipulated faces."),
    "neither": (Status.NOT_EVALUATED, "Inconclusive: the score is unlike those of the faces this was calibrated with."),
}


def _faces(frames: Sequence[tuple[float, Frame]]) -> tuple[list[Frame], list[float], list[float]]:
    from detectors.faceforensics.crops import cut_face
    from detectors.faceforensics.recipes import find_recipe
    from detectors.faceforensics.scoring import presented

    recipe = find_recipe(card()["recipe_name"])
    faces, times, sizes = [], [], []
    for seconds, frame in frames:
        cut = cut_face(frame, recipe.crop)
        if cut is not None and cut.face >= LEAST_FACE:
            faces.append(presented(cut.picture, recipe, "as-is"))
            times.append(seconds)
            sizes.append(cut.face)
    return faces, times, sizes


def _logits(faces: Sequence[Frame]) -> np.ndarray[Any, np.dtype[np.float64]]:
    import torch

    from detectors.faceforensics.recipes import find_recipe
    from detectors.faceforensics.scoring import prepared

    with torch.inference_mode():
        found = _net()(prepared(torch.from_numpy(np.stack(faces)), find_recipe(card()["recipe_name"])))
    return np.asarray(found.numpy(), np.float64)


def _quality(face: float, *, moving: bool) -> str:
    """Which of the card's conditions comes nearest."""
    if face < _SMALL_FACE:
        return "half-size"
    return "c23" if moving else "jpeg-75"


@cache
def _net() -> Any:
    """Loaded once a process: a batch of files keeps it warm."""
    from detectors.faceforensics.export import load
    from detectors.faceforensics.recipes import find_recipe

    return load(find_recipe(card()["recipe_name"]), weights_path())


@cache
def _calibration() -> Calibration:
    from detectors.faceforensics.calibrate import load_calibration

    return load_calibration(weights_path().with_name("calibration.json"))


@cache
def weights_digest() -> str:
    """SHA-256 of the weights."""
    return hashlib.sha256(weights_path().read_bytes()).hexdigest()
