"""Lip-sync in a report: against a film where the sound was moved, silent where nothing can be said, never for a film."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.lipsync import check
from detectors.lipsync.answer import answer
from detectors.lipsync.card import likelihood, measure, shifted
from detectors.lipsync.check import SHIPPED, examine
from detectors.lipsync.lips import DISTANCES, PER_SECOND, Lips, distances, watch_lips
from detectors.lipsync.synchrony import synchrony
from detectors.lipsync.views import belonging, like_speech, voiced
from thsafe.core.errors import InputError
from thsafe.core.types import Silent, Status
from thsafe.media.faces import find_faces
from thsafe.registry import draw_person, reciter


@pytest.fixture(scope="module")
def spoken():
    """Two speeches by voices that were never trained with, on a drawn face: motion and sound."""
    marks = find_faces(draw_person("ada", 256))[0].landmarks
    random = np.random.default_rng(0)
    found = []
    for recital in reciter().recitals(2, seed=99, held_out=True):
        landmarks, sound = reciter().mouthed(marks, recital)
        motion = np.array([distances(frame) for frame in landmarks], np.float32)
        found.append((motion + random.normal(0, 0.005, motion.shape).astype(np.float32), sound))
    return found


def test_no_speech_is_swapped_with_itself(spoken):
    """Of two there is one other, which is looked at once; of one there is none."""
    figures = measure(SHIPPED.weights(), spoken, Silent())
    assert sum(figures["swapped"].values()) == len(spoken) == sum(figures["matched"].values())
    assert figures["auc"] == 1.0
    with pytest.raises(InputError) as caught:
        measure(SHIPPED.weights(), spoken[:1], Silent())
    assert (caught.value.code, caught.value.next_step != "") == ("lipsync.alone", True)


def _compared(motion, sound):
    return synchrony(SHIPPED.weights(), motion, np.ones(len(motion), bool), sound)


def _lips(motion, **changes):
    values = {
        "motion": motion,
        "seen": np.ones(len(motion), bool),
        "frames": len(motion),
        "with_face": len(motion),
        "frontal": len(motion),
        "several": 0,
        "face_pixels": 150.0,
        "seconds": len(motion) / PER_SECOND,
    }
    return Lips(**(values | changes))


@pytest.fixture
def watched(monkeypatch):
    """Let the check see these lips, whatever the frames show."""

    def watched(lips, sound):
        monkeypatch.setattr(check, "watch_lips", lambda _frames: lips)
        return examine([], sound)

    return watched


def test_what_belongs_together_peaks_at_no_lag(spoken):
    motion, sound = spoken[0]
    found = _compared(motion, sound)
    assert abs(found.offset) <= 0.06
    assert found.offset_low <= found.offset <= found.offset_high
    assert answer(found) == "IN-SYNC"


@pytest.mark.parametrize("moved", [-0.48, 0.32])
def test_sound_that_was_moved_is_measured(spoken, moved):
    motion, sound = spoken[0]
    found = _compared(motion, shifted(sound, moved))
    assert found.offset == pytest.approx(moved, abs=0.06)
    assert answer(found) == "OUT-OF-SYNC"


def test_the_voice_of_another_speech_has_no_peak(spoken):
    assert answer(_compared(spoken[0][0], spoken[1][1])) in {"NO-PEAK", "UNSURE"}


def test_in_sync_says_nothing_for_a_film(spoken, watched):
    motion, sound = spoken[0]
    found = watched(_lips(motion), sound)
    assert (found.status, found.code, found.strength) == (Status.ABSENT, "IN-SYNC", None)
    assert "says nothing for the film" in found.summary
    assert found.detail["lag_curve"]["lags"][0] == -1.0
    assert len(found.detail["lag_curve"]["agreement"]) == 51


def test_out_of_sync_counts_against_it_with_a_bounded_strength(spoken, watched):
    motion, sound = spoken[0]
    found = watched(_lips(motion), shifted(sound, 0.48))
    assert (found.status, found.code) == (Status.CONFLICT, "OUT-OF-SYNC")
    assert 0 < found.strength < 2
    assert found.interval[0] <= found.strength <= found.interval[1]
    assert "480 ms late" in found.summary or "ms late" in found.summary
    assert found.detail["error_rate"] == SHIPPED.card()["error_rate"]
    assert found.model_digest == SHIPPED.card()["sha256"]


def test_no_peak_is_no_finding(spoken, watched):
    found = watched(_lips(spoken[0][0]), spoken[1][1])
    assert found.status is Status.NOT_EVALUATED
    assert found.strength is None


def test_it_says_why_it_says_nothing(spoken, watched):
    motion, sound = spoken[0]
    count = len(motion)
    still = np.full_like(motion, 0.1)
    time = np.arange(8 * 16000) / 16000
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330)).astype(np.float32) * 0.1
    noise = np.random.default_rng(0).normal(0, 0.1, 8 * 16000).astype(np.float32)
    cases = {
        "SILENT": (_lips(motion), np.zeros(8 * 16000, np.float32)),
        "TOO-SHORT": (_lips(motion), sound[: 3 * 16000]),
        "NO-FACE": (_lips(motion, with_face=count // 3), sound),
        "SEVERAL-FACES": (_lips(motion, several=count // 2), sound),
        "PROFILE": (_lips(motion, frontal=count // 3), sound),
        "SMALL-FACE": (_lips(motion, face_pixels=40.0), sound),
        "STILL-LIPS": (_lips(still), sound),
        "FEW-FRAMES": (_lips(motion, frames=count // 5, with_face=count // 5, frontal=count // 5), sound),
    }
    for code, (lips, heard) in cases.items():
        found = watched(lips, heard)
        assert (found.status, found.code) == (Status.NOT_EVALUATED, code), code
        assert found.summary.startswith("Not assessed: ")
    for music in (chord, noise):
        assert watched(_lips(motion), music).code == "NO-SPEECH"
    assert examine([], np.zeros(0, np.float32)).code == "SILENT"


def test_lips_are_followed_in_pictures(spoken):
    from generators.embedded import cast

    drawn = cast.draw(cast.CAST["ada"], size=256)
    recital = next(reciter().recitals(1, seed=5, held_out=True))
    frames, _ = reciter().recited(drawn.picture, drawn.landmarks, recital, short_side=256)
    few = [(place / 25, frame) for place, frame in zip(range(30), frames, strict=False)]
    lips = watch_lips(few)
    assert (lips.frames, lips.with_face, lips.frontal, lips.several) == (30, 30, 30, 0)
    assert lips.motion.shape == (30, len(DISTANCES))
    assert lips.seen.all()
    pair = [(seconds, np.concatenate([frame, frame], axis=1)) for seconds, frame in few[:12]]
    assert watch_lips(pair).several > 2
    blank = [(place / 25, np.full((128, 128, 3), 90, np.uint8)) for place in range(3)]
    assert watch_lips(blank).with_face == 0


def test_real_talkers_are_in_sync_by_weights_that_never_saw_them():
    figures = SHIPPED.card()["figures"]["films-left-out-one-by-one"]
    assert figures["within_80_ms"] == figures["films"] == 4


def test_speech_has_pauses_and_silence_has_no_voice(spoken):
    assert like_speech(spoken[0][1]) > 0.5
    assert voiced(spoken[0][1]).mean() > 0.5
    assert not voiced(np.zeros(16000, np.float32)).any()


def test_belonging_is_the_ratio_of_two_gaussian_densities():
    from scipy.stats import multivariate_normal, norm

    u, v, r = 0.7, -1.1, 0.6
    together = multivariate_normal([0, 0], [[1, r], [r, 1]]).logpdf([u, v])
    found = belonging(
        {"correlation": np.array([r], np.float32)}, np.array([[u]], np.float32), np.array([[v]], np.float32)
    )
    assert found[0] == pytest.approx(together - norm.logpdf(u) - norm.logpdf(v), abs=1e-5)


def test_a_likelihood_ratio_is_bounded_by_the_people_measured():
    few, many = likelihood(48, 48, 0, 5), likelihood(48, 48, 0, 500)
    assert few["log10_likelihood_ratio"] < many["log10_likelihood_ratio"]
    assert likelihood(10, 100, 10, 100)["log10_likelihood_ratio"] == 0.0
