"""Does a voice sound synthetic? Experimental, asked for alone, and deciding nothing.

Two answers that know different things: a small spectral model of ours, which learnt espeak-ng beside people, and
AASIST, which learnt the attacks of ASVspoof 2019 and takes much real speech from the net for one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.lipsync.views import like_speech
from detectors.shipped import Shipped
from detectors.voice.spectral import scores, windows
from thsafe.core.types import Evidence, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHIPPED: Final = Shipped(package="detectors.voice", name="voice")
CHECK: Final = "voice.spectral"
LEAST_WINDOWS: Final = 2
LEAST_SPEECH: Final = 0.5
CANNOT_TELL: Final = (
    "Whether a voice is a person's: voices made by networks and imitations were not learnt.",
    "Whose voice it is, and whether the words are theirs.",
)
AASIST_FALSE_ALARMS: Final = (
    "of 23 real recordings from the net, in AAC, 19 were taken for synthetic (AASIST-L: 17); of 11 clean recordings of "
    "GRID none, of 24 by espeak-ng all 24"
)


def examine(sound: NDArray[np.float32], published: Mapping[str, Path]) -> list[Evidence]:
    """Ask our model, and each published one that is there.

    Args:
        sound: mono (n,) at 16 kHz.
        published: weights by card name, ``aasist`` or ``aasist-l``.

    Returns:
        Evidence ``voice.spectral`` and ``voice.<name>``, without strength.
    """
    why = _unfit(sound)
    if why is not None:
        code, words = why
        names = (CHECK, *(f"voice.{name}" for name in published))
        return [
            Evidence(check=name, status=Status.NOT_EVALUATED, code=code, summary=f"Not assessed: {words}.")
            for name in names
        ]
    return [_ours(sound), *(_aasist(name, path, sound) for name, path in published.items())]


def _unfit(sound: NDArray[np.float32]) -> tuple[str, str] | None:
    if not len(sound) or float(np.abs(sound).max()) < 1e-3:
        return "SILENT", "there is no sound but silence"
    if len(windows(sound)) < LEAST_WINDOWS:
        return "TOO-SHORT", "less than some five seconds of a voice"
    if like_speech(sound) < LEAST_SPEECH:
        return "NO-SPEECH", "the sound has no pauses as speech has: music, noise, or speech under either"
    return None


def _ours(sound: NDArray[np.float32]) -> Evidence:
    pieces = windows(sound)
    found = scores(SHIPPED.weights(), pieces)
    score, known = float(np.mean(found)), SHIPPED.card()
    return Evidence(
        check=CHECK,
        status=Status.FOUND if score > 0 else Status.ABSENT,
        code="EXPERIMENTAL",
        summary=(
            (
                "The voice moves like the voices made by rules that this model learnt."
                if score > 0
                else "The voice does not move like the voices made by rules that this model knows; that says nothing."
            )
            + f" Experimental: {known['error_rate']}. It decides nothing."
        ),
        detail={
            "score": round(score, 3),
            "windows": len(pieces),
            "windows_above_the_line": int((found > 0).sum()),
            "error_rate": known["error_rate"],
            "trained_on": known["trained_on"],
            "cannot_tell": " ".join(CANNOT_TELL),
        },
        model_digest=SHIPPED.digest(),
    )


def _aasist(name: str, path: Path, sound: NDArray[np.float32]) -> Evidence:
    import torch

    from detectors.voice.aasist import SAMPLES

    whole = np.tile(sound, -(-SAMPLES // len(sound)))
    count = max(1, len(whole) // SAMPLES)
    with torch.inference_mode():
        parts = torch.from_numpy(whole[: count * SAMPLES].reshape(count, SAMPLES).copy())
        logits = torch.cat([_network(path)(part[None]) for part in parts])[:, 1].numpy()
    score = float(np.mean(logits))
    return Evidence(
        check=f"voice.{name}",
        status=Status.FOUND if score < 0 else Status.ABSENT,
        code="EXPERIMENTAL",
        summary=(
            f"Bona fide score {score:+.2f} (below 0: more like the synthetic voices of ASVspoof 2019). Experimental, "
            f"and no use as an alarm: {AASIST_FALSE_ALARMS}. It decides nothing."
        ),
        detail={
            "bona_fide_score": round(score, 4),
            "scores": [round(float(value), 4) for value in logits],
            "error_rate": AASIST_FALSE_ALARMS,
            "trained_on": "ASVspoof 2019 LA",
            "cannot_tell": " ".join(CANNOT_TELL),
        },
        model_digest=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


@cache
def _network(path: Path) -> Any:
    """Loaded once a process: a batch of files keeps it warm."""
    from detectors.voice.aasist import load_aasist

    return load_aasist(path)
