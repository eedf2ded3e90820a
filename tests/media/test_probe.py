"""Probing: facts by content, refusals in words, never a crash."""

from __future__ import annotations

import io
import os
import struct
import time
import wave
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile as sf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from thsafe.core.errors import InputError, ThsafeError
from thsafe.core.types import MediaKind
from thsafe.media.boxes import find_boxes
from thsafe.media.decode import VideoReader
from thsafe.media.digest import hash_file
from thsafe.media.image import read_image
from thsafe.media.limits import Limits
from thsafe.media.probe import probe
from thsafe.media.sound import iter_sound


def refusal(path, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        probe(path, **options)
    error = caught.value
    assert error.found
    assert error.next_step
    assert path.name in error.message
    return error


def read_all(path):
    info = probe(path)
    if info.kind is MediaKind.IMAGE:
        read_image(path)
    if info.audio_codec:
        for _ in iter_sound(path, rate=16000):
            pass
    if info.kind is MediaKind.VIDEO:
        with VideoReader(path) as reader:
            for _ in reader.iter_bgr():
                pass
            reader.sample_bgr(2)


def test_the_facts_of_a_video(clip):
    info = probe(clip)
    assert (info.kind, info.media_type, info.container) == (MediaKind.VIDEO, "video/mp4", "mp4")
    assert (info.width, info.height, info.fps, info.frame_count) == (64, 48, Fraction(25), 50)
    assert (info.video_codec, info.audio_codec, info.sample_rate, info.channels) == ("h264", "aac", 16000, 1)
    assert info.duration == pytest.approx(2.0, abs=0.05)
    assert info.size_bytes == clip.stat().st_size
    assert (info.encoder_tag or "").startswith("Lavf")


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [("mov", "video/quicktime"), ("mkv", "video/x-matroska"), ("ts", "video/mp2t")],
)
def test_containers_are_told_apart_by_content(tmp_path, clip, attacks, suffix, media_type):
    named = tmp_path / f"clip.{suffix}"
    attacks.remux(clip, named)
    disguised = named.rename(tmp_path / "clip.jpg")
    assert probe(disguised).media_type == media_type


def write_with(codec: str, path):
    """Five grey pictures by another encoder."""
    with av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        for level in range(5):
            picture = np.full((48, 64, 3), 40 * level, np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        target.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "suffix", "media_type"),
    [
        ("libvpx", "webm", "video/webm"),
        ("mpeg4", "avi", "video/x-msvideo"),
        ("mpeg1video", "mpg", "video/mpeg"),
        ("mpeg1video", "m1v", "video/mpeg"),
        ("flv", "flv", "video/x-flv"),
    ],
)
def test_other_encoders(tmp_path, codec, suffix, media_type):
    info = probe(write_with(codec, tmp_path / f"clip.{suffix}"))
    assert (info.kind, info.media_type) == (MediaKind.VIDEO, media_type)
    assert (info.width, info.height) == (64, 48)


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [("wav", "audio/wav"), ("flac", "audio/flac"), ("ogg", "audio/ogg"), ("mp3", "audio/mpeg"), ("aiff", "audio/aiff")],
)
def test_sound_files(tmp_path, suffix, media_type):
    path = tmp_path / f"tone.{suffix}"
    sf.write(path, 0.1 * np.sin(np.arange(16000) / 5), 16000)
    info = probe(path.rename(tmp_path / "tone.mp4"))
    assert (info.kind, info.media_type) == (MediaKind.AUDIO, media_type)
    assert (info.sample_rate, info.channels) == (16000, 1)
    assert info.duration == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff", "avif"])
def test_pictures(tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    Image.new("RGB", (40, 30), (10, 200, 90)).save(path)
    info = probe(path.rename(tmp_path / "picture.wav"))
    assert info.kind is MediaKind.IMAGE
    assert info.media_type == {"jpg": "image/jpeg"}.get(suffix, f"image/{suffix}")
    assert (info.width, info.height) == (40, 30)


def test_missing_and_dangling(tmp_path):
    assert refusal(tmp_path / "none.mp4").code == "input.missing"
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "gone.mp4")
    assert "gone.mp4" in refusal(link).found


