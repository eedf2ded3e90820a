"""Learn what synthetic voices of rules sound like, beside people: ``thsafe models train voice --material FOLDER``.

The folder holds one folder a person, with recordings. Synthetic voices are espeak-ng's; whole people and whole variants
are kept for measuring, and programs of others that speak, named ``synthetic-…``, are measured alone. Both sides go
through the same: band limits, noise, equalisers, coarse steps, and AAC.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.cards import as_toml
from detectors.faceforensics.metrics import roc_auc
from detectors.voice.spectral import RATE, statistics, windows
from thsafe.core.errors import InputError
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_whole
from thsafe.media.roundtrip import through_aac

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.voice.spectral import Sound

    Rows = dict[str, list[NDArray[np.float64]]]

FALSE_ALARMS: Final = 0.05
"""Share of windows of held-out people above the line."""
_MOST: Final = 30
"""Windows of one voice."""
_RIDGE: Final = 30.0
_SYNTHETIC: Final = "synthetic-"
_KINDS: Final = frozenset({".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".mpg", ".mp4"})


def retrain(
    folder: Path, *, rounds: int, seed: int, progress: Progress | None = None, material: Sequence[Path] = ()
) -> dict[str, Any]:
    """Make ``voice.safetensors`` and ``voice.toml`` in ``folder``.

    Args:
        folder: where they go.
        rounds: synthetic speeches, in tens.
        seed: of words, voices and degrading.
        progress: told how far it is.
        material: folders that hold one folder a person.

    Raises:
        InputError: ``model.material``: fewer than six people.
    """
    telling = progress or Silent()
    random = np.random.default_rng(seed)
    people: Rows = {}
    strangers: Rows = {}
    voices = sorted(part for place in material for part in place.iterdir() if part.is_dir())
    telling.start("listening", len(voices))
    for place in voices:
        rows = _rows(_recordings(place), random)
        if rows:
            (strangers if place.name.startswith(_SYNTHETIC) else people)[place.name] = rows
        telling.advance()
    if len(people) < 6:
        raise InputError(
            "There are too few people to learn from.",
            code="model.material",
            found=f"{len(people)} folders with speech",
            rule="at least six people, one folder each",
            next_step="give --material FOLDER with one folder of recordings a person",
        )
    spoken = _spoken(rounds * 10, seed, random, telling)
    weights = _fit(_part(people, False), _part(spoken, False))
    figures, line = _measured(weights, people, spoken, strangers)
    weights["bias"] = (weights["bias"] - line).astype(np.float32)
    return _write(folder, weights, figures, people, spoken, rounds, seed)


def held_out(name: str) -> bool:
    """Whether a voice is kept for measuring: two of five."""
    return zlib.crc32(name.encode()) % 5 < 2


def degraded(piece: Sound, random: np.random.Generator) -> Sound:
    """What rooms, telephones and codecs do, drawn by lot."""
    from scipy.signal import butter, sosfilt

    x = piece.astype(np.float64) / max(float(np.abs(piece).max()), 1e-4)
    if random.random() < 0.5:
        x = sosfilt(butter(4, random.uniform(3000, 7500), fs=RATE, output="sos"), x)
    if random.random() < 0.5:
        tilt = random.uniform(-0.5, 0.5)
        x = x + tilt * np.concatenate([[0.0], x[:-1]])
    if random.random() < 0.7:
        x = x + random.normal(0, 10 ** (-random.uniform(15, 45) / 20) * x.std(), len(x))
    x = x / np.abs(x).max() * 0.5
    if random.random() < 0.3:
        x = np.sign(x) * np.expm1(np.round(np.log1p(255 * np.abs(x)) / np.log(256) * 127) / 127 * np.log(256)) / 255
    sound: Sound = x.astype(np.float32)
    if random.random() < 0.5:
        return sound
    coded: Sound = through_aac(sound, rate=RATE, bit_rate=int(random.choice((32000, 64000))))
    return coded


def _recordings(place: Path) -> Sound:
    from thsafe.media.sound import load_sound

    parts = [load_sound(path, rate=RATE) for path in sorted(place.rglob("*")) if path.suffix.lower() in _KINDS]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _rows(sound: Sound, random: np.random.Generator) -> list[NDArray[np.float64]]:
    pieces = windows(sound)
    chosen = random.permutation(len(pieces))[:_MOST]
    return [statistics(degraded(pieces[place], random)) for place in chosen]


def _spoken(count: int, seed: int, random: np.random.Generator, progress: Progress) -> Rows:
    """espeak-ng by many voices; a variant is one voice whatever language it speaks."""
    from thsafe.registry import reciter

    found: Rows = {}
    progress.start("speaking", count)
    maker = reciter()
    for recital in maker.recitals(count, seed=seed):
        try:
            sound = maker.voiced(recital)
        except InputError:
            continue
        found.setdefault(recital.voice.partition("+")[2] or recital.voice, []).extend(_rows(sound, random)[:8])
        progress.advance()
    return found


def _part(rows: Rows, kept: bool) -> NDArray[np.float64]:
    return np.array([row for name, many in rows.items() if held_out(name) == kept for row in many])


def _fit(people: NDArray[np.float64], spoken: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
    """Logistic regression with a ridge, by Newton's steps; both sides count the same."""
    rows = np.concatenate([people, spoken])
    middle, spread = np.median(rows, axis=0), np.maximum(rows.std(axis=0), 1e-3)
    x = np.concatenate([np.clip((rows - middle) / spread, -4.0, 4.0), np.ones((len(rows), 1))], axis=1)
    labels = np.array([0.0] * len(people) + [1.0] * len(spoken))
    share = np.where(labels > 0, 0.5 / len(spoken), 0.5 / len(people)) * len(rows)
    ridge = _RIDGE * np.eye(x.shape[1])
    ridge[-1, -1] = 0.0
    w = np.zeros(x.shape[1])
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (share * (p - labels)) + ridge @ w
        w -= np.linalg.solve((x.T * (share * np.maximum(p * (1 - p), 1e-6))) @ x + ridge, gradient)
    found = {"middle": middle, "spread": spread, "weight": w[:-1], "bias": w[-1:]}
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}


