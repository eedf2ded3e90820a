"""Make the mean face the cast is drawn from, out of many pictures at once.

``python -m generators.embedded.cast.build_geometry FOLDER [FOLDER ...]`` reads every picture, lets the landmark
finder place its 478 points, keeps the frontal ones, removes size, place and tilt (Procrustes analysis), removes how
far each mouth is open (linear regression), averages, and mirrors. What is stored beside this module
(``mean_face.npz``) is that one symmetric mean: nobody's face, and nothing to get anybody's face back from.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

FloatArray = npt.NDArray[np.float64]

OUTER_EYES = (33, 263)
INNER_LIPS = (13, 14)
RIGID = (33, 263, 133, 362, 168, 6, 197, 195, 5, 4, 1, 10, 151, 9, 67, 297, 127, 356, 234, 454, 103, 332, 54, 284)
MAX_OFF_CENTRE = 0.06
"""How far, in eye distances, the nose tip may stand from the middle of the eyes for a face to count as frontal."""


def find_landmarks(folders: list[Path]) -> list[FloatArray]:
    """The landmarks, in pixels, of the largest face in each picture of the folders."""
    import cv2

    from thsafe.media import faces

    found: list[FloatArray] = []
    for folder in folders:
        for path in sorted(folder.iterdir()):
            picture = cv2.imread(str(path))
            if picture is None:
                continue
            seen = faces.find_faces(np.asarray(picture, dtype=np.uint8))
            if seen:
                largest = max(seen, key=lambda face: float(np.ptp(face.landmarks[:, 0])))
                found.append(largest.landmarks.astype(np.float64))
    return found


def upright(points: FloatArray) -> FloatArray:
    """Move to the middle of the eyes, turn level in the picture plane, scale the eye distance to one."""
    left, right = points[OUTER_EYES[0]], points[OUTER_EYES[1]]
    across = right[:2] - left[:2]
    unit = float(np.hypot(*across))
    cos, sin = across / unit
    turn = np.array([[cos, sin], [-sin, cos]])
    centred = points - (left + right) / 2
    return np.column_stack([centred[:, :2] @ turn.T, centred[:, 2]]) / unit


def is_frontal(face: FloatArray) -> bool:
    """Whether the nose tip stands under the middle of the eyes (face as given by :func:`upright`)."""
    return bool(abs(face[1, 0]) < MAX_OFF_CENTRE)


def align(face: FloatArray, to: FloatArray) -> FloatArray:
    """Least-squares similarity in three dimensions on the points that no expression moves (Umeyama 1991)."""
    rigid = list(RIGID)
    here, there = face[rigid], to[rigid]
    here_mean, there_mean = here.mean(0), there.mean(0)
    u, s, vt = np.linalg.svd((there - there_mean).T @ (here - here_mean))
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ sign @ vt
    scale = float((s * np.diag(sign)).sum() / ((here - here_mean) ** 2).sum())
    return np.asarray(scale * (face - here_mean) @ rotation.T + there_mean)


def mirror_pairs(mean: FloatArray) -> npt.NDArray[np.int64]:
    """For each landmark the index of its mirror image: the cheapest one-to-one matching of the mean to its mirror."""
    mirrored = mean * (-1, 1, 1)
    cost = np.linalg.norm(mean[:, None] - mirrored[None], axis=2)
    rows, columns = linear_sum_assignment(cost)
    pairs = np.empty(len(mean), np.int64)
    pairs[rows] = columns
    return pairs


def symmetrise(shape: FloatArray, pairs: npt.NDArray[np.int64]) -> FloatArray:
    """Average a shape, or a difference of shapes, with its own mirror image."""
    return np.asarray((shape + shape[pairs] * (-1, 1, 1)) / 2)


def build(found: list[FloatArray]) -> npt.NDArray[np.float32]:
    """The symmetric mean with a closed mouth, ``(478, 3)`` in eye distances."""
    faces = [face for face in map(upright, found) if is_frontal(face)]
    mean = np.mean(faces, axis=0)
    for _ in range(4):
        faces = [align(face, mean) for face in faces]
        mean = upright(np.mean(faces, axis=0))
    pairs = mirror_pairs(mean)
    stack = np.stack([symmetrise(face, pairs) for face in faces])
    gap = np.linalg.norm(stack[:, INNER_LIPS[0], :2] - stack[:, INNER_LIPS[1], :2], axis=1)
    design = np.column_stack([np.ones_like(gap), gap - 0.004])
    flat = stack.reshape(len(stack), -1)
    fit, *_ = np.linalg.lstsq(design, flat, rcond=None)
    closed = fit[0].reshape(-1, 3)
    return upright(closed).astype(np.float32)


def main(folders: list[str]) -> None:
    """Write ``mean_face.npz`` beside this module from the pictures in the folders."""
    if not folders:
        raise SystemExit(
            "give at least one folder of pictures: python -m generators.embedded.cast.build_geometry FOLDER"
        )
    mean = build(find_landmarks([Path(folder) for folder in folders]))
    np.savez_compressed(Path(__file__).with_name("mean_face.npz"), mean=mean)


if __name__ == "__main__":
    main(sys.argv[1:])
