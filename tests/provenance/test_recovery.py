"""Credentials found again after platforms strip them, and watermarks moved to where they do not belong."""

import dataclasses
import shutil

import av
import cv2
import numpy as np
import pytest

from thsafe.core.errors import InputError
from thsafe.core.types import Task
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.provenance.essence import essence_of
from thsafe.provenance.fingerprint import MAX_FRAMES, distance, fingerprint
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.manifest import Ingredient
from thsafe.provenance.read import read_credentials
from thsafe.provenance.recover import Bindings, judge_recovery, names_watermark
from thsafe.provenance.sign import sign

from .conftest import SIZE, facts, frames_of, picture, remux, write_clip
from .test_soundprint import melody, printed

ID = "0123456789abcdef"


def measure(path, watermark=ID):
    return Bindings(essence=essence_of(path).digest, fingerprint=fingerprint(frames_of(path)), watermark_id=watermark)


@pytest.fixture(scope="module")
def published(tmp_path_factory, clip, ring):
    """A signed file with its fingerprint in the manifest; what the store keeps of it."""
    target = tmp_path_factory.mktemp("published") / "out.mp4"
    mark = fingerprint(frames_of(clip))
    made = sign(clip, target, facts=facts(fingerprint=mark), ring=ring)
    return target, made, measure(target)


def judge(published, suspect, trust, **changes):
    _, made, stored = published
    found = read_credentials(suspect, trust=trust, manifest_bytes=made.manifest_bytes)
    return judge_recovery(stored, dataclasses.replace(measure(suspect), **changes), found)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("x.mp4", {}),
        ("x.mp4", {"movflags": "+faststart"}),
        ("x.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("x.mov", {}),
        ("x.mkv", {}),
    ],
)
def test_remux_is_identical(published, trust, tmp_path, name, options):
    suspect = remux(published[0], tmp_path / name, **options)
    assert essence_of(suspect).digest == published[2].essence
    recovered = judge(published, suspect, trust)
    assert recovered.state is Ladder.RECOVERED_IDENTICAL


def test_transport_stream_has_the_same_essence(published, tmp_path):
    there = remux(published[0], tmp_path / "x.ts")
    assert essence_of(there) == essence_of(published[0])
    assert essence_of(remux(there, tmp_path / "back.mp4")) == essence_of(published[0])


def test_re_encoded_is_similar(published, trust, tmp_path):
    suspect = tmp_path / "x.mp4"
    with av.open(str(suspect), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"crf": "38"})
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        for _, image in frames_of(published[0], lambda image: cv2.resize(image, (160, 120))):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(video.encode())
    recovered = judge(published, suspect, trust)
    assert recovered.state is Ladder.RECOVERED_SIMILAR
    assert recovered.match.share == 1.0


def test_other_sound_under_the_same_pictures_is_said(published, trust, tmp_path):
    """The pictures decide, and the reader learns that the words may be somebody else's."""
    _, made, stored = published
    ours, theirs = printed(melody(1)), printed(melody(2))
    suspect = write_clip(tmp_path / "x.mp4", crf=30)
    found = read_credentials(suspect, trust=trust, manifest_bytes=made.manifest_bytes)
    stored = dataclasses.replace(stored, soundprint=ours)
    for sound, replaced in ((ours, False), (theirs, True), (None, False)):
        recovered = judge_recovery(stored, dataclasses.replace(measure(suspect), soundprint=sound), found)
        assert recovered.state is Ladder.RECOVERED_SIMILAR
        assert ("the sound is not the one" in recovered.reasons[0]) is replaced


def test_moved_watermark_is_a_conflict(published, trust, tmp_path):
    other = write_clip(tmp_path / "other.mp4", seed=9)
    recovered = judge(published, other, trust)
    assert recovered.state is Ladder.RECOVERED_CONFLICT
    assert recovered.match.share == 0.0


def test_store_that_answers_with_another_manifest_is_a_conflict(published, trust, tmp_path):
    suspect = remux(published[0], tmp_path / "x.mp4")
    assert judge(published, suspect, trust, watermark_id="f" * 16).state is Ladder.RECOVERED_CONFLICT


def test_signed_fingerprint_outweighs_the_stores_own(published, trust, tmp_path):
    other = write_clip(tmp_path / "other.mp4", seed=9)
    _, made, stored = published
    forged = dataclasses.replace(stored, fingerprint=fingerprint(frames_of(other)))
    found = read_credentials(other, trust=trust, manifest_bytes=made.manifest_bytes)
    assert judge_recovery(forged, measure(other), found).state is Ladder.RECOVERED_CONFLICT


def test_damaged_stored_manifest(published, trust, tmp_path):
    path, made, stored = published
    suspect = remux(path, tmp_path / "x.mp4")
    data = bytearray(made.manifest_bytes)
    data[data.index(b"trainedAlgorithmicMedia")] ^= 1
    found = read_credentials(suspect, trust=trust, manifest_bytes=bytes(data))
    assert judge_recovery(stored, measure(suspect), found).state is Ladder.BROKEN


