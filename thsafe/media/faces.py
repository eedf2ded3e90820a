"""Faces and people in pictures: where they are, their 478 landmarks, and which pixels are person.

The only module that imports mediapipe (0.10.21, whose models come with the wheel). It finds faces on animals, busts and
drawings too: a find is never a check that somebody human is shown.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from thsafe.core.types import Frame

LANDMARK_COUNT = 478
MIN_SCORE = 0.5

_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One face found in one picture."""

    landmarks: NDArray[np.float32]
    """(478, 3): x and y in pixels, z in pixels of the x scale, smaller is nearer to the camera."""
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in pixels: the extent of the landmarks."""
    score: float
    """The detector's confidence, 0 to 1; 1 for a face followed from an earlier frame."""


def find_faces(frame: Frame, *, max_faces: int = 5) -> tuple[Face, ...]:
    """Find the faces of one picture, largest first.

    Both detectors look at the whole picture; where neither finds a face of decent size, they look again at
    overlapping tiles of a large picture. Landmarks are then measured in a crop around each find, so a small face is
    measured as finely as a large one.

    Args:
        frame: BGR ``uint8`` (height, width, 3).
        max_faces: the most faces to return.
    """
    with FaceFinder() as finder:
        return finder.find(frame, max_faces=max_faces)


def person_matte(frame: Frame) -> NDArray[np.float32] | None:
    """How much of each pixel is person, float32 (height, width) in 0 to 1; None where nobody stands out."""
    import cv2

    with _quiet():
        selfie = _solution("selfie_segmentation").SelfieSegmentation(model_selection=0)
        try:
            mask = selfie.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).segmentation_mask
        finally:
            selfie.close()
    if mask is None:
        return None
    matte: NDArray[np.float32] = np.array(mask, dtype=np.float32)
    share = float((matte > 0.5).mean())
    return matte if 0.05 < share < 0.95 else None


class FaceTracker:
    """Follows the faces of a video from frame to frame; a context manager.

    A face too small for the tracker's own detector is looked for with ``find_faces`` and then followed in a window
    around it. The landmarks are as measured: smoothing is the caller's affair.
    """

    def __init__(self, *, max_faces: int = 1) -> None:
        self._max_faces = max_faces
        self._mesh: Any = None
        self._settled = False
        self._window: tuple[int, int, int, int] | None = None
        self._missed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the models back."""
        if self._mesh is not None:
            self._mesh.close()
            self._mesh = None

    def next(self, frame: Frame) -> tuple[Face, ...]:
        """The faces of the next frame (BGR ``uint8``), largest first; empty where none is found."""
        faces = self._follow(frame)
        if faces:
            self._missed = 0
            if self._window is not None:
                self._recentre(frame, faces[0].box)
            return faces
        self._missed += 1
        # every 5th miss only: the second look costs some 40 ms
        if self._missed % 5 != 1:
            return ()
        faces = find_faces(frame, max_faces=self._max_faces)
        if faces:
            self._window = _square(faces[0].box, 3.0, frame.shape[1], frame.shape[0])
        return faces

    def _follow(self, frame: Frame) -> tuple[Face, ...]:
        import cv2

        x0, y0, x1, y1 = self._window or (0, 0, frame.shape[1], frame.shape[0])
        rgb = cv2.cvtColor(frame[y0:y1, x0:x1], cv2.COLOR_BGR2RGB)
        # mediapipe writes one more line when the first face passes, so stderr stays shut until then
        with _quiet() if not self._settled else contextlib.nullcontext():
            if self._mesh is None:
                self._mesh = _mesh(static=False, max_faces=self._max_faces)
            found = self._mesh.process(rgb).multi_face_landmarks or ()
        self._settled = self._settled or bool(found)
        faces = [_face(item, x0, y0, x1 - x0, y1 - y0, 1.0) for item in found]
        faces.sort(key=lambda face: face.box[2] - face.box[0], reverse=True)
        return tuple(faces)

    def _recentre(self, frame: Frame, box: _Box) -> None:
        """Move the window when the face has drifted towards its edge."""
        if self._window is None:
            return
        x0, y0, x1, y1 = self._window
        drift = max(abs((box[0] + box[2]) - (x0 + x1)), abs((box[1] + box[3]) - (y0 + y1))) / 2
        if drift > 0.5 * (box[2] - box[0]):
            self._window = _square(box, 3.0, frame.shape[1], frame.shape[0])


class FaceFinder:
    """The two detectors and the landmark model, kept warm for picture after picture; a context manager.

    Every picture is looked at by itself: the same faces come out as of ``find_faces``, in about half the time.
    """

    def __init__(self) -> None:
        self._near: Any = None
        self._far: Any = None
        self._mesh: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the models back."""
        with _quiet():
            for model in (self._near, self._far, self._mesh):
                if model is not None:
                    model.close()
        self._near = self._far = self._mesh = None

    def find(self, frame: Frame, *, max_faces: int = 5) -> tuple[Face, ...]:
        """The faces of one picture, as ``find_faces`` gives them."""
        height, width = frame.shape[:2]
        if min(height, width) < 16:
            return ()
        # shut from first to last: the models start on threads of their own and write when they please
        with _quiet():
            if self._mesh is None:
                detection = _solution("face_detection")
                self._near = detection.FaceDetection(min_detection_confidence=MIN_SCORE, model_selection=0)
                self._far = detection.FaceDetection(min_detection_confidence=MIN_SCORE, model_selection=1)
                self._mesh = _mesh(static=True, max_faces=1)
            boxes = self._detect(frame, 0.0, 0.0)
            largest = max((box[2] - box[0] for box, _ in boxes), default=0.0)
            if largest < 0.08 * max(height, width) and max(height, width) >= 480:
                for x0, y0, x1, y1 in _tiles(width, height):
                    boxes += self._detect(np.ascontiguousarray(frame[y0:y1, x0:x1]), float(x0), float(y0))
            faces: list[Face] = []
            for box, score in _distinct(boxes):
                face = self._measure(frame, box, score)
                if face is not None and all(_overlap(face.box, other.box) < 0.4 for other in faces):
                    faces.append(face)
        faces.sort(key=lambda face: (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]), reverse=True)
        return tuple(faces[:max_faces])

    def _detect(self, frame: Frame, left: float, top: float) -> list[tuple[_Box, float]]:
        import cv2

        height, width = frame.shape[:2]
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        boxes: list[tuple[_Box, float]] = []
        for model in (self._near, self._far):
            for item in model.process(rgb).detections or ():
                rel = item.location_data.relative_bounding_box
                x0, y0 = left + rel.xmin * width, top + rel.ymin * height
                box = (x0, y0, x0 + rel.width * width, y0 + rel.height * height)
                boxes.append((box, float(item.score[0])))
        return boxes

    def _measure(self, frame: Frame, box: _Box, score: float) -> Face | None:
        import cv2

        x0, y0, x1, y1 = _square(box, 2.2, frame.shape[1], frame.shape[0])
        if min(x1 - x0, y1 - y0) < 16:
            return None
        found = self._mesh.process(cv2.cvtColor(frame[y0:y1, x0:x1], cv2.COLOR_BGR2RGB)).multi_face_landmarks
        return _face(found[0], x0, y0, x1 - x0, y1 - y0, score) if found else None


