"""The lip-sync check: it can speak against a film, never for it.

A voice that was laid over a picture later, or moved, disagrees with the lips. But heads that software makes speak are
as well in sync as people, often better: that lips fit says nothing, and the check says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.lipsync.answer import answer
from detectors.lipsync.lips import watch_lips
from detectors.lipsync.synchrony import synchrony
from detectors.lipsync.views import like_speech, voiced
from detectors.shipped import Shipped
from thsafe.core.types import Evidence, Json, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.lipsync.lips import Lips
    from detectors.lipsync.synchrony import Synchrony
    from thsafe.core.types import Frame

SHIPPED: Final = Shipped(package="detectors.lipsync", name="lipsync")
CHECK: Final = "lip-sync"
LEAST_SECONDS: Final = 5.0
"""Seconds of a voice heard and a face seen from the front, below which nothing is said."""
LEAST_FACE: Final = 64
"""Pixels across the face."""
LEAST_COVER: Final = 0.5
LEAST_RATE: Final = 12.0
"""Frames a second; below that lips cannot be followed."""
LEAST_SPEECH: Final = 0.5
"""Of ``views.like_speech``."""
LEAST_OPENING: Final = 0.008
"""Spread of the opening of the lips, in distances of the eyes: less is a mouth that does not speak."""
CANNOT_TELL: Final = (
    "Whether a film is genuine: talking heads made by software are in sync too.",
    "Why sound is late: a slow encoder does what an overdub does.",
    "Who speaks, where several faces or voices are there.",
)


def examine(frames: Iterable[tuple[float, Frame]], sound: NDArray[np.float32]) -> Evidence:
    """Follow the lips of the largest face and compare them with the sound.

    Args:
        frames: (seconds, BGR picture), all of them, in order.
        sound: mono (n,) at 16 kHz, from the same zero of time.

    Returns:
        Evidence ``lip-sync``: ``conflict`` where sound and lips disagree, ``absent`` where they do not, and
        ``not-evaluated`` with its reason where nothing can be said.
    """
    why = _unheard(sound)
    if why is not None:
        return _not_assessed(*why)
    lips = watch_lips(frames)
    why = _unseen(lips, sound)
    if why is not None:
        return _not_assessed(*why, lips)
    found = synchrony(SHIPPED.weights(), lips.motion, lips.seen, sound)
    return _judged(found, lips)


def _unheard(sound: NDArray[np.float32]) -> tuple[str, str] | None:
    heard = voiced(sound) if len(sound) else np.zeros(0, bool)
    if not heard.any():
        return "SILENT", "there is no sound but silence"
    if len(sound) < LEAST_SECONDS * 16000:
        return "TOO-SHORT", f"{len(sound) / 16000:.1f} s of sound; at least {LEAST_SECONDS:.0f} s are needed"
    if like_speech(sound) < LEAST_SPEECH:
        return "NO-SPEECH", "the sound has no pauses as speech has: music, noise, or speech under either"
    return None


def _unseen(lips: Lips, sound: NDArray[np.float32]) -> tuple[str, str] | None:
    """Why the lips cannot be compared; None where they can."""
    frames = max(lips.frames, 1)
    if lips.frames and lips.frames / max(lips.seconds, 1e-6) < LEAST_RATE:
        return "FEW-FRAMES", f"{lips.frames / lips.seconds:.0f} frames a second; at least {LEAST_RATE:.0f} are needed"
    if lips.with_face < LEAST_COVER * frames:
        return "NO-FACE", f"a face is seen in {lips.with_face} of {lips.frames} frames"
    if lips.several > 0.2 * frames:
        return "SEVERAL-FACES", "more than one face may be the one that speaks"
    if lips.frontal < LEAST_COVER * frames:
        return "PROFILE", f"the face looks this way in {lips.frontal} of {lips.frames} frames"
    if lips.face_pixels < LEAST_FACE:
        return "SMALL-FACE", f"the face is {lips.face_pixels:.0f} pixels wide; at least {LEAST_FACE} are needed"
    heard = voiced(sound)
    count = min(len(heard), len(lips.seen))
    used = float((heard[:count] & lips.seen[:count]).sum()) / 25
    if used < LEAST_SECONDS:
        return "TOO-SHORT", f"a voice is heard and a mouth seen for {used:.1f} s; {LEAST_SECONDS:.0f} s are needed"
    if float(lips.motion[lips.seen, 0].std()) < LEAST_OPENING:
        return "STILL-LIPS", "the lips hardly move: whoever is heard may not be who is seen"
    return None


def _judged(found: Synchrony, lips: Lips) -> Evidence:
    card_, code = SHIPPED.card(), answer(found)
    status = {"IN-SYNC": Status.ABSENT, "OUT-OF-SYNC": Status.CONFLICT}.get(code, Status.NOT_EVALUATED)
    worth = card_["answers"].get(code, {})
    return Evidence(
        check=CHECK,
        status=status,
        code=code if code in {"IN-SYNC", "OUT-OF-SYNC"} else "INCONCLUSIVE",
        summary=_sentence(code, found),
        strength=worth.get("log10_likelihood_ratio"),
        interval=tuple(worth["interval"]) if worth else None,
        detail={
            "answer": code,
            "offset_ms": round(found.offset * 1000),
            "offset_ms_interval": [round(found.offset_low * 1000), round(found.offset_high * 1000)],
            "confidence": round(found.confidence, 2),
            "confidence_interval": [round(found.confidence_low, 2), round(found.confidence_high, 2)],
            "seconds_compared": round(found.used, 1),
            "lag_curve": {
                "lags": [round(float(lag), 2) for lag in found.lags],
                "agreement": [round(float(value), 4) for value in found.curve],
            },
            **_coverage(lips),
            "error_rate": card_["error_rate"],
            "trained_on": card_["trained_on"],
            "cannot_tell": " ".join(CANNOT_TELL),
        },
        model_digest=SHIPPED.digest(),
    )


def _sentence(code: str, found: Synchrony) -> str:
    late = "late" if found.offset > 0 else "early"
    return {
        "IN-SYNC": (
            "Lips and sound go together. That says nothing for the film: talking heads made by software are so too."
        ),
        "OUT-OF-SYNC": (
            f"The sound is {abs(found.offset) * 1000:.0f} ms {late} against the lips "
            f"({found.offset_low * 1000:+.0f} to {found.offset_high * 1000:+.0f} ms): it was moved or laid over."
        ),
        "NO-PEAK": (
            f"Not assessed: in {found.used:.0f} s no lag up to a second makes the sound fit the lips. A voice that was "
            "laid over looks like this, and so do many people who simply speak."
        ),
        "UNSURE": "Not assessed: no lag stands out clearly enough.",
    }[code]


def _not_assessed(code: str, why: str, lips: Lips | None = None) -> Evidence:
    return Evidence(
        check=CHECK,
        status=Status.NOT_EVALUATED,
        code=code,
        summary=f"Not assessed: {why}.",
        detail={} if lips is None else _coverage(lips),
    )


def _coverage(lips: Lips) -> dict[str, Json]:
    return {
        "frames": lips.frames,
        "frames_with_face": lips.with_face,
        "frames_from_the_front": lips.frontal,
        "frames_with_several": lips.several,
        "face_pixels": round(lips.face_pixels),
    }