def test_folders_pipes_and_devices(tmp_path):
    assert refusal(tmp_path).code == "input.unreadable"
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    assert refusal(pipe).code == "input.unreadable"


def test_a_loop_of_links_and_a_name_too_long(tmp_path):
    loop = tmp_path / "loop.mp4"
    loop.symlink_to(loop)
    assert refusal(loop).code in {"input.unreadable", "input.missing"}
    assert refusal(tmp_path / ("x" * 300)).code == "input.unreadable"


def test_no_permission(tmp_path, monkeypatch, clip):
    def denied(self, *args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", denied)
    error = refusal(clip)
    assert error.code == "input.unreadable"
    assert "Permission denied" in error.message


def test_empty(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    assert refusal(path).code == "input.empty"


@pytest.mark.parametrize(
    "data",
    [
        b"hello, world\n" * 20,
        b"%PDF-1.7 ...",
        b"\x7fELF" + bytes(500),
        b"#EXTM3U\nhttp://127.0.0.1/x.ts\n",
        bytes(5000),
    ],
)
def test_not_media_whatever_the_name(tmp_path, data):
    for name in ("a.mp4", "a.mp3", "a.png", "a.m3u8"):
        path = tmp_path / name
        path.write_bytes(data)
        assert refusal(path).code == "input.not-media"


def test_heic_is_named(tmp_path):
    path = tmp_path / "telephone.jpg"
    path.write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(200))
    error = refusal(path)
    assert error.code == "input.not-media"
    assert "HEIC" in error.found


def test_a_fragmented_mp4(tmp_path, clip):
    path = tmp_path / "a.mp4"
    with (
        av.open(str(clip)) as source,
        av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    assert probe(path).duration == pytest.approx(2.0, abs=0.1)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    assert refusal(path).code == "input.truncated"


def test_a_playlist_inside_a_known_container_opens_nothing_else(tmp_path, clip):
    path = tmp_path / "concat:a|b.mp4"
    path.write_bytes(clip.read_bytes())
    assert probe(path).frame_count == 50


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.999])
@pytest.mark.parametrize("front", [True, False])
def test_cut_mp4(tmp_path, clip, attacks, share, front):
    whole = clip
    if not front:
        whole = tmp_path / "whole.mp4"
        attacks.remux(clip, whole)
    data = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * share)])
    assert refusal(path).code == "input.truncated"


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9, 0.99])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_cut_pictures(tmp_path, share, suffix):
    whole = tmp_path / f"whole.{suffix}"
    noise = np.random.default_rng(3).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole)
    data = whole.read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    assert refusal(path).code in {"input.truncated", "input.damaged"}
    with pytest.raises(InputError):
        read_image(path)


@pytest.mark.parametrize("suffix", ["wav", "mkv", "avi"])
def test_cut_riff_and_matroska(tmp_path, clip, attacks, suffix):
    whole = tmp_path / f"whole.{suffix}"
    if suffix == "wav":
        sf.write(whole, np.zeros(8000), 8000)
    elif suffix == "avi":
        write_with("mpeg4", whole)
    else:
        attacks.remux(clip, whole)
    data = whole.read_bytes()
    path = tmp_path / f"cut.{suffix}"
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        assert refusal(path).code == "input.truncated"


def claim(data: bytes, path, seconds: int, *, kinds=("moov/mvhd", "moov/trak/mdia/mdhd")) -> bytes:
    """Rewrite the running time in the headers of an MP4."""
    changed = bytearray(data)
    for box in find_boxes(path, *kinds):
        (scale,) = struct.unpack_from(">I", data, box.body + 12)
        struct.pack_into(">I", changed, box.body + 16, seconds * scale)
    return bytes(changed)


@pytest.mark.parametrize("kinds", [("moov/mvhd",), ("moov/trak/mdia/mdhd",), ("moov/mvhd", "moov/trak/mdia/mdhd")])
def test_ten_hours_in_a_header(tmp_path, clip, kinds):
    path = tmp_path / "claim.mp4"
    path.write_bytes(claim(clip.read_bytes(), clip, 36000, kinds=kinds))
    error = refusal(path)
    assert error.code == "input.too-long"
    assert "10 h 00 min" in error.found


