"""The lip-sync model's files: weights, and a card with what it is worth on faces and voices that it never met."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.cards import as_toml
from detectors.faceforensics.metrics import roc_auc
from detectors.lipsync.answer import PEAK, answer
from detectors.lipsync.synchrony import synchrony
from thsafe.core.errors import InputError
from thsafe.core.types import Progress
from thsafe.media.files import write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.lipsync.learn import Moments, Track, Weights

SHIFTS: Final = (-0.48, -0.32, 0.32, 0.48)
"""Seconds by which sound is moved to measure."""
_SWAPS: Final = 3


def write_card(
    folder: Path,
    weights: Weights,
    engine: Moments,
    films: Sequence[Track],
    faces: Mapping[str, NDArray[np.float32]],
    *,
    rounds: int,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Measure on held-out faces, and write ``lipsync.safetensors`` and ``lipsync.toml``."""
    from safetensors.numpy import save

    from detectors.lipsync.learn import held_out, leave_one_out, speeches

    kept = {name: marks for name, marks in faces.items() if held_out(name)}
    random = np.random.default_rng(seed)
    tracks = [_seen(track, random) for track in speeches(kept, 2, seed + 1, progress, held=True)]
    figures = measure(weights, tracks, progress)
    offsets = leave_one_out(engine, films) if len(films) > 1 else []
    data = save(weights)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "lipsync.safetensors", data)
    people = len(kept)
    wrong, matched = figures["matched"].get("OUT-OF-SYNC", 0), sum(figures["matched"].values())
    right, moved = figures["moved"].get("OUT-OF-SYNC", 0), sum(figures["moved"].values())
    ratio = likelihood(right, moved, wrong, min(matched, people + len(films)))
    card = {
        "name": "lipsync",
        "title": "Lips and sound, small",
        "file": "lipsync.safetensors",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "parameters": sum(int(value.size) for value in weights.values()),
        "licence": "Apache-2.0",
        "trained_on": (
            f"{len(faces) - people} faces moved by our engine to synthetic voices, {engine.count / 50:.0f} s in two "
            f"qualities, and {len(films)} films of people ({sum(len(m) for m, _ in films) / 25:.0f} s; GRID, CC BY 4.0)"
        ),
        "recipe": f"thsafe models train lipsync --rounds {rounds} --seed {seed} --material FOLDER (portraits, films)",
        "error_rate": (
            f"called out of sync by mistake: {wrong} of {matched} speeches of {people} faces that it never met; "
            f"found when moved by 0.32 or 0.48 s: {right} of {moved}"
        ),
        "worth": f"{right} of {moved} moved sounds found, {wrong} of {matched} false alarms, AUC {figures['auc']:.2f}",
        "is_not": (
            "a sign that a film is genuine; measured on few real people: for most of them no lag stands out in some "
            "seconds, and then nothing is said"
        ),
        "thresholds": {"peak": PEAK},
        "answers": {"OUT-OF-SYNC": ratio},
        "figures": {
            "held-out": {
                "faces": people,
                "speeches": matched,
                "auc_matched_against_swapped": figures["auc"],
                "matched": figures["matched"],
                "moved": figures["moved"],
                "swapped": figures["swapped"],
                "median_error_ms": figures["median_error_ms"],
            },
            "films-left-out-one-by-one": {
                "films": len(offsets),
                "offsets_ms": [round(value * 1000) for value in offsets],
                "within_80_ms": sum(abs(value) <= 0.08 for value in offsets),
            },
        },
    }
    write_whole(folder / "lipsync.toml", as_toml(card).encode())
    return card


def measure(weights: Weights, tracks: Sequence[Track], progress: Progress) -> dict[str, Any]:
    """Answers to sound as it is, moved, and swapped; AUC of the confidence of matched against swapped sound.

    Raises:
        InputError: ``lipsync.alone``: one speech has no other to swap its sound with.
    """
    if len(tracks) < 2:
        raise InputError(
            "There is too little to measure lips against sound.",
            code="lipsync.alone",
            found=f"{len(tracks)} speeches of faces that were left out",
            rule="two speeches at least: each is also looked at with the sound of another",
            next_step="give more portraits: three of ten are left out",
        )
    progress.start("measuring", len(tracks))
    counts: dict[str, Counter[str]] = {"matched": Counter(), "moved": Counter(), "swapped": Counter()}
    matched, swapped, errors = [], [], []
    for place, (motion, sound) in enumerate(tracks):
        seen = np.ones(len(motion), bool)
        found = synchrony(weights, motion, seen, sound)
        counts["matched"][answer(found)] += 1
        matched.append(found.confidence)
        for shift in SHIFTS:
            moved = synchrony(weights, motion, seen, shifted(sound, shift))
            counts["moved"][answer(moved)] += 1
            errors.append(abs(moved.offset - shift))
        for step in range(1, min(_SWAPS, len(tracks) - 1) + 1):  # never its own sound
            other = synchrony(weights, motion, seen, tracks[(place + step) % len(tracks)][1])
            counts["swapped"][answer(other)] += 1
            swapped.append(other.confidence)
        progress.advance()
    labels = np.array([1] * len(matched) + [0] * len(swapped))
    return {
        **{name: dict(sorted(found.items())) for name, found in counts.items()},
        "auc": round(roc_auc(labels, np.array(matched + swapped)), 3),
        "median_error_ms": round(float(np.median(errors)) * 1000),
    }


def shifted(sound: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """Sound that comes later by so much; earlier for less than nothing."""
    count = round(abs(seconds) * 16000)
    silence = np.zeros(count, np.float32)
    return np.concatenate([silence, sound[:-count]]) if seconds > 0 else np.concatenate([sound[count:], silence])


def likelihood(hits: int, of: int, false: int, genuine: int) -> dict[str, Any]:
    """log10 of how much likelier an answer is for moved sound; no more than so many genuine people support.

    Rates by Jeffreys' rule, (k + 1/2) / (n + 1); the interval from their 95 % bounds.
    """
    from scipy.stats import beta

    rate, other = (hits + 0.5) / (of + 1), (false + 0.5) / (genuine + 1)
    low, high = (beta.ppf(share, hits + 0.5, of - hits + 0.5) for share in (0.025, 0.975))
    few, many = (beta.ppf(share, false + 0.5, genuine - false + 0.5) for share in (0.025, 0.975))
    bounds = [max(0.0, float(np.log10(low / many))), float(np.log10(high / max(few, 0.5 / (genuine + 1))))]
    return {
        "log10_likelihood_ratio": round(max(0.0, float(np.log10(rate / other))), 2),
        "interval": [round(value, 2) for value in bounds],
        "genuine_people": genuine,
    }


def _seen(track: Track, random: np.random.Generator) -> Track:
    """With the jitter of a landmark finder on a small face."""
    motion, sound = track
    jitter = random.normal(0, 0.006, motion.shape) + random.normal(0, 0.006, (len(motion), 1))
    return (motion + jitter).astype(np.float32), sound
