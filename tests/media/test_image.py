"""Still pictures: as people see them, whatever the file does inside."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from thsafe.core.errors import InputError, StoreError
from thsafe.media.image import encode_jpeg, read_image, write_png
from thsafe.media.probe import probe

RED, GREEN, BLUE = (250, 10, 20), (15, 240, 30), (5, 25, 245)


def quarters() -> np.ndarray:
    """RGB, 8 x 6: red top left, green top right, blue below."""
    picture = np.zeros((6, 8, 3), np.uint8)
    picture[:3, :4], picture[:3, 4:], picture[3:] = RED, GREEN, BLUE
    return picture


def test_channel_order_is_bgr(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(quarters()).save(path)
    frame = read_image(path)
    assert frame.shape == (6, 8, 3)
    assert frame.dtype == np.uint8
    assert tuple(frame[0, 0]) == RED[::-1]
    assert tuple(frame[5, 0]) == BLUE[::-1]
    assert frame.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = quarters()
    undo = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.png"
    Image.fromarray(np.ascontiguousarray(undo(upright))).save(path, exif=exif)
    assert np.array_equal(read_image(path)[..., ::-1], upright)
    info = probe(path)
    assert (info.width, info.height) == (8, 6)


def test_transparency_lies_over_grey(tmp_path):
    picture = np.zeros((4, 4, 4), np.uint8)
    picture[:2] = (255, 255, 255, 255)
    picture[2:] = (255, 255, 255, 0)
    path = tmp_path / "a.png"
    Image.fromarray(picture).save(path)
    frame = read_image(path)
    assert (frame[0] == 255).all()
    assert (frame[3] == 128).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_becomes_three_bytes_per_pixel(tmp_path, mode):
    grey = np.tile(np.linspace(0, 255, 16, dtype=np.uint8), (8, 1))
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "I":
        picture = Image.fromarray(grey.astype(np.int32) * 257)
    elif mode == "F":
        picture = Image.fromarray(grey.astype(np.float32) / 255)
    else:
        picture = Image.fromarray(grey).convert(mode)
    path = tmp_path / "a.tiff"
    picture.save(path)
    frame = read_image(path)
    assert frame.shape == (8, 16, 3)
    assert frame[0, 0].max() <= 3
    assert frame[0, 15].min() >= 252
    if mode != "1":
        assert np.abs(frame.astype(int) - grey[..., None].astype(int)).max() <= 4


def test_sixteen_bits_are_scaled_not_cut(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)).save(path)
    assert read_image(path)[0, :, 0].tolist() == pytest.approx([0, 128, 255], abs=1)


def test_palette_with_a_transparent_entry(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    path = tmp_path / "a.png"
    picture.save(path, transparency=1)
    frame = read_image(path)
    assert tuple(frame[0, 0]) == (0, 0, 255)
    assert tuple(frame[0, 1]) == (128, 128, 128)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_picture(tmp_path, suffix):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"a.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
    b, g, r = read_image(path)[4, 4]
    assert r > 200
    assert max(b, g) < 40


def test_sound_and_video_are_refused(clip):
    with pytest.raises(InputError) as caught:
        read_image(clip)
    assert caught.value.code == "input.not-image"


def test_jpeg_bytes():
    frame = np.ascontiguousarray(np.kron(quarters()[..., ::-1], np.ones((8, 8, 1), np.uint8)))
    decoded = np.asarray(Image.open(io.BytesIO(encode_jpeg(frame, 95))))[..., ::-1]
    assert np.abs(decoded.astype(int) - frame).mean() < 2
    assert len(encode_jpeg(frame, 30)) < len(encode_jpeg(frame, 95))


def test_png_is_lossless_and_whole(tmp_path):
    path = tmp_path / "a.png"
    frame = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    write_png(path, frame)
    assert np.array_equal(read_image(path), frame)
    assert list(tmp_path.iterdir()) == [path]


def test_a_png_that_cannot_be_written(tmp_path):
    with pytest.raises(StoreError) as caught:
        write_png(tmp_path / "no" / "a.png", np.zeros((2, 2, 3), np.uint8))
    assert caught.value.code == "store.unwritable"


@pytest.mark.shared
def test_real_pictures(shared_data):
    for path in sorted(shared_data.glob("portraits/*.[jp][pn]g")):
        frame = read_image(path)
        info = probe(path)
        assert frame.shape == (info.height, info.width, 3)
        assert 20 < frame.mean() < 235