def _score(weights: Mapping[str, NDArray[np.float32]], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled = np.clip((rows - weights["middle"]) / weights["spread"], -4.0, 4.0)
    return np.asarray(scaled @ weights["weight"].astype(np.float64) + float(weights["bias"][0]), np.float64)


def _measured(
    weights: Mapping[str, NDArray[np.float32]], people: Rows, spoken: Rows, strangers: Rows
) -> tuple[dict[str, Any], float]:
    """Figures on voices that were never trained with, and the score that so many windows of people exceed."""
    genuine = {name: _score(weights, np.array(rows)) for name, rows in people.items() if held_out(name)}
    made = {name: _score(weights, np.array(rows)) for name, rows in spoken.items() if held_out(name)}
    flat, synthetic = np.concatenate(list(genuine.values())), np.concatenate(list(made.values()))
    line = float(np.quantile(flat, 1 - FALSE_ALARMS))
    means = np.array([values.mean() for values in genuine.values()])
    figures: dict[str, Any] = {
        "people": len(genuine),
        "windows_of_people": len(flat),
        "synthetic_voices": len(made),
        "windows_of_synthetic_voices": len(synthetic),
        "auc": round(_auc(flat, synthetic), 3),
        "false_alarms": round(float((flat > line).mean()), 3),
        "found": round(float((synthetic > line).mean()), 3),
        "people_called_synthetic_over_all_windows": int((means > line).sum()),
        "other_programs": {
            name.removeprefix(_SYNTHETIC): {
                "windows": len(rows),
                "auc": round(_auc(flat, _score(weights, np.array(rows))), 3),
                "found": round(float((_score(weights, np.array(rows)) > line).mean()), 3),
            }
            for name, rows in strangers.items()
        },
    }
    return figures, line


def _auc(genuine: NDArray[np.float64], made: NDArray[np.float64]) -> float:
    return roc_auc(np.array([0] * len(genuine) + [1] * len(made)), np.concatenate([genuine, made]))


def _write(
    folder: Path,
    weights: Mapping[str, NDArray[np.float32]],
    figures: Mapping[str, Any],
    people: Rows,
    spoken: Rows,
    rounds: int,
    seed: int,
) -> dict[str, Any]:
    from safetensors.numpy import save

    data = save(dict(weights))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "voice.safetensors", data)
    learnt = sum(not held_out(name) for name in people), sum(not held_out(name) for name in spoken)
    card = {
        "name": "voice",
        "title": "Voices made by rules, small",
        "file": "voice.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "parameters": int(sum(value.size for value in weights.values())),
        "licence": "Apache-2.0",
        "trained_on": f"recordings of {learnt[0]} people, and {learnt[1]} voices of espeak-ng, both degraded alike",
        "recipe": f"thsafe models train voice --rounds {rounds} --seed {seed} --material FOLDER, one folder a person",
        "error_rate": (
            f"on {figures['people']} people and {figures['synthetic_voices']} voices that it never heard: "
            f"{figures['false_alarms']:.0%} of {figures['windows_of_people']} windows of people and "
            f"{figures['found']:.0%} of {figures['windows_of_synthetic_voices']} of espeak-ng are above the line"
        ),
        "worth": f"AUC {figures['auc']:.2f} on unheard people and unheard voices of espeak-ng",
        "is_not": (
            "a sign that a voice is genuine: neural voices and imitations were not at hand, and nothing says that it "
            "finds them"
        ),
        "figures": dict(figures),
    }
    write_whole(folder / "voice.toml", as_toml(card).encode())
    return card
