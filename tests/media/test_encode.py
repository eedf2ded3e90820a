"""MP4 out: in step, true in colour, flat in memory, whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from fractions import Fraction

import av
import numpy as np
import pytest

from thsafe.core.errors import EngineError, StoreError
from thsafe.media.boxes import find_boxes
from thsafe.media.decode import VideoReader
from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr
from thsafe.media.probe import probe
from thsafe.media.sound import load_sound

RATE = 16000


def flat(colour, width=64, height=48):
    return np.full((height, width, 3), colour, np.uint8)


def write(path, frames, sound=None, *, fps=Fraction(25), block=640, **options):
    height, width = frames[0].shape[:2]
    channels = 1 if sound is None else sound.shape[1]
    with Mp4Writer(
        path,
        width=width,
        height=height,
        fps=fps,
        sample_rate=0 if sound is None else RATE,
        channels=channels,
        **options,
    ) as writer:
        done = 0
        for frame in frames:
            writer.write_picture(i420_from_bgr(frame))
            while sound is not None and done < len(sound) and writer.sound_time < writer.picture_time:
                writer.write_sound(sound[done : done + block])
                done += block


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(24), Fraction(50)])
@pytest.mark.parametrize("moment", [0.4, 1.2, 2.6])
def test_flash_and_beep_stay_together(tmp_path, fps, moment):
    count = round(3 * fps)
    flash = round(moment * fps)
    frames = [flat(255 if index == flash else 20) for index in range(count)]
    time = np.arange(3 * RATE) / RATE
    beep = (time >= flash / fps) & (time < (flash + 1) / fps)
    sound = (0.8 * np.sin(2 * np.pi * 1000 * time) * beep)[:, None].astype(np.float32)
    path = tmp_path / "sync.mp4"
    write(path, frames, sound, fps=fps, block=1000)
    with VideoReader(path) as reader:
        seen = [seconds for seconds, frame in reader.iter_bgr() if frame.mean() > 128]
    heard = np.flatnonzero(np.abs(load_sound(path, rate=RATE)) > 0.3)[0] / RATE
    assert len(seen) == 1
    assert seen[0] == pytest.approx(flash / float(fps), abs=1e-3)
    assert abs(heard - seen[0]) < 0.005


@pytest.mark.parametrize("seconds", [0.5, 2.0, 3.5])
def test_sound_is_as_long_as_the_pictures(tmp_path, seconds):
    path = tmp_path / "a.mp4"
    write(path, [flat(90)] * 50, np.zeros((round(seconds * RATE), 1), np.float32))
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        lengths = [float(s.duration * s.time_base) for s in (video, audio)]
        starts = [float((s.start_time or 0) * s.time_base) for s in (video, audio)]
    assert starts == [0.0, 0.0]
    assert lengths[0] == pytest.approx(2.0, abs=1e-3)
    assert lengths[1] == pytest.approx(2.0, abs=1e-3)


def test_sound_given_all_at_once_comes_out_whole(tmp_path):
    path = tmp_path / "a.mp4"
    wave = (0.4 * np.sin(np.arange(2 * RATE) / 6))[:, None].astype(np.float32)
    with Mp4Writer(path, width=64, height=48, fps=Fraction(25), sample_rate=RATE) as writer:
        writer.write_sound(wave)
        for _ in range(50):
            writer.write_picture(i420_from_bgr(flat(90)))
    got = load_sound(path, rate=RATE)[: len(wave)]
    assert np.corrcoef(got, wave[:, 0])[0, 1] > 0.99


def test_packets_of_both_streams_alternate(clip):
    """No player has to read far ahead: sound and picture of the same time lie close together in the file."""
    with av.open(str(clip)) as container:
        order = [
            (packet.pos, float(packet.dts * packet.time_base), packet.stream.type)
            for packet in container.demux()
            if packet.pos is not None and packet.dts is not None
        ]
    latest = {"video": 0.0, "audio": 0.0}
    for _, seconds, kind in sorted(order):
        latest[kind] = seconds
        assert abs(latest["video"] - latest["audio"]) < 1.5


def test_stereo(tmp_path):
    path = tmp_path / "a.mp4"
    time = np.arange(2 * RATE) / RATE
    wave = np.stack([0.5 * np.sin(2 * np.pi * 400 * time), np.zeros_like(time)], axis=1).astype(np.float32)
    write(path, [flat(90)] * 50, wave)
    info = probe(path)
    assert info.channels == 2


COLOURS = [
    (255, 255, 255), (0, 0, 0), (128, 128, 128), (40, 60, 200), (200, 60, 40), (60, 200, 40), (90, 140, 220), (30, 30, 30),
]  # fmt: skip


@pytest.mark.parametrize(("width", "height"), [(64, 48), (1280, 720)])
@pytest.mark.parametrize("colour", COLOURS)
def test_colours_survive_our_own_round_trip(tmp_path, colour, width, height):
    path = tmp_path / "a.mp4"
    write(path, [flat(colour, width, height)] * 3)
    with VideoReader(path) as reader:
        _, frame = next(reader.iter_bgr())
    assert np.abs(frame.astype(int) - colour).max() <= 3


@pytest.mark.parametrize("colour", COLOURS)
def test_other_players_see_the_same_colours(tmp_path, colour):
    """swscale with the tags in the file, as a player does it, instead of our own conversion; HD, where guesses differ."""
    path = tmp_path / "a.mp4"
    write(path, [flat(colour, 1280, 720)] * 3)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (6, 1, 1, 1)
        shown = frame.to_ndarray(format="bgr24")
    assert np.abs(shown.astype(int) - colour).max() <= 3


def test_planes_come_back_nearly_bit_true(tmp_path):
    """What a watermark puts into the planes is what a reader gets, but for the encoder's own loss."""
    rng = np.random.default_rng(4)
    base = rng.integers(60, 190, (12, 16), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    i420 = np.full((144, 128), 128, np.uint8)
    i420[:96] = base
    path = tmp_path / "a.mp4"
    with Mp4Writer(path, width=128, height=96, fps=Fraction(25), crf=8) as writer:
        for _ in range(5):
            writer.write_picture(i420)
    with VideoReader(path) as reader:
        for _, read in reader.iter_i420():
            assert read.shape == i420.shape
            assert np.abs(read.astype(int) - i420).mean() < 1.0


def test_the_index_is_in_front_and_metadata_is_kept(clip):
    (moov,), (mdat,) = find_boxes(clip, "moov"), find_boxes(clip, "mdat")
    assert moov.offset < mdat.offset


def test_two_runs_give_the_same_bytes(tmp_path, make_clip):
    first, second = make_clip(tmp_path / "a.mp4", 20), make_clip(tmp_path / "b.mp4", 20)
    assert first.read_bytes() == second.read_bytes()


def test_an_error_inside_leaves_no_file(tmp_path):
    path = tmp_path / "a.mp4"

    def fail():
        with Mp4Writer(path, width=64, height=48, fps=Fraction(25), sample_rate=RATE) as writer:
            for _ in range(30):
                writer.write_picture(i420_from_bgr(flat(9)))
            raise KeyError("engine")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [{"width": 63}, {"height": 0}, {"sample_rate": 12345}, {"channels": 3, "sample_rate": 16000}]
)
def test_what_cannot_be_encoded_is_refused_before_a_file_exists(tmp_path, options):
    with pytest.raises(ValueError, match=r"even|rate|channels"):
        Mp4Writer(tmp_path / "a.mp4", **({"width": 64, "height": 48, "fps": Fraction(25)} | options))
    assert list(tmp_path.iterdir()) == []


