"""Films that lend movement: what a known performance did is found again, and a lost face eases to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from generators.embedded.drive import Driven, fitted
from generators.embedded.engine import Portrait, render_drive
from generators.embedded.filmed import watch
from generators.embedded.motion import Marks, Motion, OneEuro, measure, one_euro
from generators.embedded.performance import Performance
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.puppet import Puppet, frame_portrait
from generators.embedded.quality import agreement, look_at
from generators.embedded.visemes import posteriors
from generators.speech.espeak import Phone
from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import MediaKind, MediaRef, Request, Silent, Task
from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr

JAW = CHANNELS.index("jaw")
SOUNDS = (
    "m",
    "ɑ",
    "m",
    "a",
    "b",
    "ɛ",
    "s",
    "t",
    "f",
    "ɑ",
    "v",
    "o",
    "p",
    "i",
    "k",
    "u",
    "l",
    "w",
    "a",
    "p",
    "ɛ",
    "n",
    "ɑ",
    "m",
    "i",
    "ʃ",
    "u",
    "b",
    "a",
)


@pytest.fixture(scope="module")
def ada() -> Puppet:
    from generators.embedded import cast

    drawn = cast.draw(cast.CAST["ada"], size=512)
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=320)
    return Puppet(framed.picture, framed.landmarks)


@pytest.fixture(scope="module")
def performance() -> list[Pose]:
    phones = [Phone(start=0.2 + 0.14 * n, end=0.34 + 0.14 * n, ipa=ipa) for n, ipa in enumerate(SOUNDS)]
    seconds = phones[-1].end + 0.3
    level = np.full(round(seconds * 100), 0.6, np.float32)
    table = posteriors(phones, seconds=seconds)
    return list(Performance([table], level, fps=Fraction(25), frames=round(seconds * 25), seed=3))


def write(path: Path, frames: Iterator[np.ndarray] | list[np.ndarray], fps: int = 25, *, sound: bool = True) -> Path:
    frames = list(frames)
    height, width = frames[0].shape[:2]
    rate = 48000 if sound else 0
    with Mp4Writer(path, width=width, height=height, fps=Fraction(fps), sample_rate=rate, channels=1) as writer:
        for number, frame in enumerate(frames):
            writer.write_picture(i420_from_bgr(frame))
            if sound:
                time = (np.arange(rate // fps) + number * (rate // fps)) / rate
                writer.write_sound((0.2 * np.sin(2 * np.pi * 330 * time))[:, None].astype(np.float32))
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, ada: Puppet, performance: list[Pose]) -> Path:
    return write(tmp_path_factory.mktemp("drive") / "ada.mp4", (ada.render(pose) for pose in performance))


@pytest.fixture(scope="module")
def driven(clip: Path) -> Driven:
    return Driven(clip, Silent())


def series(performance: list[Pose], value: Callable[[Pose], float]) -> np.ndarray:
    return np.array([value(pose) for pose in performance], float)


def test_a_known_performance_is_measured(driven: Driven, performance: list[Pose]) -> None:
    motion = driven.motion
    assert driven.fps == 25
    assert driven.frames == len(performance)
    assert motion.seen.all()
    assert agreement(series(performance, lambda p: p.channel("jaw")), motion.expression[:, JAW])[0] > 0.9
    assert agreement(series(performance, lambda p: p.yaw), motion.angles[:, 0])[0] > 0.95
    assert agreement(series(performance, lambda p: p.blink_left), motion.blink[:, 1])[0] > 0.8
    assert agreement(series(performance, lambda p: p.gaze_x), motion.gaze[:, 0])[0] > 0.7


def test_the_driven_face_does_what_the_driver_did(clip: Path, driven: Driven, ada: Puppet) -> None:
    from thsafe.media.decode import VideoReader

    with VideoReader(clip) as reader:
        before = look_at(frame for _, frame in reader.iter_bgr())
    after = look_at(ada.render(pose) for pose in driven.poses())
    assert after.missed == 0
    correlation, slope = agreement(before.opening, after.opening)
    assert correlation > 0.9
    assert 0.7 < slope < 1.25
    assert agreement(before.yaw, after.yaw)[0] > 0.95
    assert agreement(before.eyes, after.eyes)[0] > 0.8


def test_a_draft_keeps_the_films_sound_and_length(clip: Path) -> None:
    request = Request(
        task=Task.DRIVE,
        engine="embedded",
        inputs=(
            MediaRef(role="portrait", path=None, sha256="0" * 64, kind=MediaKind.IMAGE, performer="synthetic"),
            MediaRef(role="driver", path=clip, sha256="0" * 64, kind=MediaKind.VIDEO),
        ),
        params={"person": "ada", "short_side": 128, "fps": 10},
        purpose="demonstration",
        job_id="j",
        nonce="n",
    )
    draft = render_drive(request, Silent())
    frames = sum(frame.shape == (128, 128, 3) for frame in draft.frames)
    assert draft.sound is not None
    sound = np.concatenate(list(draft.sound))
    assert frames == draft.frame_count
    assert len(sound) == frames * 4800
    assert 0.05 < np.sqrt(np.mean(sound[4800:-9600] ** 2)) < 0.25


def test_frames_without_a_face_ease_to_rest(tmp_path: Path, ada: Puppet) -> None:
    open_mouth = np.zeros(len(CHANNELS), np.float32)
    open_mouth[JAW] = 0.15
    rest = [ada.render(Pose.neutral())] * 6
    turned = [ada.render(Pose(expression=open_mouth, yaw=9.0))] * 14
    empty = [np.full_like(rest[0], 90)] * 40
    film = watch(write(tmp_path / "gone.mp4", rest + turned + empty + turned, sound=False), Silent())
    assert not film.has_sound
    assert len(film.people) == 1
    motion = measure(film.person(1).marks, film.times)
    assert motion is not None
    assert not motion.seen[25:55].any()
    assert motion.expression[15, JAW] > 0.08
    assert np.abs(motion.expression[38:44]).max() < 0.02
    steps = np.abs(np.diff(motion.angles[:, 0]))
    assert steps[15:].max() < 4.0  # nothing jumps where the face is lost or comes back


def test_a_film_without_people_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "empty.mp4", [np.full((120, 160, 3), 60, np.uint8)] * 5)
    with pytest.raises(InputError) as caught:
        Driven(path, Silent())
    assert caught.value.code == "film.no-face"


def test_asking_for_a_face_that_is_not_there(clip: Path) -> None:
    with pytest.raises(InputError) as caught:
        watch(clip, Silent(), max_faces=3).person(3)
    assert caught.value.code == "film.face"


def test_nobody_ever_seen_is_no_motion() -> None:
    marks = Marks()
    marks.append(None)
    assert measure(marks, np.zeros(1)) is None


def test_one_euro_rests_and_follows() -> None:
    times = np.arange(200) / 25
    noise = np.random.default_rng(0).normal(0, 0.01, 200)
    step = (times > 4).astype(float)
    smooth = one_euro((step + noise)[:, None], times, 1.0, 4.0)[:, 0]
    assert smooth[20:80].std() < 0.5 * noise[20:80].std()
    crossing = float(np.interp(0.5, smooth[90:112], times[90:112]))
    assert crossing == pytest.approx(4.0, abs=0.05)
    live = OneEuro(1.0, 4.0)
    assert live.next(np.array([1.0]), 0.04) == pytest.approx([1.0])
    assert 1.0 < live.next(np.array([2.0]), 0.04)[0] < 2.0


def test_poses_between_frames(driven: Driven) -> None:
    motion: Motion = driven.motion
    middle = next(motion.poses([(motion.times[10] + motion.times[11]) / 2]))
    assert middle.yaw == pytest.approx((motion.angles[10, 0] + motion.angles[11, 0]) / 2, abs=1e-6)
    assert next(motion.poses([motion.times[-1] + 5])).yaw == pytest.approx(motion.angles[-1, 0])


@pytest.mark.parametrize("size", [10, 1000, 5000])
def test_sound_is_fitted_to_the_sample(size: int) -> None:
    blocks = (np.ones((size, 2), np.float32) for _ in range(3))
    sound = np.concatenate(list(fitted(blocks, 4000, 2)))
    assert sound.shape == (4000, 2)
    assert sound[: min(3 * size, 4000)].min() == 1.0


@pytest.mark.shared
def test_real_speakers_drive_the_mouth(shared_data: Path, ada: Puppet) -> None:
    from thsafe.media.decode import VideoReader

    path = shared_data / "grid/lbax4n.mpg"
    with VideoReader(path) as reader:
        before = look_at(frame for _, frame in reader.iter_bgr())
    after = look_at(ada.render(pose) for pose in Driven(path, Silent()).poses())
    assert agreement(before.opening, after.opening)[0] > 0.9
    assert agreement(before.eyes, after.eyes)[0] > 0.8


def test_a_film_in_numbers(clip: Path, tmp_path: Path, performance: list[Pose]) -> None:
    import json

    from thsafe.cli.main import run

    csv, plot = tmp_path / "a.csv", tmp_path / "a.svg"
    assert run(["analyse", str(clip), "--csv", str(csv), "--plot", str(plot)]) == 0
    rows = [line.split(",") for line in csv.read_text().splitlines()]
    assert len(rows) == len(performance) + 1
    yaw = np.array([float(row[rows[0].index("yaw")]) for row in rows[1:]])
    assert agreement(series(performance, lambda p: p.yaw), yaw)[0] > 0.95
    assert rows[40][rows[0].index("speaking")] == "1"
    drawing = plot.read_text()
    assert drawing.startswith("<svg")
    assert drawing.count("<polyline") == 10
    assert run(["analyse", str(clip), "--csv", str(csv)]) == 2
    from generators.embedded.analysis import analyse

    found = analyse(clip, Silent())
    assert json.loads(json.dumps(found.as_json()))["summary"]["people"] == 1
    assert found.summary()["seen"] == 1.0


def test_a_film_lends_its_heads_motion(clip: Path, performance: list[Pose], home: Path) -> None:
    from generators.embedded.direction import Direction
    from generators.embedded.drive import head_turns

    turns = head_turns(clip, Silent())
    times = [time for time, *_ in turns]
    assert times == sorted(times)
    asked = [pose.yaw for pose in performance]
    seen = [float(np.interp(number / 25, times, [yaw for _, yaw, _, _ in turns])) for number in range(len(asked))]
    assert agreement(np.array(asked), np.array(seen))[0] > 0.9
    direction = Direction(turns=turns, head_motion=0.0)
    assert Direction.from_params(direction.params()) == direction
    with pytest.raises(UsageError) as caught:
        Portrait().say("Hello.", person="ada", pose="5,0,0", pose_from=clip, output_path=home.parent / "o.mp4")
    assert caught.value.code == "direction.pose"


def test_a_film_that_lends_motion_is_an_input_and_shows_nobody(clip: Path) -> None:
    from thsafe.gate import _shows_somebody
    from thsafe.generation import media_input

    film = media_input("driver", clip)
    assert not _shows_somebody(film, Task.SAY)
    assert not _shows_somebody(film, Task.ANIMATE)
    assert _shows_somebody(film, Task.LIPSYNC)