def test_a_claim_within_the_limit_that_the_samples_do_not_hold(tmp_path, clip):
    path = tmp_path / "claim.mp4"
    path.write_bytes(claim(clip.read_bytes(), clip, 600))
    assert refusal(path).code == "input.impossible-duration"


def test_limits_on_bytes_seconds_and_pixels(clip):
    assert refusal(clip, limits=Limits(max_bytes=1000)).code == "input.too-large"
    assert refusal(clip, limits=Limits(max_seconds=1.0)).code == "input.too-long"
    assert refusal(clip, limits=Limits(max_frames=10)).code == "input.too-long"
    assert refusal(clip, limits=Limits(max_frame_pixels=1000)).code == "input.too-large"


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(60000, 60000), (2**31 - 1, 2**31 - 1), (20000, 2)])
def test_a_picture_that_claims_to_be_huge_is_refused_at_once(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(width, height))
    began = time.perf_counter()
    assert refusal(path).code == "input.too-large"
    with pytest.raises(InputError):
        read_image(path)
    assert time.perf_counter() - began < 1.0


def test_a_container_with_headers_only(tmp_path):
    path = tmp_path / "silent.wav"
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(8000)
    assert refusal(path).code in {"input.no-frames", "input.damaged"}


def test_an_mp4_whose_pictures_are_noise(tmp_path, clip):
    data = bytearray(clip.read_bytes())
    (media,) = find_boxes(clip, "mdat")
    data[media.body :] = np.random.default_rng(1).bytes(len(data) - media.body)
    path = tmp_path / "noise.mp4"
    path.write_bytes(bytes(data))
    assert refusal(path).code in {"input.no-frames", "input.damaged"}


def test_cover_art_is_no_video(tmp_path):
    cover = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(cover, "PNG")
    body = b"\x00image/png\x00\x03\x00" + cover.getvalue()
    frame = b"APIC" + struct.pack(">IH", len(body), 0) + body
    size = bytes((len(frame) >> shift) & 127 for shift in (21, 14, 7, 0))
    path = tmp_path / "song.mp3"
    sf.write(path, 0.1 * np.sin(np.arange(16000) / 5), 16000)
    path.write_bytes(b"ID3\x03\x00\x00" + size + frame + path.read_bytes())
    info = probe(path)
    assert (info.kind, info.media_type, info.width) == (MediaKind.AUDIO, "audio/mpeg", None)


def test_hash_file(tmp_path):
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert hash_file(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(InputError) as caught:
        hash_file(tmp_path / "none")
    assert caught.value.code == "input.missing"
    with pytest.raises(InputError) as caught:
        hash_file(tmp_path)
    assert caught.value.code == "input.unreadable"


@pytest.fixture(scope="session")
def victims(tmp_path_factory, make_clip, attacks):
    """One small file of each kind, for damaging."""
    folder = tmp_path_factory.mktemp("victims")
    mp4 = make_clip(folder / "a.mp4", 8, width=32, height=32)
    attacks.remux(mp4, folder / "a.mkv")
    for suffix in ("wav", "flac", "mp3", "ogg"):
        sf.write(folder / f"a.{suffix}", 0.1 * np.sin(np.arange(3000) / 5), 16000)
    noise = np.random.default_rng(5).integers(0, 255, (20, 24, 3), dtype=np.uint8)
    for suffix in ("png", "jpg", "webp", "gif", "tiff"):
        Image.fromarray(noise).save(folder / f"b.{suffix}")
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_give_an_answer_or_a_refusal(victims, tmp_path, data):
    damaged = bytearray(data.draw(st.sampled_from(victims)))
    for _ in range(data.draw(st.integers(1, 6))):
        # half of the flips hit the headers, where they hurt most
        reach = len(damaged) if data.draw(st.booleans()) else min(len(damaged), 400)
        damaged[data.draw(st.integers(0, reach - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(bytes(damaged))
    began = time.perf_counter()
    try:
        read_all(path)
    except ThsafeError as error:
        assert error.code.startswith("input.")  # noqa: PT017  # the refusal itself is what is examined
    assert time.perf_counter() - began < 10.0