def _face(item: Any, left: int, top: int, width: int, height: int, score: float) -> Face:
    points = np.array([(mark.x, mark.y, mark.z) for mark in item.landmark], np.float32)
    points *= np.array([width, height, width], np.float32)
    points += np.array([left, top, 0.0], np.float32)
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Face(landmarks=points, box=box, score=score)


def _square(box: _Box, factor: float, width: int, height: int) -> tuple[int, int, int, int]:
    """A square window around a box, cut at the picture's border."""
    half = factor * max(box[2] - box[0], box[3] - box[1]) / 2
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return (
        max(int(cx - half), 0),
        max(int(cy - half), 0),
        min(int(cx + half) + 1, width),
        min(int(cy + half) + 1, height),
    )


def _overlap(a: _Box, b: _Box) -> float:
    """Intersection over the smaller box: a face found twice counts even when one find is half the other."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    tall = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    return wide * tall / max(min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])), 1e-6)


def _distinct(boxes: list[tuple[_Box, float]]) -> list[tuple[_Box, float]]:
    kept: list[tuple[_Box, float]] = []
    for box, score in sorted(boxes, key=lambda item: item[1], reverse=True):
        if all(_overlap(box, other) < 0.5 for other, _ in kept):
            kept.append((box, score))
    return kept


def _tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Overlapping square tiles, half the longer side and at least 320 pixels."""
    side = min(max(max(width, height) // 2, 320), width, height)
    for y0 in _starts(height, side):
        for x0 in _starts(width, side):
            yield x0, y0, x0 + side, y0 + side


def _starts(length: int, side: int) -> list[int]:
    count = 1 + -(-(length - side) * 3 // (2 * side))
    return [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]


def _mesh(*, static: bool, max_faces: int) -> Any:
    return _solution("face_mesh").FaceMesh(
        static_image_mode=static,
        max_num_faces=max_faces,
        refine_landmarks=True,
        min_detection_confidence=0.4,
        min_tracking_confidence=0.5,
    )


def _solution(name: str) -> Any:
    import importlib

    with warnings.catch_warnings(), _without_plots():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"mediapipe.python.solutions.{name}")


_PLOTS = ("matplotlib", "matplotlib.pyplot")


class _Later(types.ModuleType):
    """Stands in for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        import importlib

        if name.startswith("__"):  # the import system asks, and is not to load anything
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _without_plots() -> Iterator[None]:
    """Import mediapipe without matplotlib, which its drawing of demonstrations imports: most of the loading time.

    Who does draw with it gets the real one.
    """
    if any(name in sys.modules for name in (*_PLOTS, "mediapipe")):
        yield
        return
    package, pyplot = (_Later(name) for name in _PLOTS)
    package.pyplot = pyplot  # type: ignore[attr-defined]
    sys.modules.update(zip(_PLOTS, (package, pyplot), strict=True))
    try:
        yield
    finally:
        for name, stand_in in zip(_PLOTS, (package, pyplot), strict=True):
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


_stderr_lock = threading.Lock()
_stderr_users = 0
_stderr_saved = -1


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send file descriptor 2 to nowhere: mediapipe's C++ threads write there and take no setting.

    Nested and concurrent uses share one redirection; the last to leave restores it.
    """
    global _stderr_users, _stderr_saved  # noqa: PLW0603 -- a process has one stderr, so its state is the module's
    with _stderr_lock:
        if _stderr_users == 0:
            with contextlib.suppress(OSError):
                _stderr_saved = os.dup(2)
                sink = os.open(os.devnull, os.O_WRONLY)
                os.dup2(sink, 2)
                os.close(sink)
        _stderr_users += 1
    try:
        yield
    finally:
        with _stderr_lock:
            _stderr_users -= 1
            if _stderr_users == 0 and _stderr_saved >= 0:
                os.dup2(_stderr_saved, 2)
                os.close(_stderr_saved)
                _stderr_saved = -1
