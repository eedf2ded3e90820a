"""Learn which lips go with which sound: from our engine's exact labels, and from films of people who may be used.

No network is trained by steps: the two views are found in closed form from covariances. The engine says where every
landmark is while a voice of espeak-ng speaks; the tracks are then roughened as a landmark finder and a microphone do.
Films, such as GRID's (CC BY 4.0), count as much as half of that, few as they are. ``thsafe models train lipsync``.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.lipsync.lips import distances, watch_lips
from detectors.lipsync.mfcc import as_pcm, log_bands
from detectors.lipsync.synchrony import synchrony
from detectors.lipsync.views import (
    BANDS,
    LIP_REACH,
    SOUND_REACH,
    around,
    band_features,
    lip_features,
    sound_features,
)
from thsafe.core.errors import InputError
from thsafe.core.types import Progress, Silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float = NDArray[np.float64]
    Weights = dict[str, NDArray[np.float32]]
    Track = tuple[NDArray[np.float32], NDArray[np.float32]]
    """Motion (n, 10) at 25 a second, and sound (m,) at 16 kHz."""
    Rows = tuple[NDArray[np.float32], NDArray[np.float32]]
    """Of both views, row by row at the same moment."""

SUMS: Final = 8
RIDGE: Final = 0.1
"""Share of the mean variance that is added to every variance."""
FILM_SHARE: Final = 0.5
_EDGE: Final = 6
_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_FILMS: Final = frozenset({".mpg", ".mp4", ".mov", ".mkv", ".webm", ".avi"})


@dataclass(slots=True)
class Moments:
    """First and second moments of both views, collected."""

    lips: Float
    sound: Float
    across: Float
    lip_sum: Float
    sound_sum: Float
    count: float

    @classmethod
    def none(cls) -> Moments:
        """Before anything is collected."""
        a, b = (2 * LIP_REACH + 1) * 10, (2 * SOUND_REACH + 1) * 2 * BANDS
        return cls(np.zeros((a, a)), np.zeros((b, b)), np.zeros((a, b)), np.zeros(a), np.zeros(b), 0.0)

    def add(self, lips: NDArray[np.float32], sound: NDArray[np.float32], *, weight: float = 1.0) -> None:
        """Count rows that belong together."""
        x, y = lips.astype(np.float64), sound.astype(np.float64)
        self.lips += weight * (x.T @ x)
        self.sound += weight * (y.T @ y)
        self.across += weight * (x.T @ y)
        self.lip_sum += weight * x.sum(axis=0)
        self.sound_sum += weight * y.sum(axis=0)
        self.count += weight * len(x)


def retrain(
    folder: Path, *, rounds: int, seed: int, progress: Progress | None = None, material: Sequence[Path] = ()
) -> dict[str, Any]:
    """Make ``lipsync.safetensors`` and ``lipsync.toml`` in ``folder``.

    Args:
        folder: where they go.
        rounds: speeches of each portrait.
        seed: of words, voices and roughening.
        progress: told how far it is.
        material: folders with portraits and films; without any, the people drawn by thsafe are all.

    Returns:
        The card's values.
    """
    from detectors.lipsync.card import write_card

    telling = progress or Silent()
    faces = _faces(material)
    films = list(_films(material, telling))
    learnt = {name: marks for name, marks in faces.items() if not held_out(name)}
    random = np.random.default_rng(seed)
    moments = Moments.none()
    for track in speeches(learnt, rounds, seed, telling):
        for noisy in (False, True):
            moments.add(*_rows(*roughened(track, random, noisy=noisy)))
    weights = solve(moments, films)
    return write_card(folder, weights, moments, films, faces, rounds=rounds, seed=seed, progress=telling)


def held_out(name: str) -> bool:
    """Whether this face is kept for measuring: three of ten."""
    return zlib.crc32(name.encode()) % 10 < 3


def solve(engine: Moments, films: Sequence[Track]) -> Weights:
    """The weights of both views: canonical correlation analysis with a ridge (Vinod 1976).

    Args:
        engine: moments of our engine's speeches.
        films: tracks of people.
    """
    total = Moments.none()
    for part in ("lips", "sound", "across", "lip_sum", "sound_sum"):
        setattr(total, part, getattr(engine, part).copy())
    total.count = engine.count
    rows = [_film_rows(track) for track in films]
    weight = FILM_SHARE * engine.count / max(1, sum(len(lips) for lips, _ in rows))
    for lips, sound in rows:
        total.add(lips, sound, weight=weight)
    x_mean, y_mean = total.lip_sum / total.count, total.sound_sum / total.count
    xx = total.lips / total.count - np.outer(x_mean, x_mean)
    yy = total.sound / total.count - np.outer(y_mean, y_mean)
    xy = total.across / total.count - np.outer(x_mean, y_mean)
    x_white, y_white = _whitening(xx), _whitening(yy)
    left, _, right = np.linalg.svd(x_white @ xy @ y_white)
    a, b = x_white @ left[:, :SUMS], y_white @ right[:SUMS].T
    a /= np.sqrt(np.einsum("ik,ij,jk->k", a, xx, a))
    b /= np.sqrt(np.einsum("ik,ij,jk->k", b, yy, b))
    correlation = np.einsum("ik,ij,jk->k", a, xy, b)
    found = {
        "lips.weight": a.T,
        "lips.bias": -x_mean @ a,
        "sound.weight": b.T,
        "sound.bias": -y_mean @ b,
        "correlation": correlation,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}


def leave_one_out(engine: Moments, films: Sequence[Track]) -> list[float]:
    """Offset in seconds found in each film by weights that never saw it."""
    offsets = []
    for place, (motion, sound) in enumerate(films):
        weights = solve(engine, [*films[:place], *films[place + 1 :]])
        offsets.append(synchrony(weights, motion, np.ones(len(motion), bool), sound).offset)
    return offsets


def speeches(
    faces: Mapping[str, NDArray[np.float32]], rounds: int, seed: int, progress: Progress, *, held: bool = False
) -> Iterator[Track]:
    """Tracks of faces that say random words."""
    from thsafe.registry import reciter

    maker = reciter()
    progress.start("speaking", rounds * len(faces))
    recitals = maker.recitals(rounds * len(faces), seed=seed, held_out=held)
    for number, recital in enumerate(recitals):
        marks = list(faces.values())[number % len(faces)]
        try:
            landmarks, sound = maker.mouthed(marks, recital)
        except InputError:
            continue  # a voice that has no sound for English words
        progress.advance()
        yield np.array([distances(frame) for frame in landmarks], np.float32), sound


def roughened(track: Track, random: np.random.Generator, *, noisy: bool) -> tuple[Float, Float]:
    """Motion as a landmark finder sees other mouths make it, and mel bands as a room and a microphone give them."""
    from scipy.ndimage import gaussian_filter1d

    motion, sound = track
    x = gaussian_filter1d(motion.astype(np.float64), random.uniform(0.2, 1.5), axis=0)
    middle = np.median(x, axis=0)
    x = middle + (x - middle) * random.uniform(0.4, 1.4) * random.uniform(0.8, 1.25, x.shape[1])
    jitter = random.uniform(0.0, 0.012)
    x += random.normal(0, jitter, x.shape) + random.normal(0, jitter, (len(x), 1))
    x += gaussian_filter1d(random.normal(0, 0.05, x.shape), 10, axis=0)
    bands = log_bands(as_pcm(sound))
    if noisy:
        room = np.percentile(bands, 95, axis=0) - random.uniform(2, 9) + random.normal(0, 1.0, BANDS)
        bands = np.logaddexp(bands, room + random.normal(0, 0.3, bands.shape))
    return x, gaussian_filter1d(bands, random.uniform(0.2, 1.2), axis=0)


def _rows(motion: Float, bands: Float) -> Rows:
    lips = around(lip_features(motion.astype(np.float32), np.ones(len(motion), bool)), LIP_REACH)
    return _together(lips, around(band_features(bands), SOUND_REACH))


def _film_rows(track: Track) -> Rows:
    motion, sound = track
    lips = around(lip_features(motion, np.ones(len(motion), bool)), LIP_REACH)
    return _together(lips, around(sound_features(sound), SOUND_REACH))


def _together(lips: NDArray[np.float32], sound: NDArray[np.float32]) -> Rows:
    count = min(len(lips), len(sound))
    return lips[_EDGE : count - _EDGE], sound[_EDGE : count - _EDGE]


def _whitening(covariance: Float) -> Float:
    """The inverse square root, with the ridge."""
    ridge = RIDGE * np.trace(covariance) / len(covariance)
    values, vectors = np.linalg.eigh(covariance + ridge * np.eye(len(covariance)))
    found: Float = (vectors / np.sqrt(values)) @ vectors.T
    return found


def _faces(material: Sequence[Path]) -> dict[str, NDArray[np.float32]]:
    """Landmarks of the people drawn by thsafe, and of portraits."""
    from thsafe.media.faces import find_faces
    from thsafe.media.image import read_image
    from thsafe.registry import draw_person, drawn_person_digests

    pictures = {f"drawn-{name}": draw_person(name, 256) for name in drawn_person_digests()}
    marks = {name: find_faces(picture) for name, picture in pictures.items()}
    for path in _files(material, _PICTURES):
        marks[f"picture-{path.stem}"] = find_faces(read_image(path), max_faces=1)
    return {name: found[0].landmarks for name, found in marks.items() if found}


def _films(material: Sequence[Path], progress: Progress) -> Iterator[Track]:
    from thsafe.media.decode import VideoReader
    from thsafe.media.sound import load_sound

    paths = _files(material, _FILMS)
    progress.start("watching", len(paths))
    for path in paths:
        with VideoReader(path) as reader:
            lips = watch_lips(reader.iter_bgr())
        progress.advance()
        if lips.seen.all():
            yield lips.motion, load_sound(path, rate=16000)
        else:
            progress.note(f"{path.name}: not all of it shows a face from the front; left out")


def _files(material: Sequence[Path], kinds: frozenset[str]) -> list[Path]:
    return sorted(path for folder in material for path in folder.rglob("*") if path.suffix.lower() in kinds)
