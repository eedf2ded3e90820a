"""Requests to drafts: lengths that agree, sound that is kept, one pass, clear refusals."""

from __future__ import annotations

import functools
import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from generators.embedded import cast
from generators.embedded.aside import Aside
from generators.embedded.cast import cache
from generators.embedded.engine import Portrait, render_animate, render_say
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.soundtrack import RATE, Manner, Recorded, Spoken, fitted_sound, frame_count
from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import Draft, MediaKind, MediaRef, Request, Silent, Task

JAW, PRESS = CHANNELS.index("jaw"), CHANNELS.index("press")
DRAWN = MediaRef(role="portrait", path=None, sha256="0" * 64, kind=MediaKind.IMAGE, performer="synthetic")


def request(task: Task, *inputs: MediaRef, **params: object) -> Request:
    params = {"person": "ada", "short_side": 128, **params}
    return Request(
        task=task, engine="embedded", inputs=inputs, params=params, purpose="demonstration", job_id="j", nonce="n"
    )


def text(words: str) -> MediaRef:
    return MediaRef(role="text", path=None, sha256="0" * 64, kind=MediaKind.TEXT, text=words)


def voice(path: Path) -> MediaRef:
    return MediaRef(role="voice", path=path, sha256="0" * 64, kind=MediaKind.AUDIO)


@pytest.fixture
def needs_voice() -> None:
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")


drawn_once = functools.cache(cast.draw)


