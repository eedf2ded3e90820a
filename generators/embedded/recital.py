"""Speeches of our engine with exact labels, for models to learn from: words, lips and sound in memory, never a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from generators.embedded.basis import expression_basis, mouth_scale
from generators.embedded.landmarks import FaceFrame
from generators.embedded.listen import RATE, survey
from generators.embedded.performance import Performance
from generators.embedded.puppet import Puppet, frame_portrait
from generators.embedded.visemes import posteriors
from generators.speech.espeak import SAMPLE_RATE, Espeak

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.embedded.pose import Pose
    from thsafe.core.types import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Recital:
    """What is said, by which voice, and how."""

    text: str
    voice: str
    """An espeak-ng voice, perhaps with ``+variant``."""
    rate: int = 165
    """Words per minute."""
    pitch: int = 50
    seed: int = 0
    """Chooses blinks, glances and the drift of the head."""
    fps: int = 25


HELD_OUT_VOICES = ("f3", "m5", "klatt2", "Annie")
"""Variants for measuring alone."""


def recitals(count: int, *, seed: int, held_out: bool = False) -> Iterator[Recital]:
    """What to say: random English words, read by voices of many languages at many speeds.

    Args:
        count: how many, of some 15 s each.
        seed: the same seed, the same recitals.
        held_out: voices that are never trained with.
    """
    from generators.embedded.training.phones import LANGUAGES, STRANGE, dictionary
    from generators.speech.library import find_package, installed_voices

    _, known = installed_voices(find_package()[1])
    usual = [name for name in sorted(known) if not name.startswith((*STRANGE, "whisper"))]
    variants = [name for name in usual if (name in HELD_OUT_VOICES) == held_out]
    words = dictionary()
    random = np.random.default_rng(seed)
    for number in range(count):
        chosen = random.choice(words, int(random.integers(20, 30)))
        text = " ".join(word + ("," if random.random() < 0.12 else "") for word in chosen) + "."
        voice = str(random.choice(("en-us", "en-gb", "de", "es") if held_out else LANGUAGES))
        if held_out or random.random() < 0.8:
            voice += "+" + str(random.choice(variants))
        yield Recital(
            text=text,
            voice=voice,
            rate=int(random.integers(120, 250)),
            pitch=int(random.integers(15, 90)),
            seed=seed + number,
        )


def recited(
    picture: Frame, landmarks: NDArray[np.float32], recital: Recital, *, short_side: int
) -> tuple[Iterator[Frame], NDArray[np.float32]]:
    """A portrait that says words whose sounds are known to the sample.

    Args:
        picture: BGR ``uint8`` (height, width, 3) with one face.
        landmarks: (478, 3) in its pixels.
        recital: what it says.
        short_side: pixels of the frame's shorter side.

    Returns:
        Frames, drawn one by one, and the mono sound (n,) at 16 kHz that they move to.
    """
    poses, sound = _recital(recital)
    framed = frame_portrait(picture, landmarks, short_side=short_side)
    puppet = Puppet(framed.picture, framed.landmarks)
    return (puppet.render(pose) for pose in poses), sound


def mouthed(landmarks: NDArray[np.float32], recital: Recital) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The same without a picture: where the landmarks of a face go while it speaks.

    Args:
        landmarks: (478, 3) of the resting face, in pixels.
        recital: what it says.

    Returns:
        (frames, 478, 3) in distances of the outer corners of the eyes, and mono sound (n,) at 16 kHz.
    """
    poses, sound = _recital(recital)
    face = FaceFrame.of(landmarks)
    basis = expression_basis(face) * mouth_scale(face)
    rows = []
    for pose in poses:
        moved = face.points.copy()
        moved[:, :2] += np.tensordot(pose.clamped().expression, basis, 1)
        rows.append(moved @ _turn(pose).T)
    return np.array(rows, np.float32), sound


def _turn(pose: Pose) -> NDArray[np.float64]:
    """(3, 3): the rotation of the head; x right, y down, z away."""
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(angle), np.sin(angle)) for angle in (yaw, pitch, roll))
    about_y = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
    about_z = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
    turned: NDArray[np.float64] = about_z @ about_x @ about_y
    return turned


def voiced(recital: Recital) -> NDArray[np.float32]:
    """What it sounds like: mono (n,) at 16 kHz."""
    import soxr

    speech = Espeak().speak(recital.text, voice=recital.voice, rate=recital.rate, pitch=recital.pitch)
    return np.asarray(soxr.resample(speech.samples, SAMPLE_RATE, RATE), np.float32)


def _recital(recital: Recital) -> tuple[Iterator[Pose], NDArray[np.float32]]:
    import soxr

    speech = Espeak().speak(recital.text, voice=recital.voice, rate=recital.rate, pitch=recital.pitch)
    sound = np.asarray(soxr.resample(speech.samples, SAMPLE_RATE, RATE), np.float32)
    seconds = len(sound) / RATE
    poses = Performance(
        iter([posteriors(speech.phones, seconds=seconds)]),
        survey([sound]).level,
        fps=Fraction(recital.fps),
        frames=int(seconds * recital.fps),
        seed=recital.seed,
    )
    return poses, sound