def test_no_picture_leaves_no_file(tmp_path):
    with pytest.raises(EngineError) as caught, Mp4Writer(tmp_path / "a.mp4", width=64, height=48, fps=Fraction(25)):
        pass
    assert caught.value.code == "engine.no-frames"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a:b %d ü.mp4", "pipe:1", "two\nlines.mp4", "http:x.mp4", "-o.mp4", os.fsdecode(b"\xff.mp4")]
)
def test_names_are_only_names(tmp_path, make_clip, name):
    assert probe(make_clip(tmp_path / name, 3)).frame_count == 3


def test_wrong_shapes_are_refused(tmp_path):
    def feed(picture=None, sound=None):
        with Mp4Writer(tmp_path / "a.mp4", width=64, height=48, fps=Fraction(25), sample_rate=RATE) as writer:
            if picture is not None:
                writer.write_picture(picture)
            if sound is not None:
                writer.write_sound(sound)

    with pytest.raises(ValueError, match="expected"):
        feed(picture=flat(0))
    with pytest.raises(ValueError, match="expected"):
        feed(sound=np.zeros((10, 2), np.float32))


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(StoreError) as caught:
        Mp4Writer(tmp_path / "none" / "a.mp4", width=64, height=48, fps=Fraction(25))
    assert caught.value.code == "store.unwritable"


