"""Wav2Lip's way from files to frames on real people, as phones, cameras and editors write films and sound."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import soundfile
import torch

from generators.wav2lip import pipeline
from generators.wav2lip.detection import FaceFinder
from generators.wav2lip.tracking import survey
from thsafe.core.types import Silent
from thsafe.media.decode import VideoReader

PICTURES = 24
FACE = (80, 85, 230, 275)
"""x0, y0, x1, y1 around the face of the first talker, in pixels of 360 x 288."""
BGR = np.array([40, 200, 40])
"""What the painter paints."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def talker(shared_data) -> list[np.ndarray]:
    with VideoReader(shared_data / "grid" / "bbaf2n.mpg") as reader:
        return [frame for _, (_, frame) in zip(range(PICTURES), reader.iter_bgr(), strict=False)]


class _Painter:
    """In the network's place: every lower face comes out green."""

    device = torch.device("cpu")

    def __call__(self, heard: Any, faces: Any) -> Any:
        out = faces[:, 3:].clone()
        out[:, :, 48:] = torch.from_numpy(BGR / 255).float()[:, None, None]
        return out


def _film(path: Path, frames: list[np.ndarray], fps: Fraction, *, times: list[int] | None = None) -> Path:
    """H.264, or a lossless codec where a side is odd; ``times`` in milliseconds."""
    height, width = frames[0].shape[:2]
    odd = bool(height % 2 or width % 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if odd else "libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p" if odd else "yuv420p"
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "bgr24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _held_sideways(path: Path) -> Path:
    """Note in the header that the picture is to be turned clockwise by 90 degrees (ISO/IEC 14496-12 §8.3.2)."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    data[start : start + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def _voice(path: Path, seconds: float, rate: int, channels: int) -> Path:
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
    return path


def _painted(frame: np.ndarray) -> tuple[float, float, float, float] | None:
    """Where the painter's green is, x0, y0, x1, y1."""
    near = np.abs(frame.astype(int) - BGR).max(axis=2) < 25
    if near.sum() < 30:
        return None
    rows, columns = np.nonzero(near.any(axis=1))[0], np.nonzero(near.any(axis=0))[0]
    return (columns[0], rows[0], columns[-1], rows[-1])


def _sped(fps: str) -> Callable[..., Any]:
    return lambda folder, frames: _film(folder / "in.mkv", frames, Fraction(fps))


def _phone(folder: Path, frames: list[np.ndarray]) -> Path:
    turned = [np.rot90(frame, 1) for frame in frames]
    return _held_sideways(_film(folder / "in.mp4", turned, Fraction(30)))


def _upright(folder: Path, frames: list[np.ndarray]) -> Path:
    tall = [cv2.copyMakeBorder(frame, 140, 212, 0, 0, cv2.BORDER_REPLICATE) for frame in frames]
    return _film(folder / "in.mp4", tall, Fraction(30))


def _odd(folder: Path, frames: list[np.ndarray]) -> Path:
    return _film(folder / "in.mkv", [frame[:287, :359] for frame in frames], Fraction(25))


def _uneven(folder: Path, frames: list[np.ndarray]) -> Path:
    """A phone in the dark: 30 a second, then 15, with three pictures missing."""
    times = [*(33 * n for n in range(10)), *(330 + 67 * n for n in range(10)), *(1200 + 33 * n for n in range(4))]
    return _film(folder / "in.mkv", frames, Fraction(30), times=times)


@pytest.mark.parametrize(
    ("film", "fps", "sound", "down"),
    [
        (_sped("24000/1001"), "24000/1001", (0.6, 8000, 1), 0),
        (_sped("30000/1001"), "30000/1001", (1.1, 96000, 2), 0),
        (_sped("50"), "50", (0.44, 44100, 6), 0),
        (_sped("60"), "60", (0.8, 22050, 1), 0),
        (_phone, "30", (0.9, 48000, 6), 0),
        (_upright, "30", (0.7, 48000, 2), 140),
        (_odd, "25", (1.0, 11025, 2), 0),
        (_uneven, None, (1.2, 16000, 1), 0),
    ],
    ids=["23.976", "29.97", "50", "60", "phone", "vertical", "odd", "uneven"],
)
def test_the_lips_are_painted_where_they_are_for_as_long_as_is_heard(
    finder, talker, tmp_path, film, fps, sound, down
) -> None:
    video, voice = film(tmp_path, talker), _voice(tmp_path / "in.wav", *sound)
    draft = pipeline.render(video, voice, _Painter(), pipeline.Manner(), find=finder.find, facts={}, progress=Silent())
    assert fps is None or draft.fps == Fraction(fps)
    frames, heard = list(draft.frames), np.concatenate(list(draft.sound))
    assert len(frames) == draft.frame_count == round(Fraction(sound[0]) * draft.fps)
    assert len(heard) == round(len(frames) / draft.fps * pipeline.RATE)
    assert draft.width % 2 == draft.height % 2 == 0
    assert (draft.height > draft.width) == (down > 0)
    x0, y0, x1, y1 = FACE
    for frame in frames:
        green = _painted(frame)
        assert green is not None
        assert x0 <= green[0] < green[2] <= x1
        assert (y0 + y1) / 2 - 25 + down <= green[1] < green[3] <= y1 + 12 + down


def _turner(picture: np.ndarray) -> Callable[[float], np.ndarray]:
    """A photographed face turned by degrees: its own landmarks give the depth of every pixel."""
    from scipy.interpolate import LinearNDInterpolator

    from thsafe.media.faces import find_faces

    (face,) = find_faces(picture, max_faces=1)
    points = face.landmarks[:468].astype(float)
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height:0.5, 0:width:0.5]
    depth = LinearNDInterpolator(points[:, :2], points[:, 2])(x, y)
    seen = ~np.isnan(depth)
    x, y, depth = x[seen], y[seen], depth[seen] - points[:, 2].max()
    colours = cv2.resize(picture, (2 * width, 2 * height))[seen]
    x -= points[:, 0].mean()

    def turned(degrees: float) -> np.ndarray:
        across, away = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        from_behind = np.argsort(x * away - depth * across)
        place = np.rint(width / 2 + x * across + depth * away).astype(int)[from_behind]
        out = np.full_like(picture, 120)
        out[np.rint(y).astype(int)[from_behind], place] = colours[from_behind]
        return out

    return turned


def test_a_face_that_turns_to_its_profile_and_away_is_followed(finder, shared_data) -> None:
    whole = cv2.imread(str(shared_data / "synthetic_people" / "woman_0077.jpg"))
    turned = _turner(cv2.resize(whole[40:480, 300:740], (220, 220), interpolation=cv2.INTER_AREA))
    away = np.full_like(turned(0), 120)
    there = [turned(degrees) for degrees in range(0, 91, 6)]
    film = [*there, *[away] * 8, *there[::-1]]
    found = survey(film, finder.find)
    assert found.scenes == 1
    assert len(found.tracks) == 1
    chosen = found.choose(None)
    assert not set(chosen) & set(range(16, 24)), "nothing is drawn on the back of a head"
    assert len(chosen) >= 28, "the finder sees profiles too"
    for index, (x0, y0, x1, y1) in chosen.items():
        head = np.argwhere((film[index] != 120).any(axis=2))
        (top, left), (bottom, right) = head.min(axis=0), head.max(axis=0)
        assert top - 25 < y0 < y1 < bottom + 25
        assert left - 30 < x0 < x1 < right + 30
    front, profile = chosen[0], chosen[15]
    assert profile[2] - profile[0] < front[2] - front[0]
