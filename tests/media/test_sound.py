"""Sound in: every common rate, layout and sample format arrives as the same wave."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile as sf

from thsafe.core.errors import InputError
from thsafe.media.limits import Limits
from thsafe.media.sound import iter_sound, load_sound, loudness, peak
from thsafe.media.wav import WavWriter, write_wav

SECONDS = 0.6


def tone(rate: int, hertz: float = 440.0, seconds: float = SECONDS) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


def error_against(samples: np.ndarray, rate: int, hertz: float = 440.0) -> float:
    """RMS difference from the ideal tone in the middle, at the best delay within 2 ms, relative to the tone."""
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4]
    time = (np.arange(len(middle)) + len(samples) // 4) / rate
    basis = np.stack([np.sin(2 * np.pi * hertz * time), np.cos(2 * np.pi * hertz * time)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, middle, rcond=None)
    assert np.hypot(*weights) == pytest.approx(0.5, rel=0.06)  # LAME lowers by 5 %
    return float(np.sqrt(np.mean((middle - basis @ weights) ** 2)) / 0.35)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_wav(tmp_path, rate, subtype):
    path = tmp_path / "a.wav"
    sf.write(path, tone(rate), rate, subtype=subtype)
    samples = load_sound(path, rate=16000)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(16000 * SECONDS, abs=16)
    assert error_against(samples, 16000) < (0.02 if subtype == "PCM_U8" else 0.002)


@pytest.mark.parametrize(
    ("suffix", "codec", "rates", "bound"),
    [
        ("flac", "flac", (8000, 44100, 96000), 0.002),
        ("mp3", "libmp3lame", (16000, 44100, 48000), 0.03),
        ("m4a", "aac", (16000, 44100, 48000), 0.03),
        ("opus", "libopus", (16000, 48000), 0.03),
        ("mka", "pcm_s24le", (48000,), 0.002),
    ],
)
def test_coded(tmp_path, suffix, codec, rates, bound):
    for rate in rates:
        for layout, channels in (("mono", 1), ("stereo", 2)):
            path = tmp_path / f"a{rate}{layout}.{suffix}"
            encode(path, codec, rate, layout, np.tile(tone(rate)[:, None], (1, channels)))
            samples = load_sound(path, rate=16000)
            assert len(samples) / 16000 == pytest.approx(SECONDS, abs=0.08)
            assert error_against(samples, 16000) < bound


def test_vorbis(tmp_path):
    for rate in (16000, 44100):
        path = tmp_path / f"a{rate}.ogg"
        sf.write(path, tone(rate), rate)
        samples = load_sound(path, rate=16000)
        assert len(samples) / 16000 == pytest.approx(SECONDS, abs=0.01)
        assert error_against(samples, 16000) < 0.08


def encode(path, codec: str, rate: int, layout: str, samples: np.ndarray) -> None:
    container = "ogg" if path.suffix == ".opus" else None
    with av.open(str(path), "w", format=container) as target:
        stream = target.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 128000
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T.astype(np.float32)), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        fifo = av.AudioFifo()
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        while (part := fifo.read(size, partial=fifo.samples < size)) is not None:
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))


def test_stereo_is_averaged(tmp_path):
    path = tmp_path / "a.wav"
    left = tone(16000)
    sf.write(path, np.stack([left, np.zeros_like(left)], axis=1), 16000)
    assert peak(load_sound(path, rate=16000)) == pytest.approx(0.25, abs=0.01)
    (block,) = iter_sound(path, rate=16000, mono=False)
    assert block.shape == (len(left), 2)
    assert peak(block[:, 1]) == 0.0


def test_mono_stays_mono(tmp_path):
    path = tmp_path / "a.wav"
    sf.write(path, tone(16000), 16000)
    (block,) = iter_sound(path, rate=16000, mono=False)
    assert block.shape[1] == 1


@pytest.mark.parametrize(
    ("channel", "left", "right"),
    [(0, 1.0, 0.0), (1, 0.0, 1.0), (2, 0.7071, 0.7071), (3, 0.0, 0.0), (4, 0.7071, 0.0), (5, 0.0, 0.7071)],
)
def test_five_one_folds_down_by_bs775(tmp_path, channel, left, right):
    """FL FR FC LFE SL SR, each alone; scaled by the largest sum of weights so that nothing can clip."""
    path = tmp_path / "a.flac"
    samples = np.zeros((4800, 6))
    samples[:, channel] = tone(48000, seconds=0.1)
    encode(path, "flac", 48000, "5.1", samples)
    folded = np.concatenate(list(iter_sound(path, rate=48000, mono=False)))
    scale = 0.5 / (1 + 0.7071 + 0.7071)
    assert peak(folded[:, 0]) == pytest.approx(left * scale, abs=0.002)
    assert peak(folded[:, 1]) == pytest.approx(right * scale, abs=0.002)


def test_blocks_have_the_size_asked_for(tmp_path):
    path = tmp_path / "a.wav"
    sf.write(path, tone(44100, seconds=1.0), 44100)
    sizes = [len(block) for block in iter_sound(path, rate=16000, block=1000)]
    assert set(sizes[:-1]) == {1000}
    assert sum(sizes) == pytest.approx(16000, abs=2)


def test_resampling_keeps_out_aliases(tmp_path):
    """A tone above half of the new rate must vanish, not fold back."""
    path = tmp_path / "a.wav"
    sf.write(path, tone(48000, hertz=11000, seconds=1.0), 48000)
    assert loudness(load_sound(path, rate=16000)[2000:-2000]) < -90


def test_the_sound_of_a_video(clip):
    samples = load_sound(clip, rate=16000)
    assert len(samples) / 16000 == pytest.approx(2.0, abs=0.05)
    assert peak(samples) == pytest.approx(0.3, abs=0.05)


def test_a_track_that_starts_late_begins_with_silence(tmp_path):
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as target:
        video = target.add_stream("mpeg4", rate=25)
        video.width, video.height = 64, 48
        sound = target.add_stream("pcm_s16le", rate=16000, layout="mono")
        for index in range(25):
            picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="bgr24")
            picture.pts = index
            target.mux(video.encode(picture))
        block = av.AudioFrame.from_ndarray(np.full((1, 8000), 16000, np.int16), "s16", "mono")
        block.sample_rate, block.pts = 16000, 8000
        target.mux(sound.encode(block))
        target.mux(video.encode(None))
    samples = load_sound(path, rate=16000)
    assert np.flatnonzero(np.abs(samples) > 0.1)[0] / 16000 == pytest.approx(0.5, abs=0.01)
    assert len(samples) / 16000 == pytest.approx(1.0, abs=0.01)


def test_no_sound(tmp_path, make_clip):
    silent = make_clip(tmp_path / "silent.mp4", 3, sound=False)
    with pytest.raises(InputError) as caught:
        load_sound(silent, rate=16000)
    assert caught.value.code == "input.no-sound"


def test_too_long_is_noticed_while_decoding(tmp_path):
    """A raw stream tells no length beforehand."""
    path = tmp_path / "a.aac"
    encode(path, "aac", 16000, "mono", tone(16000, seconds=2.0)[:, None])
    with pytest.raises(InputError) as caught:
        load_sound(path, rate=16000, limits=Limits(max_seconds=1.0))
    assert caught.value.code == "input.too-long"


def test_not_a_number_becomes_silence(tmp_path):
    path = tmp_path / "a.wav"
    samples = tone(16000).astype(np.float32)
    samples[100:200] = np.nan
    sf.write(path, samples, 16000, subtype="FLOAT")
    assert np.isfinite(load_sound(path, rate=16000)).all()


def test_levels():
    assert peak(np.array([0.1, -0.7], np.float32)) == pytest.approx(0.7)
    assert peak(np.zeros(0, np.float32)) == 0.0
    assert loudness(np.full(100, 0.1, np.float32)) == pytest.approx(-20, abs=0.01)
    assert loudness(np.zeros(10, np.float32)) == -120


def test_wav_is_written_and_read_back(tmp_path):
    path = tmp_path / "a.wav"
    wave = np.stack([tone(22050), -tone(22050)], axis=1).astype(np.float32)
    with WavWriter(path, sample_rate=22050, channels=2, metadata={"AIGC": '{"Label":"1"}'}) as writer:
        for start in range(0, len(wave), 1000):
            writer.write(wave[start : start + 1000])
    read, rate = sf.read(path)
    assert rate == 22050
    assert np.abs(read - wave).max() < 1e-4
    data = path.read_bytes()
    at = data.index(b"AIGC")
    assert data[at + 8 : at + 21] == b'{"Label":"1"}'
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert list(tmp_path.iterdir()) == [path]


def test_a_wav_that_fails_half_way_leaves_nothing(tmp_path):
    def fail():
        with WavWriter(tmp_path / "a.wav", sample_rate=8000) as writer:
            writer.write(np.zeros((10, 1), np.float32))
            raise KeyError("engine")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_wav_metadata_needs_a_chunk_name(tmp_path):
    with pytest.raises(ValueError, match="four ASCII"):
        write_wav(tmp_path / "a.wav", np.zeros(5, np.float32), sample_rate=8000, metadata={"title": "x"})
