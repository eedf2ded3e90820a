"""Repeats, seams and earlier codings of films and sound, made here and found again; untouched ones stay silent."""

from __future__ import annotations

import av
import numpy as np
import pytest

from thsafe.media.groups import read_groups
from thsafe.traces.moving import look_at_motion
from thsafe.traces.rhythm import BEAT, find_rhythm
from thsafe.traces.sound import RATE, look_at_sound


def _film(count, seed=0, noise=2.0):
    """Pictures of a smooth pattern that drifts, with grain."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:144, 0:192]
    for place in range(count):
        waves = 128 + 50 * np.sin((x + 2.3 * place) / 17 + np.sin(place / 9)) + 30 * np.cos((y - 1.1 * place) / 11)
        yield np.clip(waves + random.normal(0, noise, x.shape), 0, 255).astype(np.uint8)


def _timed(pictures):
    return [(place / 25, picture) for place, picture in enumerate(pictures)]


def test_an_untouched_film_shows_nothing():
    found = look_at_motion(_timed(_film(120)))
    assert (found.frozen, found.repeated, found.looped, found.cuts, found.noise_changes) == ((), (), (), (), ())
    assert found.frames == 120


def test_what_stands_still_and_what_comes_twice():
    pictures = list(_film(120))
    pictures[40:60] = [pictures[40]] * 20
    pictures[80] = pictures[79]
    found = look_at_motion(_timed(pictures))
    assert found.frozen == ((1.6, 2.36),)
    assert found.repeated == (3.2,)


def test_a_converted_frame_rate_is_one_sentence_not_many_findings():
    pictures = [picture for place, picture in enumerate(_film(100)) for _ in range(2 if place % 4 == 3 else 1)]
    found = look_at_motion(_timed(pictures))
    assert found.every == 5
    assert found.repeated == ()


def test_a_loop_is_found_with_both_its_places():
    pictures = list(_film(150))
    pictures[100:130] = pictures[20:50]
    ((first, again),) = look_at_motion(_timed(pictures)).looped
    assert first == pytest.approx((0.8, 1.96), abs=0.05)
    assert again == pytest.approx((4.0, 5.16), abs=0.05)


def test_noise_that_changes_within_a_scene():
    pictures = [*list(_film(120, noise=1.0))[:60], *list(_film(120, noise=6.0))[60:]]
    (change,) = look_at_motion(_timed(pictures)).noise_changes
    assert change.seconds == pytest.approx(2.4, abs=0.1)
    assert change.ratio > 1.6
    assert not change.at_cut


def test_a_cut_is_named_and_explains_the_noise():
    pictures = [*list(_film(120, noise=1.0))[:60], *(255 - picture for picture in list(_film(120, noise=6.0))[60:])]
    found = look_at_motion(_timed(pictures))
    assert found.cuts == (2.4,)
    assert all(change.at_cut for change in found.noise_changes)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_films_of_hardly_any_frames(count):
    assert look_at_motion(_timed(_film(count))).frames == count


def _encode(path, pictures, *, crf, gop):
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 192, 144, "yuv420p"
        stream.options = {"crf": str(crf), "g": str(gop), "preset": "veryfast", "bf": "0", "sc_threshold": "0"}
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            target.mux(stream.encode(frame))
        target.mux(stream.encode())


def _decode(path):
    with av.open(str(path)) as source:
        return [frame.to_ndarray(format="gray") for frame in source.decode(video=0)]


def test_the_beat_of_an_earlier_coding_shows_through(tmp_path):
    _encode(tmp_path / "one.mp4", _film(200), crf=26, gop=14)
    once = find_rhythm(read_groups(tmp_path / "one.mp4"))
    assert (once.shortest, once.longest, once.earlier_beat) == (14, 14, None)
    _encode(tmp_path / "two.mp4", _decode(tmp_path / "one.mp4"), crf=20, gop=250)
    twice = find_rhythm(read_groups(tmp_path / "two.mp4"))
    assert twice.strength > BEAT
    assert twice.earlier_beat == 14


def _speechlike(seconds, seed=0):
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    envelope = np.clip(np.sin(2 * np.pi * 1.3 * time), 0, 1) ** 2
    voice = sum(np.sin(2 * np.pi * 130 * k * time + k) / k for k in range(1, 12)) * envelope
    return (0.1 * voice + random.normal(0, 5e-4, len(time))).astype(np.float32)


def test_untouched_sound_shows_nothing():
    found = look_at_sound([_speechlike(8)])
    assert (found.jumps, found.silences, found.rooms) == ((), (), ())


def test_a_jump_a_hole_and_another_room():
    sound = _speechlike(10)
    sound[4 * RATE + 100 :] -= 0.3
    found = look_at_sound([sound])
    assert found.jumps == (pytest.approx(4.0, abs=0.01),)
    hole = _speechlike(10)
    hole[3 * RATE : 3 * RATE + RATE // 5] = 0.0
    assert look_at_sound([hole]).silences == (pytest.approx((3.0, 3.2), abs=0.02),)
    room = _speechlike(10)
    room[5 * RATE :] += np.random.default_rng(1).normal(0, 0.01, len(room) - 5 * RATE).astype(np.float32)
    ((seconds, step),) = look_at_sound([room]).rooms
    assert seconds == pytest.approx(5.0, abs=0.6)
    assert step > 15
