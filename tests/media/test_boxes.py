"""The box walker: whole files, lying sizes, metadata keys."""

from __future__ import annotations

import io
import itertools
import struct

from hypothesis import given
from hypothesis import strategies as st

from thsafe.media.boxes import MAX_BOXES, MAX_DEPTH, read_keys, walk_boxes


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def walk(data: bytes):
    return list(walk_boxes(io.BytesIO(data)))


def test_a_real_file_is_covered_without_gaps(clip):
    boxes = walk(clip.read_bytes())
    top = [b for b in boxes if "/" not in b.path]
    assert [b.kind for b in top] == ["ftyp", "moov", "free", "mdat"]
    assert top[0].offset == 0
    assert all(a.end == b.offset for a, b in itertools.pairwise(top))
    assert top[-1].end == clip.stat().st_size
    assert sum(b.path == "moov/trak/mdia/minf/stbl/stsz" for b in boxes) == 2
    assert not any(b.cut for b in boxes)


def test_parents_come_before_children_and_hold_them():
    data = box(b"moov", box(b"trak", box(b"mdia", box(b"mdhd", b"12345678"))) + box(b"udta"))
    boxes = walk(data)
    assert [b.path for b in boxes] == ["moov", "moov/trak", "moov/trak/mdia", "moov/trak/mdia/mdhd", "moov/udta"]
    assert boxes[3].body == 32
    assert boxes[3].end == 40


def test_sizes_of_64_bits_and_open_ends():
    long = struct.pack(">I4sQ", 1, b"mdat", 16 + 5) + b"abcde"
    rest = struct.pack(">I4s", 0, b"free") + b"xyz"
    boxes = walk(long + rest)
    assert [(b.kind, b.header, b.size, b.cut) for b in boxes] == [("mdat", 16, 21, False), ("free", 8, 11, False)]


def test_a_size_past_the_end_is_cut_to_what_is_there():
    boxes = walk(box(b"ftyp", b"isom") + struct.pack(">I4s", 1_000_000, b"mdat") + b"only this")
    assert boxes[-1].cut
    assert boxes[-1].size == 17


def test_a_child_cannot_leave_its_parent():
    inner = struct.pack(">I4s", 500, b"trak") + b"short"
    boxes = walk(box(b"moov", inner) + box(b"free", bytes(600)))
    assert [(b.path, b.cut) for b in boxes] == [("moov", False), ("moov/trak", True), ("free", False)]


def test_sizes_smaller_than_a_header_end_the_walk():
    for size in (2, 7):
        boxes = walk(struct.pack(">I4s", size, b"moov") + bytes(64))
        assert len(boxes) == 1
        assert boxes[0].cut


def test_depth_and_number_are_bounded():
    data = b""
    for _ in range(200):
        data = box(b"moov", data)
    assert max(b.path.count("/") for b in walk(data)) == MAX_DEPTH
    assert len(walk(box(b"free") * (MAX_BOXES + 100))) == MAX_BOXES


@given(st.binary(max_size=400))
def test_any_bytes_are_walked_without_error(data):
    for b in walk(data):
        assert 0 <= b.offset <= b.body <= b.end <= len(data)


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([b"moov", b"udta", b"meta", b"trak"])), max_size=20)
)
def test_claimed_sizes_never_reach_outside(claims):
    data = b"".join(struct.pack(">I4s", size, kind) for size, kind in claims)
    for b in walk(data):
        assert b.end <= len(data)


def test_metadata_keys_are_read_back(tmp_path, make_clip):
    aigc = '{"Label":"1","ContentProducer":"Studio","ProduceID":"abc","ReservedCode1":""}'
    path = make_clip(tmp_path / "a.mp4", 3, metadata={"AIGC": aigc, "comment": "zwei Wörter"})
    keys = read_keys(path)
    assert keys["AIGC"] == aigc
    assert keys["comment"] == "zwei Wörter"
    paths = [b.path for b in walk(path.read_bytes()) if b.path.startswith("moov/udta/meta")]
    assert paths == ["moov/udta/meta", "moov/udta/meta/hdlr", "moov/udta/meta/keys", "moov/udta/meta/ilst"]


def test_damaged_keys_give_what_can_be_read(tmp_path, make_clip):
    path = make_clip(tmp_path / "a.mp4", 3, metadata={"AIGC": "x"})
    data = bytearray(path.read_bytes())
    at = next(b for b in walk(bytes(data)) if b.path == "moov/udta/meta/ilst").body
    data[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))
    assert read_keys(path) == {}
