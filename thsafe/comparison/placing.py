"""Where a suspect's picture lies in the original's: cropped, scaled, turned, stretched or mirrored.

Local features (SIFT, Lowe 2004) of a few pictures of both are matched and an affine map is fitted to them (RANSAC);
flat drawings have few features, so the plain map of frame onto frame and its mirror image compete too. The map under
which the pictures correlate best wins, and is refined on their means (ECC, Evangelidis and Psarakis 2008).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.comparison.footage import Footage

    Matrix = NDArray[np.float64]
    Grey = NDArray[np.uint8]

_SUSPECTS, _ORIGINALS = 6, 12
_FEATURES = 500
_LEAST_INLIERS = 14
_LEAST_LIKENESS = 0.55
"""Correlation below which no map shows the two to be of one scene."""
_LEAST_VALID = 0.08
_RATIO = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The affine map from the suspect's working pixels to the original's."""

    matrix: Matrix
    """(2, 3)."""
    likeness: float
    """Mean over the suspect's pictures of the best correlation with any of the original's, -1 to 1."""
    mirrored: bool
    scale: float
    """Size of the picture in the suspect over its size in the original, in pixels of the files."""
    turned: float
    """Degrees."""
    visible: float
    """Share of the original's picture that the suspect shows."""


def place(suspect: Footage, original: Footage) -> Placement | None:
    """Find the map; None where the two show nothing in common."""
    import cv2

    theirs, ours = _sample(suspect.pictures, _SUSPECTS), _sample(original.pictures, _ORIGINALS)
    if not theirs or not ours:
        return None
    height, width = theirs[0].shape
    plain = np.array([[ours[0].shape[1] / width, 0, 0], [0, ours[0].shape[0] / height, 0]], np.float64)
    flip = np.array([[-1.0, 0, width - 1.0], [0, 1.0, 0]])
    sift = cv2.SIFT.create(_FEATURES)
    known = [sift.detectAndCompute(picture, None) for picture in ours]
    candidates = [plain, _after(plain, flip)]
    for mirror in (False, True):
        best: tuple[int, Matrix] | None = None
        for picture in theirs:
            seen = cv2.flip(picture, 1) if mirror else picture
            features = sift.detectAndCompute(seen, None)
            for reference in known:
                fitted = _fit(features, reference)
                if fitted is not None and (best is None or fitted[0] > best[0]):
                    best = fitted
        if best is not None:
            candidates.append(_after(best[1], flip) if mirror else best[1])
    likeness, matrix = max(((_likeness(theirs, ours, item), item) for item in candidates), key=lambda found: found[0])
    if likeness < _LEAST_LIKENESS:
        return None
    return _placement(matrix, likeness, suspect, original)


def refine(placement: Placement, suspect: Footage, original: Footage, pairs: list[tuple[int, int]]) -> Placement:
    """The map made exact on the mean of pictures that were found to belong together."""
    import cv2

    chosen = [pairs[place] for place in np.unique(np.linspace(0, len(pairs) - 1, min(24, len(pairs))).astype(int))]
    theirs = np.mean([suspect.pictures[i] for i, _ in chosen], axis=0).astype(np.float32)
    ours = np.mean([original.pictures[j] for _, j in chosen], axis=0).astype(np.float32)
    start = cv2.invertAffineTransform(placement.matrix).astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
    try:
        # what of the original the suspect does not show drops out by this mask, which moves with the map
        mask = np.full(theirs.shape, 255, np.uint8)
        _, found = cv2.findTransformECC(ours, theirs, start, cv2.MOTION_AFFINE, criteria, mask, 5)
    except cv2.error:
        return placement
    matrix = cv2.invertAffineTransform(found.astype(np.float64))
    before = _correlation(theirs, ours, placement.matrix)
    if _correlation(theirs, ours, matrix) <= before:
        return placement
    return _placement(matrix, placement.likeness, suspect, original)