@pytest.fixture(autouse=True)
def small_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same small drawing for all: it is not what is tested here."""
    monkeypatch.setattr(cache, "DRAWN_SIZE", 256)
    monkeypatch.setattr(cast, "draw", drawn_once)


def tone(path: Path, seconds: float, *, rate: int = 22050, channels: int = 1, level: float = 0.3) -> Path:
    time = np.arange(round(seconds * rate)) / rate
    beat = np.sin(2 * np.pi * 220 * time) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * time))
    soundfile.write(path, np.repeat((level * beat)[:, None], channels, axis=1), rate)
    return path


def lengths(draft: Draft) -> tuple[int, int]:
    assert draft.sound is not None
    frames = 0
    for frame in draft.frames:
        assert frame.shape == (draft.height, draft.width, 3)
        assert frame.dtype == np.uint8
        frames += 1
    samples = 0
    for block in draft.sound:
        assert block.dtype == np.float32
        assert block.shape[1] == draft.channels
        samples += len(block)
    return frames, samples


@pytest.mark.usefixtures("needs_voice")
def test_say_yields_frames_sound_and_captions_that_fit() -> None:
    draft = render_say(request(Task.SAY, DRAWN, text("Mama. Papa!"), seed=5, voice="en-us+f3"), Silent())
    assert (draft.width, draft.height) == (128, 128)
    assert draft.fps == 25
    frames, samples = lengths(draft)
    assert frames == draft.frame_count
    assert samples == frames * RATE // 25
    assert [word.text for word in draft.captions] == ["Mama.", "Papa!"]
    assert draft.captions[0].start > 0.2
    assert draft.captions[-1].end < frames / 25 - 0.2
    assert draft.facts["software_agent"]["name"] == "thsafe embedded engine"
    assert draft.facts["seed"] == 5
    assert draft.facts["voice"] == "espeak-ng en-us+f3"
    assert draft.facts["digital_source_type"].endswith("/digitalCreation")
    x0, y0, x1, y1 = draft.face_box or (0, 0, 0, 0)
    assert 0 <= x0 < x1 <= 1
    assert 0 <= y0 < y1 <= 1


@pytest.mark.usefixtures("needs_voice")
def test_the_seed_decides_every_pixel() -> None:
    def pictures(seed: int) -> list[bytes]:
        draft = render_say(request(Task.SAY, DRAWN, text("Hi."), seed=seed), Silent())
        return [frame.tobytes() for frame in itertools.islice(draft.frames, 12)]

    assert pictures(1) == pictures(1)
    assert pictures(1) != pictures(2)


@pytest.mark.parametrize(
    ("seconds", "fps", "rate", "channels"),
    [(1.0, "25", 22050, 1), (0.51, "24", 48000, 2), (0.333, "30000/1001", 44100, 2), (0.01, "25", 8000, 1)],
)
def test_animate_keeps_the_sound_for_exactly_as_many_frames(
    tmp_path: Path, seconds: float, fps: str, rate: int, channels: int
) -> None:
    path = tone(tmp_path / "voice.wav", seconds, rate=rate, channels=channels)
    draft = render_animate(request(Task.ANIMATE, DRAWN, voice(path), fps=fps), Silent())
    assert draft.channels == channels
    frames, samples = lengths(draft)
    assert frames == draft.frame_count
    assert 0 <= frames / Fraction(fps) - Fraction(seconds).limit_denominator(1000) < 1.2 / Fraction(fps)
    assert abs(samples / RATE - frames / Fraction(fps)) < 1 / RATE
    assert draft.captions == ()
    assert draft.facts["voice"] == "recorded"


def test_the_recording_itself_is_heard(tmp_path: Path) -> None:
    path = tone(tmp_path / "voice.wav", 0.5, rate=RATE, channels=2)
    original, _ = soundfile.read(path, dtype="float32")
    draft = render_animate(request(Task.ANIMATE, DRAWN, voice(path)), Silent())
    assert draft.sound is not None
    kept = np.concatenate(list(draft.sound))
    assert np.abs(kept[: len(original)] - original).max() < 1e-4
    assert not kept[len(original) :].any()


def test_silence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    with pytest.raises(InputError) as caught:
        render_animate(request(Task.ANIMATE, DRAWN, voice(path)), Silent())
    assert caught.value.code == "input.silent"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"person": "nobody"}, "person.unknown"),
        ({"short_side": 64}, "engine.size"),
        ({"fps": "fast"}, "engine.fps"),
        ({"fps": 500}, "engine.fps"),
        ({"seed": -1}, "engine.seed"),
        ({"seed": "x"}, "engine.parameter"),
        ({"seed": True}, "engine.parameter"),
    ],
)
def test_wrong_parameters_are_told_in_words(tmp_path: Path, params: dict[str, object], code: str) -> None:
    path = tone(tmp_path / "voice.wav", 0.2)
    with pytest.raises(UsageError) as caught:
        render_animate(request(Task.ANIMATE, DRAWN, voice(path), **params), Silent())
    assert caught.value.code == code
    assert caught.value.next_step


def test_exactly_one_portrait(tmp_path: Path) -> None:
    for both in ({"image": tmp_path / "a.png", "person": "ada"}, {}):
        with pytest.raises(UsageError) as caught:
            Portrait().animate(audio=tmp_path / "a.wav", output_path=tmp_path / "o.mp4", **both)
        assert caught.value.code == "usage.portrait"


@pytest.mark.usefixtures("needs_voice")
def test_what_is_wrong_with_text_and_voice_is_told_before_the_gate(tmp_path: Path, home: Path) -> None:
    for words, name, code in (
        ("", "en-us", "speech.empty"),
        ("hi", "xx", "speech.voice"),
        ("你好", "de", "speech.script"),
    ):
        with pytest.raises((InputError, UsageError)) as caught:
            Portrait().say(words, person="ada", voice=name, output_path=tmp_path / "o.mp4")
        assert caught.value.code == code
    assert not home.exists()
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.usefixtures("needs_voice")
def test_spoken_sound_can_be_read_by_two_at_once() -> None:
    track = Spoken("One two three. Four five six.", Manner(), Silent())
    alone = np.concatenate(list(track.sound()))
    one, other = track.sound(), track.sound()
    mixed: list[np.ndarray] = []
    for block in one:
        mixed.append(block)
        next(other, None)
    assert np.array_equal(np.concatenate(mixed), alone)


@pytest.mark.usefixtures("needs_voice")
def test_spoken_times_match_the_sound() -> None:
    track = Spoken("Papa. Papa.", Manner(), Silent())
    sound = np.concatenate(list(track.sound()))[:, 0]
    assert len(sound) == pytest.approx(track.survey.samples * 3, abs=6)
    energy = np.abs(sound[: len(sound) // 480 * 480]).reshape(-1, 480).max(axis=1)
    first = int(np.flatnonzero(energy > 0.02)[0]) / 100
    assert track.captions[0].start == pytest.approx(first, abs=0.06)
    assert first > 0.25
    assert energy[-24:].max() < 0.02


@pytest.mark.usefixtures("needs_voice")
def test_lips_meet_in_the_frames_that_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Pose] = []
    from generators.embedded.puppet import Puppet

    plain = Puppet.render
    monkeypatch.setattr(Puppet, "render", lambda self, pose: (drawn.append(pose), plain(self, pose))[1])
    draft = render_say(request(Task.SAY, DRAWN, text("Papa, mama. Bob!")), Silent())
    for _ in draft.frames:
        pass
    jaw = np.array([pose.expression[JAW] for pose in drawn])
    shut = jaw <= 0.02
    runs = int((shut[1:] & ~shut[:-1]).sum()) + 1
    assert runs >= 6  # before, between and after pa-pa, ma-ma, bo-b
    assert jaw.max() > 0.1
    assert not drawn[0].expression[: CHANNELS.index("browup")].any()
    assert not drawn[-1].expression[: CHANNELS.index("browup")].any()


def test_a_recording_shorter_than_a_frame_is_one_frame(tmp_path: Path) -> None:
    track = Recorded(tone(tmp_path / "voice.wav", 0.005))
    assert frame_count(track, Fraction(25)) == 1
    assert sum(len(block) for block in fitted_sound(track, Fraction(25))) == RATE // 25


@pytest.mark.shared
def test_a_photograph_speaks(shared_data: Path) -> None:
    portrait = MediaRef(
        role="portrait",
        path=shared_data / "synthetic_people" / "woman_0010.jpg",
        sha256="0" * 64,
        kind=MediaKind.IMAGE,
    )
    job = request(Task.ANIMATE, portrait, voice(shared_data / "speech" / "fsdd_2_theo_0.wav"), short_side=256)
    draft = render_animate(job, Silent())
    assert draft.facts["digital_source_type"].endswith("/trainedAlgorithmicMedia")
    frames = list(draft.frames)
    assert len(frames) == draft.frame_count
    mean = np.mean([np.abs(frame.astype(int) - frames[0]).mean() for frame in frames[1:]])
    assert 0.05 < mean < 12


@pytest.mark.usefixtures("needs_voice")
def test_a_saved_performance_plays_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "said.jsonl"
    aside = Aside(performance=path, captions=tmp_path / "said.vtt")
    said = request(Task.SAY, DRAWN, text("Mama."), seed=4, emotion=[[0.0, "happy", 1.0]])
    with aside.kept():
        draft = aside.note(render_say(said, Silent(), aside=aside))
        first = list(draft.frames)
        assert not path.exists()
    track = MediaRef(
        role="driver", path=None, sha256="0" * 64, kind=MediaKind.TEXT, text=path.read_text(encoding="utf-8")
    )
    again = list(render_say(request(Task.SAY, DRAWN, text("Mama."), track, seed=9), Silent()).frames)
    assert len(again) == len(first)
    # a sixth decimal decides at most on a 32nd of a pixel, OpenCV's finest step: some levels at the edge of a tooth
    assert max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(first, again, strict=True)) <= 6
    other = list(render_say(request(Task.SAY, DRAWN, text("Mama."), seed=9), Silent()).frames)
    assert max(int(np.abs(a.astype(int) - b).max()) for a, b in zip(first, other, strict=True)) > 30
    assert "Mama." in (tmp_path / "said.vtt").read_text(encoding="utf-8")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["said.jsonl", "said.vtt"]


def test_a_broken_track_is_told_before_the_gate(tmp_path: Path, home: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("time,jaw\n0,0\n")
    audio = tone(tmp_path / "a.wav", 0.2)
    with pytest.raises(InputError) as caught:
        Portrait().animate(audio=audio, person="ada", performance=bad, output_path=tmp_path / "o.mp4")
    assert caught.value.code == "performance.header"
    assert not home.exists()
