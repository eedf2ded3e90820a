"""How far a film keeps the person: the similarity of its faces to a reference's (CSIM), and what that scale means.

FaceNet compares people where its weights are installed; without them, histograms of oriented gradients (Dalal and
Triggs, CVPR 2005) of the aligned face compare appearance: light, pose and expression count as much as the person does.
Cosines of either mean nothing by themselves. Over an index with people in it, pairs of clips of one person are held
against pairs of two, and say how well the measure tells people apart on that data.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.faceforensics.metrics import roc_auc, roc_curve
from detectors.likeness.looks import looks
from thsafe.core.errors import InputError, MissingError, UsageError
from thsafe.models.facenet import CARD, FaceNet

if TYPE_CHECKING:
    from thsafe.core.types import Frame, Json, Progress
    from thsafe.datasets.index import Index
    from thsafe.home import Home

LOOKS: Final = 12
"""Frames of a film that are compared."""
_INDEX_LOOKS: Final = 4
_MOST_PAIRS: Final = 20_000
_SIDE: Final = 96
_EYES: Final = np.array([[30.0, 38.0], [66.0, 38.0]])
"""Where the eyes' middles lie in the aligned face: the person's right eye, then the left."""
_RIGHT_EYE, _LEFT_EYE = (33, 133), (263, 362)
"""Outer and inner corners among mediapipe's landmarks."""


class Describer(Protocol):
    """A face as a vector."""

    name: str
    about: str

    def describe(self, frame: Frame) -> NDArray[np.float64] | None:
        """The one face of a picture as a unit vector; None for none, or several."""


class People:
    """FaceNet as a describer."""

    about = "FaceNet (VGGFace2): compares people; 0.4 to 0.7 is usual for one person, below 0.3 for two"

    def __init__(self, net: FaceNet) -> None:
        self.name = net.name
        self._net = net

    def describe(self, frame: Frame) -> NDArray[np.float64] | None:
        """As the protocol says."""
        found = self._net.describe(frame)
        return None if found is None else _unit(np.asarray(found.numpy(), np.float64))


class Appearance:
    """Oriented gradients of the aligned face."""

    name = "hog"
    about = "oriented gradients: compares appearance, not people; pose, light and expression count as much"

    def describe(self, frame: Frame) -> NDArray[np.float64] | None:
        """As the protocol says."""
        import cv2

        from thsafe.media.faces import find_faces

        faces = find_faces(frame, max_faces=2)
        if len(faces) != 1:
            return None
        marks = faces[0].landmarks[:, :2].astype(np.float64)
        eyes = np.array([marks[list(eye)].mean(axis=0) for eye in (_RIGHT_EYE, _LEFT_EYE)])
        way, _ = cv2.estimateAffinePartial2D(eyes, _EYES)
        if way is None:
            return None
        grey = cv2.cvtColor(cv2.warpAffine(frame, way, (_SIDE, _SIDE)), cv2.COLOR_BGR2GRAY)
        gradients = cv2.HOGDescriptor((_SIDE, _SIDE), (32, 32), (16, 16), (16, 16), 9).compute(grey)
        values = np.asarray(gradients, np.float64).reshape(-1)
        return _unit(values - values.mean())


def describer(home: Home, kind: str) -> Describer:
    """The describer of that kind: ``facenet``, ``hog``, or ``auto`` for the best that is installed.

    Raises:
        MissingError: ``model.missing``.
        UsageError: ``evaluate.measure``.
    """
    if kind not in {"auto", "facenet", "hog"}:
        raise UsageError(
            "There is no such measure.", code="evaluate.measure", found=kind, next_step="auto, facenet or hog"
        )
    net = None if kind == "hog" else FaceNet.installed(home)
    if net is not None:
        return People(net)
    if kind == "facenet":
        raise MissingError(
            "FaceNet's weights are not installed.", code="model.missing", next_step=f"thsafe models pull {CARD}"
        )
    return Appearance()


def reference(path: Path, how: Describer) -> NDArray[np.float64]:
    """The reference's looks, (n, d).

    Raises:
        InputError: ``evaluate.no-face``.
    """
    found = [item for item in (how.describe(frame) for frame in looks(path, LOOKS)) if item is not None]
    if not found:
        raise InputError(
            f"No single face was found in {path.name}.",
            code="evaluate.no-face",
            next_step="give a picture or film of one person alone",
        )
    return np.stack(found)