def warp(picture: NDArray[Any], matrix: Matrix, shape: tuple[int, ...]) -> NDArray[Any]:
    """A suspect's picture where it lies in the original's frame of this (height, width); zero elsewhere."""
    import cv2

    size = (shape[1], shape[0])
    shrink = math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))
    if shrink < 0.7:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / shrink)
    warped: NDArray[Any] = cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR)
    return warped


def shown(shape: tuple[int, ...], matrix: Matrix, target: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which pixels of the original's frame the suspect shows, two working pixels of edge left out."""
    import cv2

    full = np.full(shape[:2], 255, np.uint8)
    full[:2], full[-2:], full[:, :2], full[:, -2:] = 0, 0, 0, 0
    seen: NDArray[np.bool_] = cv2.erode(warp(full, matrix, target), np.ones((3, 3), np.uint8)) == 255
    return seen


def _placement(matrix: Matrix, likeness: float, suspect: Footage, original: Footage) -> Placement:
    linear = matrix[:, :2]
    size = math.sqrt(abs(float(np.linalg.det(linear))))
    mirrored = float(np.linalg.det(linear)) < 0
    across = linear @ np.array([-1.0 if mirrored else 1.0, 0.0])
    target = original.pictures.shape[1:]
    visible = shown(suspect.pictures.shape[1:], matrix, target)
    inside = np.zeros(target, np.bool_)
    inside[3:-3, 3:-3] = True
    return Placement(
        matrix=matrix,
        likeness=likeness,
        mirrored=mirrored,
        scale=original.scale / (size * suspect.scale),
        turned=math.degrees(math.atan2(across[1], across[0])),
        visible=float(visible[inside].mean()) if inside.any() else 1.0,
    )


def _sample(pictures: NDArray[np.uint8], most: int) -> list[Grey]:
    places = np.unique(np.linspace(0, len(pictures) - 1, min(most, len(pictures))).astype(int)) if len(pictures) else []
    return [pictures[place] for place in places]


def _after(second: Matrix, first: Matrix) -> Matrix:
    """The map that does one and then the other."""
    joined: Matrix = second @ np.vstack([first, [0.0, 0.0, 1.0]])
    return joined


def _fit(features: Any, reference: Any) -> tuple[int, Matrix] | None:
    """(inliers, map) from one picture's features to another's."""
    import cv2

    (points, words), (places, known) = features, reference
    if words is None or known is None or len(words) < _LEAST_INLIERS or len(known) < _LEAST_INLIERS:
        return None
    pairs = [
        near[0]
        for near in cv2.BFMatcher(cv2.NORM_L2).knnMatch(words, known, k=2)
        if len(near) == 2 and near[0].distance < _RATIO * near[1].distance
    ]
    if len(pairs) < _LEAST_INLIERS:
        return None
    source = np.array([points[pair.queryIdx].pt for pair in pairs], np.float32)
    target = np.array([places[pair.trainIdx].pt for pair in pairs], np.float32)
    cv2.setRNGSeed(1)
    matrix, inliers = cv2.estimateAffine2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=2.0)
    if matrix is None or int(inliers.sum()) < _LEAST_INLIERS:
        return None
    stretch = np.linalg.svd(matrix[:, :2], compute_uv=False)
    if float(np.linalg.det(matrix[:, :2])) <= 0 or stretch[1] <= 0.1 or stretch[0] >= 10 or stretch[0] > 2 * stretch[1]:
        return None
    return int(inliers.sum()), matrix


def _likeness(theirs: list[Grey], ours: list[Grey], matrix: Matrix) -> float:
    return float(np.mean([max(_correlation(picture, other, matrix) for other in ours) for picture in theirs]))


def _correlation(theirs: NDArray[Any], ours: NDArray[Any], matrix: Matrix) -> float:
    mask = shown(theirs.shape, matrix, ours.shape)[::2, ::2]
    if mask.mean() < _LEAST_VALID:
        return -1.0
    one, other = warp(theirs, matrix, ours.shape)[::2, ::2][mask], ours[::2, ::2][mask]
    if float(one.std()) < 1 or float(other.std()) < 1:
        return -1.0
    return float(np.corrcoef(one.astype(np.float32), other.astype(np.float32))[0, 1])
