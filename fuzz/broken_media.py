"""Malformed media: small genuine files of every kind, and seeded ways to break them.

``python fuzz/broken_media.py FOLDER COUNT`` writes them down, so that any program can be tried on them.
"""

from __future__ import annotations

import io
import random
import sys
import wave
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import soundfile

_RATE = 16000
_CLIPS = {"mp4": ("mpeg4", "aac"), "mov": ("mpeg4", "aac"), "mkv": ("mpeg4", "aac"), "webm": ("libvpx", "libopus")}
_STILLS = {"png": (), "jpg": (), "webp": (), "bmp": (), "tiff": ()}
_SOUNDS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3"}

Break = Callable[[bytearray, random.Random], None]


def seeds() -> dict[str, bytes]:
    """One small genuine file of each kind, by extension."""
    found = {name: _clip(name, *codecs) for name, codecs in _CLIPS.items()}
    picture = cv2.resize(np.random.default_rng(5).integers(0, 255, (6, 8, 3), dtype=np.uint8), (64, 48))
    for name in _STILLS:
        found[name] = cv2.imencode(f".{name}", picture)[1].tobytes()
    tone = (0.3 * np.sin(2 * np.pi * 300 * np.arange(_RATE) / _RATE)).astype(np.float32)
    for name, kind in _SOUNDS.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, tone, _RATE, format=kind)
        found[name] = buffer.getvalue()
    with wave.open(wide := io.BytesIO(), "wb") as out:
        out.setparams((6, 2, 48000, 0, "NONE", ""))
        out.writeframes(bytes(2 * 6 * 4800))
    found["6ch.wav"] = wide.getvalue()
    return found


def _clip(container: str, video: str, audio: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format={"mkv": "matroska"}.get(container, container)) as out:
        picture = out.add_stream(video, rate=Fraction(10))
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream(audio, rate=48000, layout="mono")
        for index in range(8):
            frame = np.full((48, 64, 3), 20 * index, np.uint8)
            frame[10:20, 4 * index : 4 * index + 10] = 230
            out.mux(picture.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 48000
        for index in range(40):
            silence.pts = 960 * index
            for part in _fitted(silence, sound):
                out.mux(sound.encode(part))
        out.mux(picture.encode(None))
        out.mux(sound.encode(None))
    return buffer.getvalue()


def _fitted(frame: av.AudioFrame, stream: av.AudioStream) -> list[av.AudioFrame]:
    return av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=48000).resample(frame)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 4, 32))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _flip_head(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 8))):
        data[chance.randrange(min(256, len(data)))] = chance.randrange(256)


def _cut_end(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def _cut_middle(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.randrange(1, 200)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randrange(1, 600)]
    at = chance.randrange(len(data))
    data[at:at] = piece * chance.choice((1, 2, 50))


def _blank(data: bytearray, chance: random.Random) -> None:
    start, length = chance.randrange(len(data)), chance.randrange(1, 400)
    end = min(start + length, len(data))
    data[start:end] = bytes([chance.choice((0, 255))]) * (end - start)


def _lie(data: bytearray, chance: random.Random) -> None:
    """A number of four bytes becomes an extreme one: lengths, sizes, counts, rates."""
    at = chance.randrange(max(1, len(data) - 4))
    value = chance.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFF, len(data), len(data) * 2))
    data[at : at + 4] = value.to_bytes(4, chance.choice(("big", "little")))


def _append(data: bytearray, chance: random.Random) -> None:
    data += chance.randbytes(chance.choice((1, 100, 4000)))


BREAKS: tuple[Break, ...] = (_flip, _flip_head, _cut_end, _cut_middle, _repeat, _blank, _lie, _append)


def mutations(count: int, seed: int = 13) -> Iterator[tuple[str, bytes]]:
    """``count`` broken files as (name, bytes); the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  breaks files, keeps no secret
    genuine = seeds()
    names = sorted(genuine)
    for number in range(count):
        name = names[number % len(names)]
        data = bytearray(genuine[name])
        broken = []
        for _ in range(chance.choice((1, 1, 2, 3))):
            way = chance.choice(BREAKS)
            if len(data) > 8:
                way(data, chance)
                broken.append(way.__name__.strip("_"))
        if chance.random() < 0.1:
            # the beginning of one kind before the body of another
            other = genuine[chance.choice(names)]
            data[: min(32, len(data))] = other[:32]
            broken.append("masked")
        yield f"{number:04d}-{'-'.join(broken)}.{name}", bytes(data)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in mutations(int(sys.argv[2])):
        (folder / name).write_bytes(data)
