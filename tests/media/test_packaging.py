"""How a file was put together: told as it is, from hostile files too."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from thsafe.media.packaging import read_packaging


def film(path: Path, *, keys: set[int], gone: range = range(0), count: int = 60) -> Path:
    """Small pictures with key frames where asked for and frames left out."""
    noise = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25, options={"g": "1000", "bf": "0", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(count):
            if number in gone:
                continue
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=1), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            if number in keys:
                frame.pict_type = av.video.frame.PictureType.I
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def test_boxes_notes_rhythm_and_seams(tmp_path: Path) -> None:
    found = read_packaging(film(tmp_path / "a.mp4", keys={0, 10, 20, 27, 37, 47, 57}, gone=range(40, 45)))
    assert "ftyp" in found.boxes
    assert "moov" in found.boxes
    assert found.brands.startswith("isom")
    assert any(note.startswith("x264 - core") for note in found.encoder_notes)
    assert found.key_frame_seconds == pytest.approx(0.4)
    assert found.off_beat == pytest.approx((1.08,), abs=0.01)
    assert len(found.held) == 1
    assert found.held[0] == pytest.approx((39 / 25, 45 / 25), abs=0.01)
    assert found.facts()["frames missing (s)"] == ["1.56-1.80"]


def test_what_is_not_there_is_not_told(tmp_path: Path) -> None:
    found = read_packaging(film(tmp_path / "a.mkv", keys={0}))
    assert (found.boxes, found.key_frame_seconds, found.off_beat, found.held) == ((), None, (), ())
    assert "boxes" not in found.facts()


def test_a_file_cut_off_or_spoilt_does_not_crash(tmp_path: Path) -> None:
    data = bytearray(film(tmp_path / "a.mp4", keys={0, 20, 40}).read_bytes())
    random = np.random.default_rng(7)
    for place in random.integers(200, len(data), 40):
        data[place] ^= 0xFF
    spoilt = tmp_path / "b.mp4"
    spoilt.write_bytes(data)
    from thsafe.core.errors import InputError

    try:
        found = read_packaging(spoilt)
    except InputError:
        return
    assert all(note.isprintable() for note in found.encoder_notes)
