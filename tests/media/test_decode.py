"""Video in: true times, upright, cheap samples, and no fear of damage."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from thsafe.core.errors import InputError
from thsafe.media.boxes import find_boxes, walk_boxes
from thsafe.media.decode import VideoReader
from thsafe.media.limits import Limits
from thsafe.media.planes import bgr_from_i420
from thsafe.media.probe import probe


def test_every_picture_at_its_time(clip):
    with VideoReader(clip) as reader:
        times = [seconds for seconds, _ in reader.iter_bgr()]
        again = [seconds for seconds, _ in reader.iter_bgr()]
        third = [seconds for seconds, _ in reader.iter_bgr(3)]
    assert times == pytest.approx([index / 25 for index in range(50)], abs=1e-6)
    assert again == times
    assert third == times[::3]


def test_both_kinds_of_picture_agree(clip):
    with VideoReader(clip) as reader:
        for (t1, bgr), (t2, i420) in zip(reader.iter_bgr(10), list(reader.iter_i420(10)), strict=False):
            assert t1 == t2
            assert i420.shape == (72, 64)
            assert np.abs(bgr.astype(int) - bgr_from_i420(i420)).max() <= 1


def picture(index: int, width: int, height: int) -> np.ndarray:
    frame = np.full((height, width, 3), 40, np.uint8)
    frame[:, : 2 + index] = 220
    return frame


def write_plain(path, width, height, *, codec="libx264", pix_fmt="yuv420p", count=6, times=None, options=None):
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if times:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(picture(index, width, height), format="bgr24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = times[index] if times else index * 40
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(("width", "height"), [(33, 25), (64, 25), (33, 48), (2, 2)])
def test_odd_sizes(tmp_path, width, height):
    path = write_plain(tmp_path / "odd.mkv", width, height, codec="ffv1", pix_fmt="bgr0")
    with VideoReader(path) as reader:
        frames = [frame for _, frame in reader.iter_bgr()]
        assert frames[0].shape == (height, width, 3)
        _, i420 = next(reader.iter_i420())
        assert i420.shape == ((height & ~1) * 3 // 2, width & ~1)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "nv12"])
def test_pixel_formats_give_the_same_picture(tmp_path, pix_fmt):
    path = write_plain(tmp_path / "a.mkv", 64, 48, pix_fmt=pix_fmt, options={"crf": "4"})
    with VideoReader(path) as reader:
        _, frame = next(reader.iter_bgr())
        _, i420 = next(reader.iter_i420())
    for got in (frame, bgr_from_i420(i420)):
        assert abs(int(got[20, 50].mean()) - 40) <= 4
        assert abs(int(got[20, 0].mean()) - 220) <= 6


def test_bt709_is_read_as_bt709(tmp_path):
    path = tmp_path / "hd.mkv"
    colour = (40, 60, 210)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = 1
        source = av.VideoFrame.from_ndarray(np.full((48, 64, 3), colour, np.uint8), format="bgr24")
        frame = source.reformat(format="yuv420p", dst_colorspace="ITU709")
        frame.colorspace = 1
        target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    with VideoReader(path) as reader:
        _, got = next(reader.iter_bgr())
    assert np.abs(got[24, 32].astype(int) - colour).max() <= 4


def turn(data: bytes, clip, matrix: tuple[int, int, int, int]) -> bytes:
    """Write a rotation into the video track header (ISO/IEC 14496-12 §8.3.2)."""
    changed = bytearray(data)
    header = find_boxes(clip, "moov/trak/tkhd")[0]
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">iiiiiiiii", changed, header.body + 40, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(changed)


@pytest.mark.parametrize(
    ("matrix", "clockwise"), [((0, 1, -1, 0), 1), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 3), ((1, 0, 0, 1), 0)]
)
def test_rotation_is_applied(tmp_path, clip, matrix, clockwise):
    with VideoReader(clip) as reader:
        _, upright = next(reader.iter_bgr())
    path = tmp_path / "turned.mp4"
    path.write_bytes(turn(clip.read_bytes(), clip, matrix))
    info = probe(path)
    assert (info.width, info.height) == ((48, 64) if clockwise % 2 else (64, 48))
    with VideoReader(path) as reader:
        _, shown = next(reader.iter_bgr())
        _, i420 = next(reader.iter_i420())
    assert np.array_equal(shown, np.rot90(upright, -clockwise))
    assert np.abs(bgr_from_i420(i420)[10, 10].astype(int) - shown[10, 10]).max() <= 12


def test_uneven_times_are_kept(tmp_path):
    times = [0, 40, 60, 300, 310, 1000]
    path = write_plain(tmp_path / "vfr.mkv", 64, 48, times=times)
    with VideoReader(path) as reader:
        assert [round(seconds * 1000) for seconds, _ in reader.iter_bgr()] == times


def test_samples_are_spread_over_the_file(tmp_path, make_clip):
    path = make_clip(tmp_path / "long.mp4", 400, width=32, height=32)
    with VideoReader(path) as reader:
        everything = dict(reader.iter_bgr())
        for count in (1, 3, 8, 50):
            samples = reader.sample_bgr(count)
            times = [seconds for seconds, _ in samples]
            assert len(samples) == count
            assert times == pytest.approx([(index + 0.5) * 16 / count for index in range(count)], abs=0.09)
            assert all(np.array_equal(frame, everything[seconds]) for seconds, frame in samples)
        assert len(reader.sample_bgr(1000)) == 400
        assert reader.sample_bgr(0) == []


def test_stretches_are_frames_that_follow_each_other(tmp_path, make_clip):
    path = make_clip(tmp_path / "long.mp4", 400, width=32, height=32)
    with VideoReader(path) as reader:
        everything = dict(reader.iter_bgr())
        times = sorted(everything)
        found = list(reader.stretches(5, 6))
        assert [len(part) for part in found] == [6] * 5
        for number, part in enumerate(found):
            first = times.index(part[0][0])
            assert [seconds for seconds, _ in part] == times[first : first + 6]
            assert part[3][0] == pytest.approx((number + 0.5) * 16 / 5, abs=0.09)
            assert all(np.array_equal(frame, everything[seconds]) for seconds, frame in part)


def test_a_film_shorter_than_its_stretches_gives_what_it_has(tmp_path, make_clip):
    path = make_clip(tmp_path / "short.mp4", 9, width=32, height=32)
    with VideoReader(path) as reader:
        assert [len(part) for part in reader.stretches(4, 6)] == [6, 3]


def test_frames_at_chosen_times(clip):
    with VideoReader(clip) as reader:
        assert [seconds for seconds, _ in reader.frames_at([1.0, 0.41, 0.0])] == pytest.approx([0.0, 0.44, 1.0])
        assert [seconds for seconds, _ in reader.frames_at([50.0])] == pytest.approx([49 / 25])


def test_few_samples_of_a_long_film_are_cheap(tmp_path, make_clip, monkeypatch):
    """Key frames come every 2 s: eight samples of 40 s need a tenth of the decoding, and many need no more than all."""
    path = make_clip(tmp_path / "long.mp4", 1000, width=32, height=32, sound=False)
    decoded = []
    original = VideoReader._timed

    def counted(self, frames, zero):
        for picture in original(self, frames, zero):
            decoded.append(picture.seconds)
            yield picture

    monkeypatch.setattr(VideoReader, "_timed", counted)
    with VideoReader(path) as reader:
        assert len(reader.sample_bgr(8)) == 8
        assert len(decoded) < 8 * 50
        decoded.clear()
        assert len(reader.sample_bgr(200)) == 200
        assert len(decoded) <= 1010


def test_samples_without_an_index(tmp_path, clip, attacks):
    for suffix in ("ts", "mkv"):
        path = tmp_path / f"a.{suffix}"
        attacks.remux(clip, path)
        with VideoReader(path) as reader:
            times = [seconds for seconds, _ in reader.sample_bgr(4)]
        assert times == pytest.approx([0.25, 0.75, 1.25, 1.75], abs=0.15)


def test_damage_in_the_middle_costs_only_the_middle(tmp_path, make_clip):
    path = make_clip(tmp_path / "a.mp4", 300, width=128, height=96)
    data = bytearray(path.read_bytes())
    with path.open("rb") as source:
        media = next(box for box in walk_boxes(source) if box.path == "mdat")
    start = media.body + (media.size * 2) // 5
    data[start : start + 2000] = np.random.default_rng(0).bytes(2000)
    path.write_bytes(bytes(data))
    with VideoReader(path) as reader:
        times = [seconds for seconds, _ in reader.iter_bgr()]
        damaged = reader.damaged
        assert damaged > 0
        assert len(times) > 200
        assert max(times) == pytest.approx(299 / 25, abs=0.3)
        assert reader.sample_bgr(5)


def test_a_size_that_changes_half_way(tmp_path):
    """An MPEG stream may carry a new sequence header; all pictures leave with the first size."""
    first = write_plain(tmp_path / "a.m1v", 64, 48, codec="mpeg1video")
    second = write_plain(tmp_path / "b.m1v", 96, 80, codec="mpeg1video")
    path = tmp_path / "both.m1v"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with VideoReader(path) as reader:
        shapes = {frame.shape for _, frame in reader.iter_bgr()}
        planes = {i420.shape for _, i420 in reader.iter_i420()}
    assert shapes == {(48, 64, 3)}
    assert planes == {(72, 64)}


def test_limits_hold_while_decoding(tmp_path):
    path = write_plain(tmp_path / "a.m1v", 64, 48, codec="mpeg1video", count=30)
    with VideoReader(path, limits=Limits(max_frames=10)) as reader, pytest.raises(InputError) as caught:
        list(reader.iter_bgr())
    assert caught.value.code == "input.too-long"


def test_sound_is_no_video(tmp_path):
    from thsafe.media.wav import write_wav

    path = tmp_path / "a.wav"
    write_wav(path, np.zeros(8000, np.float32), sample_rate=8000)
    with pytest.raises(InputError) as caught:
        VideoReader(path)
    assert caught.value.code == "input.no-picture"


@pytest.mark.shared
def test_real_talkers(shared_data):
    for path in sorted((shared_data / "grid").glob("*.mpg")):
        with VideoReader(path) as reader:
            times = [seconds for seconds, frame in reader.iter_bgr() if frame.shape == (288, 360, 3)]
            samples = [seconds for seconds, _ in reader.sample_bgr(4)]
        assert samples == pytest.approx([0.37, 1.12, 1.86, 2.61], abs=0.05)
        assert len(times) == 75
        assert times[0] == 0.0
        assert times[-1] == pytest.approx(2.96, abs=0.001)