def measure(path: Path, known: NDArray[np.float64], how: Describer, progress: Progress) -> dict[str, Json]:
    """Similarity of a film's faces to the reference's.

    Args:
        path: the film.
        known: from :func:`reference`.
        how: the same describer.
        progress: told of the looks.

    Returns:
        ``file``, ``looks``, ``with_face``; ``similarity`` (mean over looks of the cosine to the reference's mean
        direction), ``lowest``, and ``steadiness`` (mean cosine of the looks to their own mean).

    Raises:
        InputError: ``evaluate.no-face``.
    """
    frames = looks(path, LOOKS)
    progress.start("comparing faces", len(frames))
    found = []
    for frame in frames:
        item = how.describe(frame)
        progress.advance()
        if item is not None:
            found.append(item)
    if not found:
        raise InputError(
            f"No single face was found in {path.name}.",
            code="evaluate.no-face",
            found=f"{len(frames)} looks",
            next_step="give a film of one person alone",
        )
    seen = np.stack(found)
    alike = seen @ _unit(known.mean(axis=0))
    return {
        "file": path.name,
        "looks": len(frames),
        "with_face": len(found),
        "similarity": round(float(alike.mean()), 4),
        "lowest": round(float(alike.min()), 4),
        "steadiness": steadiness(seen),
    }


def steadiness(seen: NDArray[np.float64]) -> float:
    """Mean cosine of looks (n, d) to their own mean: what the same face gives in this film."""
    return round(float((seen @ _unit(seen.mean(axis=0))).mean()), 4)


def over_index(
    index: Index, how: Describer, progress: Progress, *, split: str | None, limit: int | None
) -> dict[str, Json]:
    """How well the measure tells the people of an index apart.

    Returns:
        ``clips``, ``people``, ``not_measured`` with reasons; ``same`` and ``different``: pairs and mean similarity;
        ``auc`` and ``eer`` of telling them apart.

    Raises:
        InputError: ``evaluate.people``: no two clips of one person, or no two people.
    """
    chosen = index.choose(split=split, limit=limit, pictured=True, known=("person",))
    progress.start("describing faces", len(chosen))
    vectors: list[NDArray[np.float64]] = []
    people: list[str] = []
    failed: list[dict[str, Json]] = []
    for clip in chosen:
        path = index.path_of(clip)
        try:
            mean = _mean_of(path, how) if path is not None else None
        except InputError as problem:
            failed.append({"clip": clip.id, "why": problem.message})
            continue
        finally:
            progress.advance()
        if mean is None:
            failed.append({"clip": clip.id, "why": "no single face"})
            continue
        vectors.append(mean)
        people.append(str(clip.person))
    same, apart = _pairs(people)
    if not same or not apart:
        raise InputError(
            "People cannot be compared over these clips.",
            code="evaluate.people",
            found=f"{len(people)} clips with a face, of {len(set(people))} people",
            rule="at least two clips of one person, and two people",
            next_step="take more clips: --limit, or another --split",
        )
    matrix = np.stack(vectors)
    alike = [np.array([matrix[a] @ matrix[b] for a, b in pairs]) for pairs in (same, apart)]
    labels = np.repeat([1, 0], [len(same), len(apart)])
    scores = np.concatenate(alike)
    return {
        "clips": len(people),
        "people": len(set(people)),
        "not_measured": failed,
        "same": {"pairs": len(same), "similarity": round(float(alike[0].mean()), 4)},
        "different": {"pairs": len(apart), "similarity": round(float(alike[1].mean()), 4)},
        "auc": round(roc_auc(labels, scores), 4),
        "eer": round(_equal_error(labels, scores), 4),
    }


def _mean_of(path: Path, how: Describer) -> NDArray[np.float64] | None:
    found = [item for item in (how.describe(frame) for frame in looks(path, _INDEX_LOOKS)) if item is not None]
    return _unit(np.mean(found, axis=0)) if found else None


def _pairs(people: Sequence[str]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs of one person and of two; of too many, every n-th."""
    found: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for a, b in itertools.combinations(range(len(people)), 2):
        found[people[a] != people[b]].append((a, b))
    same, apart = (pairs[:: -(-len(pairs) // _MOST_PAIRS)] if pairs else [] for pairs in found)
    return same, apart


def _equal_error(labels: NDArray[Any], scores: NDArray[np.float64]) -> float:
    """Where as many strangers are taken for one person as one person for strangers."""
    false, hits = roc_curve(labels, scores)
    gap = np.abs(false - (1 - hits))
    best = int(np.argmin(gap))
    return float((false[best] + 1 - hits[best]) / 2)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    scaled: NDArray[np.float64] = vector / max(length, 1e-12)
    return scaled
