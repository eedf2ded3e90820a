"""Picture and sound carry one id; two ids show a swap."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from thsafe.core.errors import MarkError
from thsafe.core.types import Status, Verdict
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys import KeyRing
from thsafe.marking import Marks
from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr, split_planes
from thsafe.readback import sound_beside
from thsafe.verification import verify
from thsafe.watermark import PictureMarker, SoundMarker

RATE, SIDE, SECONDS = 24000, 256, 4
FIRST, SECOND = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home"))
    home.prepare()
    KeyRing.create(home)
    return Installation.open(home)


def breathy(seconds):
    """Noise with moving formants and syllables."""
    rng = np.random.default_rng(5)
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    shaped = np.fft.irfft(spectrum / (1 + (hertz / 900) ** 2), n=count)
    sound = shaped * (1.2 + np.sin(2 * np.pi * 2.3 * np.arange(count) / RATE))
    return (0.4 * sound / np.abs(sound).max()).astype(np.float32)[:, None]


def film(path, key, picture_id, sound_id, seconds=SECONDS):
    rng = np.random.default_rng(1)
    base = np.kron(rng.integers(60, 190, (SIDE // 16, SIDE // 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    marker = PictureMarker(key, picture_id, width=SIDE, height=SIDE) if picture_id else None
    sound = breathy(seconds)
    if sound_id:
        writer = SoundMarker(key, sound_id, sample_rate=RATE)
        sound = np.concatenate([writer.apply(sound), writer.flush()])
    with Mp4Writer(path, width=SIDE, height=SIDE, fps=Fraction(10), sample_rate=RATE, channels=1) as out:
        for number in range(10 * seconds):
            picture = i420_from_bgr(np.roll(base, number, axis=1))
            if marker is not None:
                marker.apply(split_planes(picture))
            out.write_picture(picture)
            out.write_sound(sound[number * RATE // 10 : (number + 1) * RATE // 10])
    return path


@pytest.mark.parametrize(
    ("picture_id", "sound_id", "code", "status", "verdict"),
    [
        (FIRST, FIRST, "AGREES", Status.FOUND, Verdict.SIGNS_OF_SYNTHESIS),
        (FIRST, SECOND, "ANOTHER-OUTPUT", Status.CONFLICT, Verdict.TAMPERED),
        (FIRST, None, "ABSENT", Status.ABSENT, Verdict.SIGNS_OF_SYNTHESIS),
        (None, SECOND, "SOUND-ONLY", Status.FOUND, Verdict.SIGNS_OF_SYNTHESIS),
        (None, None, "ABSENT", Status.ABSENT, Verdict.INCONCLUSIVE),
    ],
    ids=["agree", "swapped", "no sound mark", "no picture mark", "neither"],
)
def test_picture_and_sound_are_held_against_each_other(
    installation, tmp_path, picture_id, sound_id, code, status, verdict
):
    key = next(iter(installation.watermark_keys().values()))
    path = film(tmp_path / "film.mp4", key, picture_id, sound_id)
    report = verify(path, home=installation.home, record=False)
    found = report.finding("sound-watermark")
    assert (found.code, found.status, report.verdict) == (code, status, verdict), found.summary
    if code == "ANOTHER-OUTPUT":
        assert report.sentence == "The sound carries another output's mark: it was replaced."


def marks(mark_id):
    return Marks(manifest_id="urn:c2pa:1", watermark_id=mark_id, labels=())


def test_publishing_reads_the_sound_mark_back(installation, tmp_path):
    key = next(iter(installation.watermark_keys().values()))
    path = film(tmp_path / "film.mp4", key, FIRST, FIRST)
    found = sound_beside(path, marks(FIRST), installation=installation)
    assert float(found["sound watermark"]) > 8
    with pytest.raises(MarkError) as caught:
        sound_beside(path, marks(SECOND), installation=installation)
    assert caught.value.code == "mark.sound-watermark"


def test_a_short_or_unreadable_sound_is_said_so(installation, tmp_path):
    key = next(iter(installation.watermark_keys().values()))
    short = film(tmp_path / "short.mp4", key, FIRST, FIRST, seconds=2)
    assert sound_beside(short, marks(FIRST), installation=installation) == {
        "sound watermark": "too short for a sound mark"
    }
    plain = film(tmp_path / "plain.mp4", key, FIRST, None)
    assert "too weak" in sound_beside(plain, marks(FIRST), installation=installation)["sound watermark"]
