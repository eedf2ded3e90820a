"""New speech for footage: the new mouth moves with it, the old one leaves no trace, all else stays as it is."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from generators.embedded import dub
from generators.embedded.engine import render_lipsync
from generators.embedded.filmed import Film, watch
from generators.embedded.performance import Performance
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.puppet import Puppet, frame_portrait
from generators.embedded.quality import agreement, look_at
from generators.embedded.soundtrack import Recorded
from generators.embedded.visemes import posteriors
from generators.speech.espeak import Phone
from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import MediaKind, MediaRef, Request, Silent, Task
from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr

JAW = CHANNELS.index("jaw")


def speech(sounds: str, seed: int) -> list[Pose]:
    phones = [Phone(start=0.2 + 0.14 * n, end=0.34 + 0.14 * n, ipa=ipa) for n, ipa in enumerate(sounds.split())]
    seconds = phones[-1].end + 0.3
    level = np.full(round(seconds * 100), 0.6, np.float32)
    table = posteriors(phones, seconds=seconds)
    return list(Performance([table], level, fps=Fraction(25), frames=round(seconds * 25), seed=seed))


OLD = speech("m ɑ m a b ɛ s t f ɑ v o p i k u l", 3)
NEW = speech("u u p f s s m m ɑ ɑ ɑ b b i p ɑ m", 5)


def puppet(name: str) -> Puppet:
    from generators.embedded import cast

    drawn = cast.draw(cast.CAST[name], size=512)
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=288)
    return Puppet(framed.picture, framed.landmarks)


def write(path: Path, frames: list[np.ndarray], fps: int = 25) -> Path:
    height, width = frames[0].shape[:2]
    with Mp4Writer(path, width=width, height=height, fps=Fraction(fps), sample_rate=48000, channels=1) as writer:
        for frame in frames:
            writer.write_picture(i420_from_bgr(frame))
            writer.write_sound(np.full((48000 // fps, 1), 0.1, np.float32))
    return path


@pytest.fixture(scope="module")
def two() -> tuple[Puppet, Puppet]:
    from generators.embedded.cast import CAST

    return puppet("ada"), puppet(list(CAST)[3])


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, two: tuple[Puppet, Puppet]) -> Film:
    """Ada speaks; ten frames of an empty room; somebody else speaks."""
    first = [two[0].render(pose) for pose in OLD[:45]]
    second = [two[1].render(pose) for pose in OLD[:20]]
    room = np.full_like(first[0], 70)
    path = write(tmp_path_factory.mktemp("dub") / "film.mp4", [*first, *[room] * 10, *second])
    return watch(path, Silent(), max_faces=2)


def test_cuts_and_people_are_told_apart(film: Film) -> None:
    assert len(film.times) == 75
    assert np.flatnonzero(np.diff(film.scenes)).tolist() == [44, 54]
    assert film.person(1).frames >= 43
    assert all(film.person(1).marks[frame] is None for frame in range(46, 54))


def test_the_new_mouth_moves_and_the_rest_stays(film: Film) -> None:
    before = [frame for _, frame in dub.pictures(film, range(75))]
    after = list(dub.Dub(film, film.person(1)).frames(range(75), iter(NEW[:70] + OLD[:5])))
    wanted = np.array([pose.channel("jaw") + pose.channel("uraise") + pose.channel("ldrop") for pose in NEW[:44]])
    old, seen = look_at(before[:44]), look_at(after[:44])
    assert seen.missed == 0
    assert agreement(wanted, seen.opening)[0] > 0.9
    # what the new mouth does not explain must not follow the old one
    line = np.polyfit(wanted, seen.opening, 1)
    assert abs(np.corrcoef(seen.opening - np.polyval(line, wanted), old.opening)[0, 1]) < 0.35
    for frame in range(46, 54):
        assert np.array_equal(after[frame], before[frame])
    marks = film.person(1).marks[20]
    assert marks is not None
    above = int(marks[4, 1])  # the tip of the nose
    for frame in (5, 20, 40):
        assert np.array_equal(after[frame][:above], before[frame][:above])
        assert not np.array_equal(after[frame][above:], before[frame][above:])


def test_a_person_of_another_shot_stays_as_she_was(film: Film) -> None:
    whole = [frame for _, frame in dub.pictures(film, range(75))]
    assert len(film.people) == 2
    assert film.person(1).marks[60] is None
    after = list(dub.Dub(film, film.person(1)).frames(range(55, 75), iter(NEW)))
    assert all(np.array_equal(a, b) for a, b in zip(after, whole[55:], strict=True))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("loop", [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]),
        ("bounce", [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]),
        ("remap", [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]),
        ("silence", [0, 1, 2, 3, 3, 3, 3, 3, 3, 3]),
    ],
)
def test_orders(mode: str, expected: list[int]) -> None:
    assert list(dub.order(mode, 4, 10)) == expected
    assert list(dub.order(mode, 1, 3)) == [0, 0, 0]


def test_lengths() -> None:
    assert [dub.output_length(mode, 4, 10) for mode in dub.SYNC_MODES] == [10, 10, 4, 10, 10]
    assert [dub.output_length(mode, 10, 4) for mode in dub.SYNC_MODES] == [4, 4, 4, 10, 4]


def test_pictures_come_in_any_order(film: Film) -> None:
    straight = {number: frame for number, frame in dub.pictures(film, range(75)) if number < 40}
    numbers = [0, 5, 5, 6, 30, 29, 28, 12, 11, 0, 1]
    found = list(dub.pictures(film, numbers))
    assert [number for number, _ in found] == numbers
    for number, frame in found:
        assert np.array_equal(frame, straight[number])


def request(video: Path, audio: Path, **params: object) -> Request:
    return Request(
        task=Task.LIPSYNC,
        engine="embedded",
        inputs=(
            MediaRef(role="target", path=video, sha256="0" * 64, kind=MediaKind.VIDEO),
            MediaRef(role="voice", path=audio, sha256="0" * 64, kind=MediaKind.AUDIO),
        ),
        params=params,
        purpose="demonstration",
        job_id="j",
        nonce="n",
    )


def tone(path: Path, seconds: float) -> Path:
    time = np.arange(round(seconds * 16000)) / 16000
    beat = 0.3 * np.sin(2 * np.pi * 180 * time) * (np.sin(2 * np.pi * 3 * time) > 0)
    soundfile.write(path, beat, 16000)
    return path


@pytest.mark.parametrize(("mode", "seconds", "frames"), [("bounce", 3.4, 85), ("cut_off", 1.0, 25), ("remap", 2.0, 50)])
def test_a_draft_has_the_length_of_its_mode(film: Film, tmp_path: Path, mode: str, seconds: float, frames: int) -> None:
    draft = render_lipsync(request(film.path, tone(tmp_path / "a.wav", seconds), sync_mode=mode), Silent())
    assert draft.frame_count == frames
    assert sum(1 for _ in draft.frames) == frames
    assert draft.sound is not None
    assert sum(map(len, draft.sound)) == frames * 1920
    assert str(draft.facts["digital_source_type"]).endswith("compositeWithTrainedAlgorithmicMedia")


def test_the_bed_lies_under_the_voice(film: Film, tmp_path: Path) -> None:
    audio = tone(tmp_path / "a.wav", 1.0)
    bare = render_lipsync(request(film.path, audio), Silent()).sound
    bedded = render_lipsync(request(film.path, audio, bed=-6.0), Silent()).sound
    assert bare is not None
    assert bedded is not None
    added = np.concatenate(list(bedded)) - np.concatenate(list(bare))
    assert np.median(added[4800:-4800]) == pytest.approx(0.1 * 10 ** (-6 / 20), rel=0.1)


@pytest.mark.parametrize(
    ("params", "code"),
    [({"sync_mode": "stretch"}, "dub.sync-mode"), ({"bed": 40}, "dub.bed"), ({"bed": "x"}, "dub.bed")],
)
def test_what_cannot_be_is_refused(film: Film, tmp_path: Path, params: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        render_lipsync(request(film.path, tone(tmp_path / "a.wav", 0.5), **params), Silent())
    assert caught.value.code == code


def test_a_face_that_is_not_there(film: Film, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        render_lipsync(request(film.path, tone(tmp_path / "a.wav", 0.5), face=9), Silent())
    assert caught.value.code == "film.face"


@pytest.mark.shared
@pytest.mark.parametrize(("clip", "voice"), [("brbk7n", "lbax4n"), ("lrwp9a", "bbaf2n")])
def test_real_speakers_say_something_else(shared_data: Path, clip: str, voice: str) -> None:
    film = watch(shared_data / f"grid/{clip}.mpg", Silent())
    track = Recorded(shared_data / f"grid/{voice}.mpg")
    count = len(film.times)
    poses = list(Performance(track.posteriors(), track.survey.level, fps=film.fps, frames=count, seed=0))
    before = look_at(frame for _, frame in dub.pictures(film, range(count)))
    after = look_at(dub.Dub(film, film.person(1)).frames(range(count), iter(poses)))
    wanted = np.array([pose.channel("jaw") + pose.channel("uraise") + pose.channel("ldrop") for pose in poses])
    assert after.missed == 0
    assert agreement(wanted, after.opening)[0] > 0.9
    rest = after.opening - np.polyval(np.polyfit(wanted, after.opening, 1), wanted)
    assert abs(np.corrcoef(rest, before.opening)[0, 1]) < 0.35
    assert all(a <= b for a, b in pairwise(film.times))
