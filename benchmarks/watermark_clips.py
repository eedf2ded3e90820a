"""The clips that the watermark is measured on: drawn people and paintings that our engine lets speak, films, stills.

A clip is named by what it is made from: ``cast:ada`` is a drawn person who speaks, ``play:FILE`` a portrait that
speaks, ``drawn`` a drawn scene that drifts; any other name is a file, where a video is taken as it is and a still
drifts slowly, as under a camera in the hand. All clips are BGR frames at 25 a second, cut to the size asked for.
"""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Frames = list[Frame]

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody was filmed for any of it."


def load(name: str, width: int, height: int, count: int) -> Frames:
    """The first ``count`` frames of a clip."""
    kind, _, source = name.partition(":")
    if name == "drawn":
        return drawn(width, height, count)
    if kind in {"cast", "play"}:
        return _spoken(kind, source, width, height, count)
    path = Path(name)
    still = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if still is not None:
        canvas = _fill(still, width + 32, height + 32)
        return [_drift(canvas, width, height, number) for number in range(count)]
    with av.open(str(path)) as container:
        decoded = (frame.to_ndarray(format="bgr24") for frame in container.decode(video=0))
        return [_fill(frame, width, height) for frame in islice(decoded, count)]


def title(name: str) -> str:
    """What the tables call a clip: no folders."""
    kind, _, source = name.partition(":")
    return f"{kind}:{Path(source).name}" if source else Path(name).name


def drawn(width: int, height: int, count: int) -> Frames:
    """A drifting scene of plain wall, texture and a face-like shape."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0 : height + 32, 0 : width + 32].astype(np.float32)
    base = np.stack([120 + 40 * columns / width, 130 + 30 * rows / height, 150 - 30 * columns / width], axis=2)
    texture = cv2.GaussianBlur(rng.normal(0, 60, base.shape).astype(np.float32), (0, 0), 1.6)
    base[height // 2 :, : width // 2] += texture[height // 2 :, : width // 2]
    canvas = np.clip(base, 0, 255).astype(np.uint8)
    cv2.ellipse(canvas, (width // 2, height // 2), (width // 6, height // 4), 0, 0, 360, (140, 170, 215), -1)
    return [_drift(canvas, width, height, number) for number in range(count)]


def _drift(canvas: Frame, width: int, height: int, number: int) -> Frame:
    dx, dy = 16 + 8 * np.sin(number / 9), 16 + 6 * np.sin(number / 7)
    moved: Frame = cv2.warpAffine(canvas, np.array([[1, 0, -dx], [0, 1, -dy]]), (width, height))
    return moved


def _fill(frame: Frame, width: int, height: int) -> Frame:
    scale = max(width / frame.shape[1], height / frame.shape[0])
    size = (max(width, round(frame.shape[1] * scale)), max(height, round(frame.shape[0] * scale)))
    scaled = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    cut: Frame = np.ascontiguousarray(scaled[top : top + height, left : left + width])
    return cut


def animated(film: Frames) -> Frames:
    """A film that the engine makes from the first frame of another; none where it finds no face in it."""
    from thsafe.core.errors import ThsafeError

    height, width = film[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        portrait = Path(folder) / "portrait.png"
        cv2.imwrite(str(portrait), film[0])
        try:
            return load(f"play:{portrait}", width, height, len(film))
        except ThsafeError:
            return []


def _spoken(kind: str, source: str, width: int, height: int, count: int) -> Frames:
    """What the engine yields before anything is marked; the same for every run."""
    from generators.embedded.engine import render_say
    from thsafe.core.types import MediaKind, Request, Silent, Task
    from thsafe.generation import drawn_portrait, media_input, text_input

    portrait = drawn_portrait(source) if kind == "cast" else media_input("portrait", source, MediaKind.IMAGE)
    request = Request(
        task=Task.SAY,
        engine="embedded",
        inputs=(portrait, text_input(SENTENCE)),
        params={
            "short_side": min(width, height),
            "fps": 25,
            "seed": 1,
            **({"person": source} if kind == "cast" else {}),
        },
        purpose="demonstration",
        job_id="benchmark",
        nonce="",
    )
    draft = render_say(request, Silent())
    return [_fill(frame, width, height) for frame in islice(draft.frames, count)]