NOISE_UNTIL_FULL = """
    import sys
    from fractions import Fraction
    from pathlib import Path
    import numpy as np
    from thsafe.core.errors import EngineError, StoreError
    from thsafe.media.encode import Mp4Writer
    from thsafe.media.wav import WavWriter

    folder = Path(sys.argv[1])
    rng = np.random.default_rng(0)
    noise = rng.integers(16, 235, (432, 320), dtype=np.uint8)
    try:
        if sys.argv[2] == "wav":
            with WavWriter(folder / "a.wav", sample_rate=16000) as sound:
                for _ in range(100):
                    sound.write(np.zeros((16000, 1), np.float32))
        else:
            # the last argument says how many pictures: few enough to fail only when the index is written
            with Mp4Writer(folder / "a.mp4", width=320, height=288, fps=Fraction(25), crf=1, preset="ultrafast") as film:
                for n in range(int(sys.argv[3])):
                    film.write_picture(np.roll(noise, 3 * n, axis=1))
    except StoreError as problem:
        assert problem.code == "store.disk-full", problem.explain()
        assert "bytes are needed" in problem.found, problem.found
        assert "bytes are free" in problem.found, problem.found
        assert not list(folder.iterdir()), list(folder.iterdir())
        print("refused", problem.exit_code.value)
    else:
        print("written")
"""


def run(script, *arguments, before=""):
    code = textwrap.dedent(before) + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


LIMIT = """
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
"""


@pytest.mark.parametrize(("kind", "pictures"), [("mp4", 60), ("wav", 0)])
def test_a_file_that_may_not_grow(tmp_path, kind, pictures):
    assert run(NOISE_UNTIL_FULL, tmp_path, kind, pictures, before=LIMIT) == "refused 34"


@pytest.mark.parametrize(("kind", "pictures"), [("mp4", 60), ("wav", 0)])
def test_a_disk_that_is_full(tmp_path, kind, pictures):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk; the limit on file size is tested instead")
    try:
        assert run(NOISE_UNTIL_FULL, tmp_path, kind, pictures) == "refused 34"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


PEAK_MEMORY = """
    import resource, sys
    from fractions import Fraction
    from pathlib import Path
    import numpy as np
    from thsafe.media.decode import VideoReader
    from thsafe.media.encode import Mp4Writer
    from thsafe.media.sound import iter_sound

    path, seconds = Path(sys.argv[1]), int(sys.argv[2])
    rng = np.random.default_rng(0)
    noise = rng.integers(16, 235, (288 * 3 // 2, 384), dtype=np.uint8)
    with Mp4Writer(path, width=384, height=288, fps=Fraction(25), sample_rate=16000, preset="ultrafast", crf=30) as film:
        for n in range(25 * seconds):
            film.write_picture(np.roll(noise, n, axis=1))
            film.write_sound(np.zeros((640, 1), np.float32))
    with VideoReader(path) as reader:
        assert sum(1 for _ in reader.iter_bgr()) == 25 * seconds
    assert sum(len(b) for b in iter_sound(path, rate=16000)) >= 16000 * seconds
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_length(tmp_path):
    short = int(run(PEAK_MEMORY, tmp_path / "a.mp4", 6))
    long = int(run(PEAK_MEMORY, tmp_path / "b.mp4", 36))
    # 30 s of these frames are 120 MB as I420
    assert long - short < 20_000, f"{short} kB for 6 s, {long} kB for 36 s"
