from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import pytest

from thsafe.core.errors import UsageError
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.watermark import MarkReading, PictureMarker, read_pictures, read_video
from thsafe.watermark.carriers import PLANES, SIDE, carriers, tile
from thsafe.watermark.files import completed, segments
from thsafe.watermark.payload import encode as encode_payload
from thsafe.watermark.reader import MOST_DECODES, false_id, read_runs, read_unchanged
from thsafe.watermark.residual import gathered, joined, planes_of

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
KEYS = {"current": KEY}
MARK = "0123456789abcdef"


def scene(width, height, count, seed=1, level=1.0):
    """A drifting picture with plain walls, soft shading, texture and edges."""
    rng = np.random.default_rng(seed)
    tall, wide = height + 32, width + 32
    rows, columns = np.mgrid[0:tall, 0:wide].astype(np.float32)
    base = np.stack([120 + 40 * columns / wide, 130 + 30 * rows / tall, 150 - 30 * columns / wide], axis=2)
    texture = cv2.GaussianBlur(rng.normal(0, 60, (tall, wide, 3)).astype(np.float32), (0, 0), 1.6)
    base[tall * 6 // 10 :, : wide // 2] += texture[tall * 6 // 10 :, : wide // 2]
    canvas = np.clip(base, 0, 255).astype(np.uint8)
    centre = (wide // 2, tall // 2)
    cv2.ellipse(canvas, centre, (wide // 6, tall // 4), 0, 0, 360, (140, 170, 215), -1, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.circle(canvas, (centre[0] + side * wide // 14, centre[1] - tall // 16), wide // 50, (60, 40, 40), -1)
    cv2.ellipse(canvas, (centre[0], centre[1] + tall // 9), (wide // 18, tall // 50), 0, 0, 360, (70, 60, 150), -1)
    frames = []
    for number in range(count):
        dx, dy = 16 + 8 * np.sin(number / 9), 16 + 6 * np.sin(number / 7)
        frame = cv2.warpAffine(canvas, np.array([[1, 0, -dx], [0, 1, -dy]]), (width, height))
        frames.append(np.clip(frame * level, 0, 255).astype(np.uint8))
    return frames


def marked(frames, mark_id=MARK, key=KEY, face_box=None):
    height, width = frames[0].shape[:2]
    marker = PictureMarker(key, mark_id, width=width, height=height, face_box=face_box)
    out = []
    for frame in frames:
        i420 = i420_from_bgr(frame)
        marker.apply(split_planes(i420))
        out.append(i420)
    return out


def through(pictures, crf, codec="libx264"):
    """Encode I420 pictures in memory and decode them again."""
    rows, width = pictures[0].shape
    store = io.BytesIO()
    with av.open(store, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, rows * 2 // 3, "yuv420p"
        stream.options = {"crf": str(crf), "preset": "veryfast"}
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    store.seek(0)
    with av.open(store) as container:
        return [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]


def read(pictures, keys=KEYS, **options) -> MarkReading:
    return read_pictures([split_planes(np.ascontiguousarray(picture)) for picture in pictures], keys, **options)


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


def even(frame):
    return np.ascontiguousarray(frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2])


@pytest.fixture(scope="module")
def delivered():
    """512 x 512, 3 s, as published: marked and encoded at CRF 18; BGR."""
    return [bgr_from_i420(picture) for picture in through(marked(scene(512, 512, 75)), 18)]


def attacked(frames, change, crf=28, step=2):
    return through([i420_from_bgr(change(frame)) for frame in frames[::step]], crf)


def test_the_id_comes_back_exactly_after_delivery_and_crf_28(delivered):
    reading = read(attacked(delivered, lambda frame: frame, step=1), search=False)
    assert (reading.state, reading.mark_id, reading.key_name) == ("id", MARK, "current")
    assert reading.geometry.unchanged
    assert reading.frames_read == 75
    assert reading.false_alarm <= 1e-8


def test_half_the_size_of_full_hd():
    published = through(marked(scene(1920, 1080, 12)), 18)
    small = [cv2.resize(bgr_from_i420(p), (960, 540), interpolation=cv2.INTER_AREA) for p in published]
    assert read(through([i420_from_bgr(frame) for frame in small], 28), search=False).mark_id == MARK


def crop(top, bottom, left, right):
    def change(frame):
        height, width = frame.shape[:2]
        return even(frame[int(top * height) : int(bottom * height), int(left * width) : int(right * width)])

    return change


def letterbox(frame):
    height, width = frame.shape[:2]
    small = cv2.resize(frame, (int(0.8 * width) // 2 * 2, int(0.8 * height) // 2 * 2), interpolation=cv2.INTER_AREA)
    out = np.zeros_like(frame)
    out[40 : 40 + small.shape[0], 52 : 52 + small.shape[1]] = small
    return out


def turned(degrees, zoom=1.0):
    def change(frame):
        height, width = frame.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
        return cv2.warpAffine(frame, matrix, (width, height), flags=cv2.INTER_LINEAR)

    return change


def inset(frame):
    """Half as large among other things."""
    height, width = frame.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    out = np.stack([(rows + columns) // 8 % 256, rows // 4 % 256, 90 + 0 * rows], axis=2).astype(np.uint8)
    out[16 : 16 + height // 2, 24 : 24 + width // 2] = cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=3)
    return out


def slanted(frame):
    """Sheared, squeezed and turned by up to 2 %, then zoomed."""
    height, width = frame.shape[:2]
    matrix = 1.15 * np.array([[1.02, 0.015, -0.1 * width], [-0.02, 0.985, -0.05 * height]])
    return cv2.warpAffine(frame, matrix, (width, height))


CHANGES = {
    "mild affine": (slanted, {"scale_x": 1.17}),
    "crop 10 %": (crop(0.04, 0.94, 0.07, 0.97), {"scale_x": 1 / 0.9, "dx": SIDE - 0.07 * SIDE / 0.9 * 0.9}),
    "crop 25 %": (crop(0.05, 0.80, 0.15, 0.90), {"scale_x": 1 / 0.75, "dx": SIDE * 0.85}),
    "flip": (lambda frame: np.ascontiguousarray(frame[:, ::-1]), {"flip": True}),
    "letterbox": (letterbox, {"scale_x": 0.8, "scale_y": 0.8}),
    "stretch": (lambda frame: cv2.resize(frame, (436, 512)), {"scale_x": 1.0, "scale_y": 512 / 436}),
    "a quarter turn": (lambda frame: np.ascontiguousarray(np.rot90(frame)), {"rotation": 90.0}),
    "upside down": (lambda frame: np.ascontiguousarray(np.rot90(frame, 2)), {"rotation": 180.0}),
    "tilt": (turned(2.5), {"rotation": 2.5}),
    "tilt to the limit, zoomed": (turned(-5.0, 1.12), {"rotation": -5.0, "scale_x": 1.12}),
    "9:16": (crop(0.0, 1.0, 0.2, 0.7625), {"dx": SIDE * 0.8}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_geometry_is_found_and_undone(delivered, name):
    change, expected = CHANGES[name]
    reading = read(attacked(delivered, change, step=3))
    assert reading.mark_id == MARK, reading
    for field, value in expected.items():
        found = getattr(reading.geometry, field)
        assert found == pytest.approx(value, abs={"dx": 1.5, "rotation": 0.4}.get(field, 0.02)), (field, reading)


def test_a_picture_in_a_picture_is_found_among_what_surrounds_it(delivered):
    reading = read(attacked(delivered, inset, crf=18))
    assert reading.mark_id == MARK, reading
    assert reading.geometry.scale_x == pytest.approx(0.5, abs=0.02)


def test_brightness_and_contrast(delivered):
    changed = attacked(delivered, lambda frame: cv2.convertScaleAbs(frame, alpha=0.8, beta=30))
    assert read(changed, search=False).mark_id == MARK


def test_a_changed_frame_rate_and_order_do_not_matter(delivered):
    kept = [delivered[index] for index in (60, 3, 3, 40, 12, 70, 22, 22, 51, 33, 8, 17)]
    assert read(through([i420_from_bgr(frame) for frame in kept], 26), search=False).mark_id == MARK


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".jpg", [cv2.IMWRITE_JPEG_QUALITY, 50]), (".webp", [cv2.IMWRITE_WEBP_QUALITY, 50]), (".png", [])],
)
def test_one_picture_is_enough(delivered, suffix, options):
    written, coded = cv2.imencode(suffix, delivered[30], options)
    assert written
    reading = read_pictures([cv2.imdecode(coded, cv2.IMREAD_COLOR)], KEYS)
    assert (reading.mark_id, reading.frames_read) == (MARK, 1)


def test_another_key_sees_nothing(delivered):
    reading = read_pictures(delivered[::6], {"other": OTHER}, search=False)
    assert (reading.state, reading.mark_id) == ("absent", None)


def test_a_mark_is_found_under_any_of_several_keys_when_the_picture_was_changed(delivered):
    keys = {"new": OTHER, "old": bytes(32), "oldest": KEY}
    reading = read(attacked(delivered, CHANGES["crop 25 %"][0], step=3), keys)
    assert (reading.mark_id, reading.key_name) == (MARK, "oldest")


def test_the_second_key_is_tried_too(delivered):
    reading = read_pictures(delivered[::6], {"new": OTHER, "old": KEY}, search=False)
    assert (reading.mark_id, reading.key_name) == (MARK, "old")


def test_unmarked_pictures_give_no_id_over_a_hundred_decodings():
    z = []
    for seed in range(6):
        kept = [planes_of(frame) for frame in scene(360, 288, 2, seed=seed)]
        for number in range(20):
            reading = read_pictures(kept, {"k": bytes([seed, number]) * 16}, search=False)
            assert (reading.state, reading.mark_id) == ("absent", None)
            z.append(reading.confidence)
    assert len(z) == 120


def test_a_full_search_of_an_unmarked_picture_is_absent():
    reading = read_pictures(scene(360, 288, 2), KEYS)
    assert (reading.state, reading.mark_id) == ("absent", None)


def test_a_mark_whose_id_is_lost_is_present():
    """Frames of seven marked videos: their ids cancel each other, the key's own carriers do not."""
    frames = scene(512, 512, 7)
    mixed = [marked([frame], mark_id=f"{number:02x}" * 8)[0] for number, frame in enumerate(frames, start=37)]
    reading = read(mixed, search=False)
    assert (reading.state, reading.mark_id, reading.key_name) == ("present", None, "current")
    assert reading.confidence >= 6
    assert reading.false_alarm <= 1e-9


def test_nothing_to_read_is_not_evaluated():
    assert read_pictures([], KEYS).state == "not-evaluated"
    assert read_pictures(scene(64, 64, 1), {}).state == "not-evaluated"


@pytest.mark.parametrize("size", [(360, 288), (854, 480), (270, 480), (1280, 720), (480, 854)])
def test_sizes_that_are_not_round(size):
    pictures = through(marked(scene(*size, 12)), 20)
    assert read(pictures, search=False).mark_id == MARK


def test_odd_sided_pictures_are_read():
    frame = bgr_from_i420(marked(scene(512, 512, 1))[0])
    assert read_pictures([cv2.resize(frame, (501, 501), interpolation=cv2.INTER_AREA)], KEYS).mark_id == MARK


@pytest.mark.parametrize(
    "frames",
    [scene(512, 512, 1), scene(512, 512, 1, level=0.12), scene(1280, 720, 1), scene(270, 480, 1)],
    ids=["bright", "dark", "hd", "small"],
)
def test_picture_quality_over_all_colours(frames):
    after = bgr_from_i420(marked(frames)[0])
    assert psnr(bgr_from_i420(i420_from_bgr(frames[0])), after) >= 40.7


@pytest.mark.parametrize(("side", "grain"), [(256, 0), (512, 0), (512, 1.2)])  # the grain of a camera is no texture
@pytest.mark.parametrize("grey", [8, 60, 128, 150, 200, 235, 250])
def test_plain_surfaces_stay_plain(grey, side, grain):
    noise = np.random.default_rng(9).normal(0, grain, (side, side, 1))
    before = i420_from_bgr(np.clip(np.full((side, side, 3), grey) + noise, 0, 255).astype(np.uint8))
    after = before.copy()
    marker = PictureMarker(KEY, MARK, width=side, height=side)
    marker.apply(split_planes(after))
    for old, new, limit in zip(split_planes(before), split_planes(after), (0.8, 1.3, 1.1), strict=True):
        assert np.sqrt(np.mean((new.astype(float) - old) ** 2)) <= limit
    assert psnr(bgr_from_i420(before), bgr_from_i420(after)) >= 41


def test_the_face_is_marked_more_gently():
    frame = np.full((512, 512, 3), 150, dtype=np.uint8)
    plain = i420_from_bgr(frame)
    bare, gentle = (marked([frame], face_box=box)[0].astype(float) - plain for box in (None, (0.3, 0.3, 0.7, 0.7)))
    assert gentle[206:306, 206:306].std() < 0.9 * bare[206:306, 206:306].std()
    assert (gentle[:100] == bare[:100]).all()


def test_a_cut_gets_a_new_mask_at_once_and_drift_does_not(monkeypatch):
    """A drifting picture must not pay for a mask per frame; 13 ms each at full HD."""
    made = []
    adapt = PictureMarker._adapt
    monkeypatch.setattr(PictureMarker, "_adapt", lambda self, planes: made.append(0) or adapt(self, planes))
    marker = PictureMarker(KEY, MARK, width=128, height=128)
    for number in range(20):
        marker.apply(split_planes(i420_from_bgr(np.full((128, 128, 3), 60 + 2 * number, dtype=np.uint8))))
    assert 2 <= len(made) <= 6
    count = len(made)
    marker.apply(split_planes(i420_from_bgr(np.full((128, 128, 3), 10, dtype=np.uint8))))
    assert len(made) == count + 1


def test_the_pattern_stands_still():
    frames = scene(256, 256, 3)
    changes = [after.astype(int) - i420_from_bgr(frame) for after, frame in zip(marked(frames), frames, strict=True)]
    inner = [np.clip(change, -9, 9) for change in changes]
    assert all((a == b).mean() > 0.999 for a, b in pairwise(inner))


def test_marking_is_deterministic_and_differs_by_id_and_key():
    frames = scene(128, 128, 1)
    first = marked(frames)[0]
    assert (first == marked(frames)[0]).all()
    assert (first != marked(frames, mark_id="f" * 16)[0]).any()
    assert (first != marked(frames, key=OTHER)[0]).any()


def test_planes_and_keys_have_carriers_of_their_own():
    code = encode_payload(KEY, MARK)
    tiles = [tile(KEY, plane, code) for plane in PLANES] + [tile(OTHER, "y", code)]
    for number, one in enumerate(tiles):
        assert one.shape == (SIDE, SIDE)
        assert one.std() == pytest.approx(1, abs=1e-3)
        for other in tiles[:number]:
            assert abs(float(np.mean(one * other))) < 0.12
    part = carriers(KEY, "y")
    assert set(np.unique(part.bit)) == set(range(-1, 512))


def test_the_tile_does_not_repeat_along_the_short_side():
    """Folding a picture onto itself without the key must not lift the pattern (Kutter et al. 2000)."""
    pattern = tile(KEY, "y", encode_payload(KEY, MARK))
    half = SIDE // 2
    for part in (pattern[:half, :half], pattern[:half, half:], pattern[half:, :half]):
        assert abs(float(np.mean(part * pattern[half:, half:]))) < 0.06


def test_folding_without_the_key_adds_nothing():
    """What lifted marks with a short period in one line must do worse here than the mean of the frames by itself."""
    width, height = 1280, 720
    frames = [split_planes(picture) for picture in marked(scene(width, height, 6))]
    copies = [i420_from_bgr(scene(width, height, 1, seed=8)[0]) for _ in range(2)]
    targets = [split_planes(copy) for copy in copies]
    for planes, plain, other in zip(zip(*frames, strict=True), *targets, strict=True):
        rest = np.mean([plane - cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 4.0) for plane in planes], axis=0)
        rows, columns = plain.shape
        side = rows // 2
        tiles = [rest[y : y + side, x : x + side] for y in (0, side) for x in range(0, columns - side, side)]
        folded = np.tile(np.mean(tiles, axis=0), (2, -(-columns // side)))[:rows, :columns]
        for plane, lifted in ((plain, rest), (other, folded)):
            plane[...] = np.clip(np.rint(plane + lifted), 0, 255).astype(np.uint8)
    averaged, folded_once = (read([copy], search=False) for copy in copies)
    assert averaged.mark_id == MARK  # no key stops this copy: the manifest's fingerprint does
    assert folded_once.confidence < averaged.confidence / 2


def test_segments_show_a_splice(delivered):
    other = "fedcba9876543210"
    second = [bgr_from_i420(picture) for picture in through(marked(scene(512, 512, 24, seed=5), mark_id=other), 20)]
    kept = [planes_of(frame) for frame in (*delivered[:24], *second)]
    found = segments(kept, [n / 25 for n in range(48)], 48 / 25, KEYS)
    assert [segment.mark_id for segment in found] == [MARK, other]
    assert found[0].end == found[1].start == pytest.approx(24 / 25)
    assert found[-1].end == pytest.approx(48 / 25)


def test_the_bound_on_false_ids():
    assert false_id(MOST_DECODES) < 1e-7


def test_segments_are_read_under_the_geometry_that_was_found(delivered):
    """A splice that was then mirrored and cut at the side."""
    other = "fedcba9876543210"
    second = [bgr_from_i420(picture) for picture in through(marked(scene(512, 512, 24, seed=5), mark_id=other), 20)]
    film = [np.ascontiguousarray(frame[:, -41::-1]) for frame in (*delivered[:36], *second[:12])]
    reading = read_pictures(film, KEYS)
    assert (reading.mark_id, reading.geometry.flip) == (MARK, True)
    found = segments([planes_of(frame) for frame in film], [n / 25 for n in range(48)], 48 / 25, KEYS, reading.geometry)
    assert [segment.mark_id for segment in found] == [MARK, other]
    assert found[0].end == pytest.approx(36 / 25)


def test_a_mark_that_motion_smears_is_read_from_the_clear_pictures(delivered):
    """Two pictures as published among thirty in which the mark was dragged aside."""
    dragged = [np.roll(frame, (9 + number % 3, 7 + number % 5), axis=(0, 1)) for number, frame in enumerate(delivered)]
    film = through([i420_from_bgr(frame) for frame in (*delivered[:2], *dragged[:30])], 26)
    runs = gathered([split_planes(picture) for picture in film], 32)
    whole = joined(runs)
    assert whole is not None
    assert read_unchanged(whole, KEYS).mark_id is None
    assert read_runs(runs, KEYS).mark_id == MARK


def test_a_long_weak_video_is_read_from_more_pictures(tmp_path):
    """Ten seconds at a quality at which the sampled pictures do not give the id."""
    path = tmp_path / "weak.mp4"
    frames = [frame for seed in range(5) for frame in scene(256, 256, 60, seed=seed)]
    pictures = marked(frames)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        stream.options = {"crf": "26", "g": "25", "preset": "veryfast"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))
    weak = MarkReading(state="present", key_name="current", confidence=6.5, frames_read=4)
    sampled = [(0.0, frames[0]), (1.0, frames[25])]
    more = completed(weak, path, sampled, KEYS)
    assert (more.mark_id, more.frames_read) == (MARK, 150)


def film(path, pictures, rate):
    """Frames that may be hours apart."""
    rows, width = pictures[0].shape
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, rows * 2 // 3, "yuv420p"
        stream.options = {"crf": "26", "preset": "ultrafast", "g": "100"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))


def test_two_hours_are_sampled_and_a_splice_in_the_middle_shows(tmp_path):
    """Half of it is another output's: all samples together give no id, the parts do."""
    other = "fedcba9876543210"
    first = [picture for picture in marked(scene(256, 256, 6)) for _ in range(75)]
    second = [picture for picture in marked(scene(256, 256, 6, seed=5), mark_id=other) for _ in range(75)]
    path = tmp_path / "long.mp4"
    film(path, [*first, *second], Fraction(1, 8))
    reading = read_video(path, KEYS)
    assert (reading.state, reading.frames_read) == ("id", 48)
    assert reading.mark_id in {MARK, other}
    assert reading.false_alarm <= 1e-7
    assert [segment.mark_id for segment in reading.segments if segment.mark_id] == [MARK, other]
    assert reading.segments[0].start == 0
    assert reading.segments[-1].end == pytest.approx(7200, rel=0.01)
    turn = next(segment.start for segment in reading.segments if segment.mark_id == other)
    assert turn == pytest.approx(3600, rel=0.2)


def test_a_marked_hour_and_an_unmarked_one(tmp_path):
    half = [picture for picture in marked(scene(256, 256, 6)) for _ in range(40)]
    rest = [i420_from_bgr(frame) for frame in scene(256, 256, 6, seed=7) for _ in range(40)]
    path = tmp_path / "half.mp4"
    film(path, [*half, *rest], Fraction(1, 15))
    reading = read_video(path, KEYS)
    assert reading.mark_id == MARK
    assert [segment.mark_id for segment in reading.segments] == [MARK, None]
    assert reading.segments[0].end == pytest.approx(3600, rel=0.15)


def test_wrong_sizes_are_refused():
    with pytest.raises(UsageError) as odd:
        PictureMarker(KEY, MARK, width=101, height=100)
    assert odd.value.code == "watermark.size"
    marker = PictureMarker(KEY, MARK, width=64, height=64)
    with pytest.raises(UsageError) as other:
        marker.apply(split_planes(i420_from_bgr(np.zeros((32, 32, 3), dtype=np.uint8))))
    assert other.value.code == "watermark.size"


@pytest.mark.shared
def test_real_talkers_at_their_own_size(shared_data):
    """GRID talkers, 360 x 288: delivery at CRF 18, then CRF 28."""
    from thsafe.media.decode import VideoReader

    with VideoReader(min((shared_data / "grid").glob("*.mpg"))) as video:
        frames = [frame for _, frame in video.iter_bgr()][:60]
    published = through(marked(frames), 18)
    assert psnr(bgr_from_i420(i420_from_bgr(frames[0])), bgr_from_i420(marked(frames[:1])[0])) >= 40.7
    assert read(through(published, 28), search=False).mark_id == MARK
    assert read_pictures(frames, KEYS, search=False).state == "absent"


def test_reading_a_file(tmp_path):
    path = tmp_path / "clip.mp4"
    pictures = marked(scene(320, 240, 30))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = 320, 240, "yuv420p", {"crf": "20"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode(None))
    reading = read_video(path, KEYS, max_frames=12)
    assert (reading.mark_id, reading.frames_read) == (MARK, 12)
    assert [segment.mark_id for segment in reading.segments] == [MARK]
    still = tmp_path / "grab.png"
    cv2.imwrite(str(still), bgr_from_i420(pictures[3]))
    assert read_video(still, KEYS).mark_id == MARK
