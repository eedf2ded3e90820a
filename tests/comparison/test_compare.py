"""A suspect beside its original: copies are not called altered, what was altered is found where and when it was."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from thsafe.comparison.compare import compare, look
from thsafe.comparison.footage import load
from thsafe.comparison.result import Comparison, Kind, Outcome
from thsafe.core.errors import InputError
from thsafe.core.types import Silent
from thsafe.media.encode import Mp4Writer
from thsafe.media.image import write_png
from thsafe.media.planes import i420_from_bgr
from thsafe.media.probe import probe
from thsafe.report.comparison import render_comparison

FRAMES, RATE = 60, 48000
Picture = np.ndarray


def render(name: str, seed: int) -> list[Picture]:
    """Somebody drawn who speaks for 2.4 seconds."""
    from generators.embedded import cast
    from generators.embedded.performance import Performance
    from generators.embedded.puppet import Puppet, frame_portrait
    from generators.embedded.visemes import posteriors
    from generators.speech.espeak import Phone

    drawn = cast.draw(cast.CAST[name], size=512)
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=288)
    puppet = Puppet(framed.picture, framed.landmarks)
    sounds = ("u u p f s s m m ɑ ɑ ɑ b b i", "m ɑ m a b ɛ s t f ɑ v o p i")[seed % 2].split()
    phones = [Phone(start=0.2 + 0.14 * n, end=0.34 + 0.14 * n, ipa=ipa) for n, ipa in enumerate(sounds)]
    level = np.full(240, 0.6, np.float32)
    table = posteriors(phones, seconds=2.4)
    return [puppet.render(pose) for pose in Performance([table], level, fps=Fraction(25), frames=FRAMES, seed=seed)]


def voice(seed: int) -> np.ndarray:
    """Bursts of coloured noise: every seed another recording."""
    random = np.random.default_rng(seed)
    sound = np.zeros(FRAMES * RATE // 25, np.float32)
    for start in range(0, len(sound), 6000):
        time = np.arange(4500) / RATE
        tones = random.uniform(150, 4000, 12)
        burst = sum(np.sin(2 * np.pi * tone * time + random.uniform(0, 6)) for tone in tones)
        sound[start : start + 4500] = 0.03 * burst[: len(sound) - start] * np.hanning(4500)[: len(sound) - start]
    return sound


def write(path: Path, frames: list[Picture], sound: np.ndarray | None = None, *, crf: int = 18) -> Path:
    height, width = (side & ~1 for side in frames[0].shape[:2])
    rate = RATE if sound is not None else 0
    with Mp4Writer(path, width=width, height=height, fps=Fraction(25), sample_rate=rate, crf=crf) as writer:
        for number, frame in enumerate(frames):
            writer.write_picture(i420_from_bgr(np.ascontiguousarray(frame[:height, :width])))
            if sound is not None:
                writer.write_sound(sound[number * 1920 : (number + 1) * 1920, None])
    return path


@pytest.fixture(scope="module")
def frames() -> list[Picture]:
    return render("ada", 1)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, frames: list[Picture]) -> Path:
    return write(tmp_path_factory.mktemp("footage") / "original.mp4", frames, voice(1))


def kinds(found: Comparison) -> set[Kind]:
    return {item.kind for item in found.differences}


def mirrored_crop(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return picture[height // 12 : -height // 12, width // 12 : -width // 12][:, ::-1]


def bright_and_small(picture: Picture) -> Picture:
    small = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    return np.clip(255 * (small / 255.0) ** 0.75 + 10, 0, 255).astype(np.uint8)


def between_bars(picture: Picture) -> Picture:
    return cv2.copyMakeBorder(picture, 40, 40, 0, 0, cv2.BORDER_CONSTANT)


@pytest.mark.parametrize("change", [mirrored_crop, bright_and_small, between_bars])
def test_what_copying_does_is_no_alteration(
    original: Path, frames: list[Picture], tmp_path: Path, change: Callable[[Picture], Picture]
) -> None:
    copy = write(tmp_path / "copy.mp4", [change(frame) for frame in frames[10:]], voice(1)[10 * 1920 :], crf=33)
    found = compare(copy, original)
    assert found.differences == ()
    assert found.outcome is Outcome.COPY
    assert any(change.startswith("begins at 0:00.4") for change in found.changes)
    assert ("mirrored" in found.changes) == (change is mirrored_crop)


def other_mouth(frames: list[Picture], original: Path, first: int, last: int) -> list[Picture]:
    """The mouth of other moments in some of the frames, feathered, as a dub has it."""
    footage = load(original, probe(original), Silent(), people=True)
    changed = list(frames)
    for number in range(first, last):
        regions = footage.people[0].at(number / 25)
        assert regions is not None
        x0, y0, x1, y1 = (round(value / footage.scale) for value in regions.mouth)
        mask = np.zeros(frames[0].shape[:2], np.float32)
        cv2.ellipse(mask, ((x0 + x1) // 2, (y0 + y1) // 2), ((x1 - x0) // 2, (y1 - y0) // 2), 0, 0, 360, 1.0, -1)
        mask = cv2.GaussianBlur(mask, (0, 0), 3)[:, :, None]
        squeezed = frames[number].copy()
        middle = (y0 + y1) // 2
        squeezed[y0:y1, x0:x1] = cv2.resize(frames[number][y0:middle, x0:x1], (x1 - x0, y1 - y0))
        changed[number] = (frames[number] * (1 - mask) + squeezed * mask).astype(np.uint8)
    return changed


def test_another_mouth_is_found_where_and_when_it_is(original: Path, frames: list[Picture], tmp_path: Path) -> None:
    dub = write(tmp_path / "dub.mp4", other_mouth(frames, original, 20, 50), voice(1), crf=33)
    found = compare(dub, original)
    assert kinds(found) == {Kind.MOUTH}
    (mouth,) = found.differences
    assert mouth.start == pytest.approx(0.8, abs=0.35)
    assert mouth.end == pytest.approx(2.0, abs=0.35)
    assert mouth.words.startswith("mouth region altered 0:0")


def test_frames_cut_and_put_in(original: Path, frames: list[Picture], tmp_path: Path) -> None:
    sound = voice(1)
    cut = write(
        tmp_path / "cut.mp4", frames[:22] + frames[40:], np.concatenate([sound[: 22 * 1920], sound[40 * 1920 :]])
    )
    found = compare(cut, original)
    assert kinds(found) == {Kind.CUT}
    assert found.differences[0].size == pytest.approx(18 / 25, abs=0.09)
    assert found.differences[0].start == pytest.approx(22 / 25, abs=0.13)
    noise = np.random.default_rng(5).integers(0, 255, (15, 18, 24, 3), dtype=np.uint8)
    size = frames[0].shape[1::-1]
    strange = [cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC) for picture in noise]
    put = write(tmp_path / "put.mp4", frames[:30] + strange + frames[30:])
    assert Kind.INSERTED in kinds(compare(put, original))


def test_the_sound_is_judged_by_itself(original: Path, frames: list[Picture], tmp_path: Path) -> None:
    found = compare(write(tmp_path / "other.mp4", frames, voice(2)), original)
    assert found.outcome is Outcome.ALTERED
    assert kinds(found) <= {Kind.SOUND_REPLACED, Kind.SOUND_REVOICED}
    assert kinds(compare(write(tmp_path / "none.mp4", frames), original)) == {Kind.SOUND_REMOVED}
    late = np.concatenate([np.zeros(round(0.24 * RATE), np.float32), voice(1)])[: FRAMES * 1920]
    assert kinds(compare(write(tmp_path / "late.mp4", frames, late), original)) == {Kind.SOUND_SHIFTED}


def labelled(picture: Picture) -> Picture:
    changed = picture.copy()
    width = picture.shape[1]
    cv2.rectangle(changed, (width - 90, 6), (width - 6, 28), (30, 30, 30), -1)
    cv2.putText(changed, "AI made", (width - 84, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    return changed


def test_a_label_that_came_or_went(frames: list[Picture], original: Path, tmp_path: Path) -> None:
    marked = write(tmp_path / "marked.mp4", [labelled(frame) for frame in frames], voice(1))
    gone = compare(original, marked)
    assert kinds(gone) == {Kind.OVERLAY_REMOVED}
    assert "top right is gone 0:00-" in gone.sentence
    assert kinds(compare(marked, original)) == {Kind.OVERLAY_ADDED}


def test_another_take_and_another_person_are_no_copies(original: Path, tmp_path: Path) -> None:
    take = write(tmp_path / "take.mp4", render("ada", 2))
    assert compare(take, original).outcome is Outcome.OTHER
    assert compare(write(tmp_path / "kofi.mp4", render("kofi", 1)[:20]), original).outcome is Outcome.OTHER


def test_photographs(frames: list[Picture], tmp_path: Path) -> None:
    photograph, retouched = tmp_path / "a.png", tmp_path / "b.png"
    write_png(photograph, frames[0])
    write_png(retouched, labelled(cv2.convertScaleAbs(frames[0], alpha=0.9, beta=12)))
    found = compare(retouched, photograph)
    assert kinds(found) == {Kind.OVERLAY_ADDED}
    assert "0:00" not in found.sentence


def test_a_picture_taken_from_a_film(frames: list[Picture], original: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.png"
    write_png(taken, cv2.resize(frames[40], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA))
    found = compare(taken, original)
    assert found.outcome is Outcome.OTHER
    assert "no more can be said" in found.sentence


def test_the_page_holds_hostile_names_and_pictures(original: Path, frames: list[Picture], tmp_path: Path) -> None:
    suspect = write(tmp_path / "<b>x.mp4", [labelled(frame) for frame in frames[:30]])
    seen = look(suspect, original)
    page = render_comparison(seen, suspect, original)
    assert "&lt;b&gt;x.mp4" in page
    assert "<b>" not in page
    assert "where the difference came from, not proof" in page
    assert page.count("data:image/jpeg") == 1 + 2 * len(seen.comparison.moments)


def test_files_that_cannot_be_compared(original: Path, tmp_path: Path, frames: list[Picture]) -> None:
    from thsafe.media.wav import write_wav

    with pytest.raises(InputError) as caught:
        compare(tmp_path / "nothing.mp4", original)
    assert caught.value.code == "input.missing"
    silent = write(tmp_path / "silent.mp4", frames[:10])
    write_wav(tmp_path / "sound.wav", voice(1)[:, None], sample_rate=RATE)
    with pytest.raises(InputError) as caught:
        compare(tmp_path / "sound.wav", silent)
    assert caught.value.code == "compare.kinds"
    assert compare(original, original).outcome is Outcome.IDENTICAL
    assert compare(tmp_path / "sound.wav", original).outcome is Outcome.COPY


def test_real_talkers(shared_data: Path, tmp_path: Path, attacks: ModuleType) -> None:
    """A film of somebody real: a cropped copy is a copy, and paint over the mouth is found."""
    film = next(iter(sorted((shared_data / "grid").glob("*.mpg"))))
    copy, painted = tmp_path / "copy.mp4", tmp_path / "painted.mp4"
    attacks.crop(film, copy, share=0.1, crf=33)
    assert compare(copy, film).outcome is Outcome.COPY
    attacks.edit_frames(film, painted, start=1.0, end=2.0, crf=33)
    assert kinds(compare(painted, film)) & {Kind.MOUTH, Kind.FACE}