def test_signed_anew_by_a_stranger(published, trust, tmp_path):
    """Somebody strips our credentials and signs the marked picture as a camera's, with and without its history."""
    stranger = KeyRing.create(Home(tmp_path / "stranger"))
    stripped = remux(published[0], tmp_path / "stripped.mp4")
    mine = facts(digital_source_type="digitalCapture", watermark_id=None, label_texts=())
    sign(stripped, tmp_path / "theirs.mp4", facts=mine, ring=stranger)
    found = read_credentials(tmp_path / "theirs.mp4", trust=trust)
    assert found.state is Ladder.INTACT_UNKNOWN_SIGNER
    assert not names_watermark(found, ID)

    parent = Ingredient(path=published[0], relationship="parentOf", title="footage", media_type="video/mp4")
    honest = facts(task=Task.LIPSYNC, watermark_id=None)
    sign(published[0], tmp_path / "honest.mp4", facts=honest, ingredients=(parent,), ring=stranger)
    assert names_watermark(read_credentials(tmp_path / "honest.mp4", trust=trust), ID)
    assert not names_watermark(read_credentials(stripped, trust=trust), ID)


def test_watermark_alone_proves_nothing(signed, trust, tmp_path):
    suspect = write_clip(tmp_path / "x.mp4", seed=9)
    found = read_credentials(suspect, trust=trust, manifest_bytes=signed[1].manifest_bytes)
    bare = Bindings(essence=None, fingerprint=None)
    assert judge_recovery(bare, measure(suspect), found).state is Ladder.NOT_EVALUATED
    flat = fingerprint([(0.0, np.full((64, 64, 3), 90, np.uint8))])
    stored = Bindings(essence="0" * 64, fingerprint=flat)
    assert judge_recovery(stored, measure(suspect), found).state is Ladder.NOT_EVALUATED


def test_manifest_kept_apart_from_an_unchanged_file(published, trust, tmp_path):
    copy = tmp_path / "x.mp4"
    shutil.copyfile(published[0], copy)
    assert judge(published, copy, trust).state is Ladder.INTACT_DEVELOPMENT


def test_other_codecs_survive_a_remux_too(tmp_path):
    if "libx265" not in av.codecs_available:
        pytest.skip("no H.265 encoder in this build")
    source = write_clip(tmp_path / "x.mp4", codec="libx265", frames=6)
    there = remux(source, tmp_path / "x.ts")
    assert essence_of(there) == essence_of(source)
    assert essence_of(remux(source, tmp_path / "x.mkv")) == essence_of(source)


def test_one_changed_packet_changes_the_essence(clip, tmp_path):
    changed = write_clip(tmp_path / "x.mp4", frames=29)
    assert essence_of(changed).digest != essence_of(clip).digest
    silent = write_clip(tmp_path / "y.mp4", sound=None)
    assert essence_of(silent).digest != essence_of(clip).digest
    assert essence_of(silent).tracks[0].kind == "video"


def test_essence_of_what_is_no_media(tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"nothing" * 50)
    with pytest.raises(InputError):
        essence_of(path)


def cut(share):
    def change(image):
        height, width = image.shape[:2]
        down, across = round(height * (1 - share) / 2), round(width * (1 - share) / 2)
        return image[down : height - down, across : width - across]

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: image[:, ::-1],
        cut(0.9),
        cut(0.75),
        cut(0.95),
        cut(0.85),
        lambda image: cv2.copyMakeBorder(image, 40, 40, 0, 0, cv2.BORDER_CONSTANT),
        lambda image: cut(0.9)(image)[:, ::-1],
        lambda image: image[:, 92:227],
        lambda image: cv2.resize(image, None, fx=0.33, fy=0.33, interpolation=cv2.INTER_AREA),
        lambda image: np.clip(image * 1.2 + 10.0, 0, 255).astype(np.uint8),
        lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 15])[1], 1),
    ],
    ids=[
        "same",
        "mirrored",
        "crop 10 %",
        "crop 25 %",
        "crop 5 %",
        "crop 15 %",
        "letterbox",
        "mirrored crop",
        "upright",
        "third",
        "brighter",
        "jpeg 15",
    ],
)
def test_fingerprint_survives(clip, change):
    known = fingerprint(frames_of(clip))
    assert distance(known, fingerprint(frames_of(clip, change))).same
    # The other way round too: what was published may itself be the cropped one.
    assert distance(fingerprint(frames_of(clip, change)), known).same


def test_fingerprint_tells_clips_apart(clip):
    known = fingerprint(frames_of(clip))
    for seed in range(10, 30):
        match = distance(known, fingerprint([(0.0, picture(seed))]))
        assert match.median > 60
        assert not match.same


def test_rounded_times_lose_no_frames():
    frames = [(second + (0.0, -0.001)[second % 2], picture(second)) for second in range(10)]
    text = fingerprint(frames)
    assert distance(text, text).frames == 10


def test_fingerprint_is_bounded():
    random = np.random.default_rng(5)
    frames = ((second * 1.0, random.integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8)) for second in range(130))
    text = fingerprint(frames)
    assert distance(text, text).frames <= MAX_FRAMES
    assert len(text) < 21_000


@pytest.mark.parametrize("text", ["", "!", "AAAA", "VEYBAA=="])
def test_not_a_fingerprint(clip, text):
    with pytest.raises(ValueError, match="fingerprint"):
        distance(fingerprint(frames_of(clip)), text)
