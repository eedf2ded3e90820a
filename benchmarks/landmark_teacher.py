"""How well the landmarks of the face finder agree with themselves: what a network taught by it could reach at most.

    python benchmarks/landmark_teacher.py [FOLDER OF PICTURES WITH ONE FACE EACH]

Without a folder, the drawn cast. Each picture is looked at again after a shift of three pixels, at nine tenths of the
size, and as JPEG of quality 60; errors are means over the 468 landmarks in percent of the distance between the outer
eye corners. Beside it what the mean shape of all other faces, laid on the eyes and the mouth, would say.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np


def pictures(folder: Path | None) -> list[np.ndarray]:
    """BGR pictures of one face each."""
    if folder is None:
        from generators.embedded.cast import CAST, draw

        return [draw(person, size=512).picture for person in CAST.values()]
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"})
    return [picture for path in files if (picture := cv2.imread(str(path))) is not None]


def marks(picture: np.ndarray) -> np.ndarray | None:
    """(468, 2) in pixels."""
    from thsafe.media.faces import find_faces

    faces = find_faces(picture, max_faces=1)
    return None if not faces else faces[0].landmarks[:468, :2].astype(np.float64)


def changed(picture: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Variants, each with the affine map (2, 3) from the picture to it."""
    height, width = picture.shape[:2]
    shift = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 3.0]])
    small = (round(width * 0.9), round(height * 0.9))
    scale = np.array([[small[0] / width, 0.0, 0.0], [0.0, small[1] / height, 0.0]])
    coded = cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    return {
        "shifted": (cv2.warpAffine(picture, shift, (width, height), borderMode=cv2.BORDER_REPLICATE), shift),
        "smaller": (cv2.resize(picture, small, interpolation=cv2.INTER_AREA), scale),
        "jpeg 60": (coded, np.eye(2, 3)),
    }


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """Mean distance in percent of the eye distance."""
    unit = float(np.hypot(*(expected[263] - expected[33])))
    return 100 * float(np.linalg.norm(found - expected, axis=1).mean()) / unit


def aligned(shape: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """A shape laid on another by its eye and mouth corners (similarity)."""
    anchors = [33, 263, 133, 362, 61, 291]
    a, b = (points[anchors] @ np.array([1, 1j]) for points in (shape, onto))
    factor = np.vdot(a - a.mean(), b - b.mean()) / np.vdot(a - a.mean(), a - a.mean())
    moved = (shape @ np.array([1, 1j]) - a.mean()) * factor + b.mean()
    return np.stack([moved.real, moved.imag], axis=1)


def main(folder: Path | None) -> None:
    """Print the errors."""
    rows: dict[str, list[float]] = {}
    shapes = []
    for picture in pictures(folder):
        first = marks(picture)
        if first is None:
            continue
        shapes.append(first)
        for name, (variant, matrix) in changed(picture).items():
            again = marks(variant)
            if again is not None:
                rows.setdefault(name, []).append(error(again, first @ matrix[:, :2].T + matrix[:, 2]))
    for place, shape in enumerate(shapes):
        others = [aligned(other, shape) for number, other in enumerate(shapes) if number != place]
        rows.setdefault("mean shape", []).append(error(aligned(np.mean(others, axis=0), shape), shape))
    print(f"{len(shapes)} faces")
    for name, errors in rows.items():
        print(f"{name:12} mean {np.mean(errors):5.2f} %   worst {np.max(errors):5.2f} %")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
