"""The mark of a published recording is put into another one; and what an honest copy of its sound leads to."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from thsafe.media.sound import load_sound
from thsafe.media.wav import WavWriter
from thsafe.watermark.sound import SoundMarker

from .conftest import _load_tiny

RATE = 16000


def babble(seed, seconds):
    """Tones and breath that change a few times a second: as busy as speech, another for every seed."""
    chance = np.random.default_rng(seed)
    pieces = []
    while sum(map(len, pieces)) < seconds * RATE:
        time = np.arange(int(chance.uniform(0.08, 0.3) * RATE)) / RATE
        tones = sum(chance.uniform(0.1, 1) * np.sin(2 * np.pi * chance.uniform(150, 3500) * time) for _ in range(8))
        breath = chance.normal(0, 1.5, len(time))
        pieces.append((tones + breath) * np.hanning(len(time)) * chance.uniform(0.3, 1))
    return (0.06 * np.concatenate(pieces)[: int(seconds * RATE)]).astype(np.float32)


@pytest.fixture(scope="module")
def recording(scene, tmp_path_factory):
    """A published sound file of twelve seconds, its spoken notice before it."""
    tiny = _load_tiny()

    class Recorder(tiny.Tiny):
        kinds = frozenset({".wav"})

        def _sound(self):
            yield babble(5, 12.0)[:, None]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THSAFE_HOME", str(scene.home.path))
        patch.delenv("THSAFE_DB", raising=False)
        return Recorder(frames=300).say(tmp_path_factory.mktemp("recording") / "out.wav")


def write_marked(path: Path, samples, marker):
    with WavWriter(path, sample_rate=RATE, channels=1, metadata={}) as writer:
        writer.write(marker.apply(samples[:, None]))
        writer.write(marker.flush())
    return path


def as_mp3(source: Path, target: Path, rate: int = 64000):
    with av.open(str(source)) as given, av.open(str(target), "w") as output:
        stream = output.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = rate
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=RATE, frame_size=1152)
        for frame in (*given.decode(audio=0), None):
            for piece in resampler.resample(frame):
                output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return target


def test_into_another_recording(scene, recording, judged, tmp_path):
    key = next(iter(scene.installation.watermark_keys().values()))
    marker = SoundMarker(key, recording.watermark_id, sample_rate=RATE)
    other = write_marked(tmp_path / "other.wav", babble(6, 14.0), marker)
    verdict, credentials, recovery, report = judged(other)
    assert report.finding("watermark").detail["mark_id"] == recording.watermark_id
    assert (verdict, credentials, recovery) == ("tampered", "NONE", "RECOVERED-CONFLICT")
    assert "another recording" in report.finding("recovery").summary


def test_a_copy_in_another_codec_is_similar(recording, judged, tmp_path):
    verdict, _, recovery, report = judged(as_mp3(recording.path, tmp_path / "copy.mp3"))
    assert (verdict, recovery) == ("recovered", "RECOVERED-SIMILAR")
    assert "same recording" in report.finding("recovery").summary


def test_without_its_mark_it_is_a_possible_match(recording, judged, tmp_path, monkeypatch):
    from thsafe.watermark.reading import MarkReading

    nothing = MarkReading(state="absent", frames_read=0, reason="none")
    monkeypatch.setattr("thsafe.watermark.files.read_sound_track", lambda *_, **__: nothing)
    verdict, _, recovery, report = judged(as_mp3(recording.path, tmp_path / "copy.mp3", 32000))
    assert (verdict, recovery) == ("inconclusive", "POSSIBLE-MATCH")
    assert "the sound is like that" in report.finding("recovery").summary


def test_unmarked_sound_of_its_length_is_unknown(judged, tmp_path):
    with WavWriter(tmp_path / "plain.wav", sample_rate=RATE, channels=1, metadata={}) as writer:
        writer.write(babble(8, 12.0)[:, None])
    assert judged(tmp_path / "plain.wav")[:3] == ("inconclusive", "NONE", "")


def test_the_published_file_itself_is_disclosed(recording, judged):
    assert judged(recording.path)[0] == "disclosed"
    assert load_sound(recording.path, rate=RATE).shape[0] > 12 * RATE
