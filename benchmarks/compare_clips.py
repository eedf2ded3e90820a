"""Footage and dubs of it, for ``compare.py``: drawn people who speak, and GRID talkers where they are at hand.

Every dub is made by the embedded engine from another talker's speech; nothing here is published or kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import attacks
import numpy as np

SECONDS = 3.0
PEOPLE = 4
"""Of the drawn cast."""
SPOKEN = (
    "m ɑ m a b ɛ s t f ɑ v o p i k u l m ɑ b",
    "u u p f s s m m ɑ ɑ ɑ b b i p ɑ m o l",
    "i s t ɑ f o m b u k ɛ l p a m i f s o",
    "b o m ɑ l i v ɛ p u t s f a m ɔ k i b",
)


def originals(folder: Path, grid: Path | None) -> list[Path]:
    """Footage with sound: drawn people, then GRID's talkers."""
    made = [_drawn(folder, number) for number in range(PEOPLE)]
    for source in sorted(grid.glob("*.mpg")) if grid else ():
        target = folder / f"grid-{source.stem}.mp4"
        if not target.exists():
            attacks.reencode(source, target, crf=18)
        made.append(target)
    return made


def dubs(folder: Path, films: list[Path]) -> Iterator[tuple[Path, Path]]:
    """(dub, its original): each film with the speech of two others."""
    for number, film in enumerate(films):
        for step in (1, 2):
            voice = films[(number + step) % len(films)]
            target = folder / f"dub-{film.stem}-{voice.stem}.mp4"
            if not target.exists():
                _dub(film, voice, target)
            yield target, film


def _drawn(folder: Path, number: int) -> Path:
    """A drawn person who says something, with vowels of the loudness of the mouth for a voice."""
    from generators.embedded.cast import CAST, draw
    from generators.embedded.performance import Performance
    from generators.embedded.puppet import Puppet, frame_portrait
    from generators.embedded.visemes import posteriors
    from generators.speech.espeak import Phone

    name = list(CAST)[number]
    target = folder / f"drawn-{name}.mp4"
    if target.exists():
        return target
    drawn = draw(CAST[name], size=512)
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=288)
    puppet = Puppet(framed.picture, framed.landmarks)
    spoken = SPOKEN[number].split()
    phones = [Phone(start=0.2 + 0.14 * n, end=0.34 + 0.14 * n, ipa=ipa) for n, ipa in enumerate(spoken)]
    frames = round(SECONDS * 25)
    table = posteriors(phones, seconds=SECONDS)
    level = np.full(round(SECONDS * 100), 0.6, np.float32)
    poses = Performance([table], level, fps=Fraction(25), frames=frames, seed=number)
    write(target, [puppet.render(pose) for pose in poses], _voice(spoken, seed=number))
    return target


def _voice(spoken: list[str], *, seed: int) -> np.ndarray:
    """A buzz whose two formants change with every sound: enough for one recording to be told from another."""
    rate = 48000
    random = np.random.default_rng(seed)
    time = np.arange(round(SECONDS * rate)) / rate
    sound = np.zeros_like(time)
    for place, _ in enumerate(spoken):
        inside = (time >= 0.2 + 0.14 * place) & (time < 0.34 + 0.14 * place)
        base, first, second = random.uniform(90, 220), random.uniform(300, 900), random.uniform(1000, 2600)
        for harmonic in range(1, 24):
            pitch = harmonic * base
            weight = np.exp(-(((pitch - first) / 200) ** 2)) + 0.6 * np.exp(-(((pitch - second) / 300) ** 2))
            sound[inside] += weight * np.sin(2 * np.pi * pitch * time[inside])
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def write(path: Path, frames: list[np.ndarray], sound: np.ndarray) -> None:
    """Pictures of 25 frames a second and mono sound of 48 kHz, as a film."""
    from thsafe.media.encode import Mp4Writer
    from thsafe.media.planes import i420_from_bgr

    height, width = frames[0].shape[:2]
    with Mp4Writer(path, width=width, height=height, fps=Fraction(25), sample_rate=48000, channels=1) as writer:
        for number, frame in enumerate(frames):
            writer.write_picture(i420_from_bgr(frame))
            writer.write_sound(sound[number * 1920 : (number + 1) * 1920, None])


def _dub(film: Path, voice: Path, target: Path) -> None:
    from generators.embedded.engine import render_lipsync
    from thsafe.core.types import MediaKind, MediaRef, Request, Silent, Task
    from thsafe.media.digest import hash_file
    from thsafe.media.sound import load_sound
    from thsafe.media.wav import write_wav

    spoken = target.with_suffix(".wav")
    write_wav(spoken, load_sound(voice, rate=48000)[:, None], sample_rate=48000)
    inputs = tuple(
        MediaRef(role=role, path=path, sha256=hash_file(path), kind=kind)
        for role, path, kind in (("target", film, MediaKind.VIDEO), ("voice", spoken, MediaKind.AUDIO))
    )
    draft = render_lipsync(
        Request(
            task=Task.LIPSYNC,
            engine="embedded",
            inputs=inputs,
            params={"sync_mode": "cut_off"},
            purpose="demonstration",
            job_id="benchmark",
            nonce="benchmark",
        ),
        Silent(),
    )
    frames = list(draft.frames)
    assert draft.sound is not None
    sound = np.concatenate(list(draft.sound))[:, 0]
    write(target, [frame[: frame.shape[0] & ~1, : frame.shape[1] & ~1] for frame in frames], sound)
    spoken.unlink()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    films = originals(place, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    for made, source in dubs(place, films):
        print(made.name, "of", source.name, flush=True)
