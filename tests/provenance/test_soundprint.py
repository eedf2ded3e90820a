"""The fingerprint of sound: what changes of a recording leave it, and that other recordings are told apart."""

import base64

import numpy as np
import pytest

from thsafe.provenance import soundprint as own
from thsafe.provenance.soundprint import blocks_of, is_same, search_soundprint, sound_distance, soundprint

RATE = own.RATE


def melody(seed, seconds=12.0):
    """Tones that change a few times a second under slow noise: as busy as speech, and different for every seed."""
    chance = np.random.default_rng(seed)
    pieces = []
    while sum(map(len, pieces)) < seconds * RATE:
        time = np.arange(int(chance.uniform(0.08, 0.3) * RATE)) / RATE
        tones = sum(
            chance.uniform(0.1, 1) * np.sin(2 * np.pi * chance.uniform(200, 2200) * time + chance.uniform(0, 6))
            for _ in range(6)
        )
        pieces.append(tones * np.hanning(len(time)) * chance.uniform(0.2, 1))
    sound = np.concatenate(pieces)[: int(seconds * RATE)]
    return (0.1 * sound).astype(np.float32)


def printed(sound):
    return soundprint([sound[start : start + 3000, None] for start in range(0, len(sound), 3000)])


CHANGES = {
    "as it is": lambda sound: sound,
    "quieter": lambda sound: sound * 0.1,
    "cut at the start": lambda sound: sound[1234:],
    "cut out of the middle": lambda sound: sound[3 * RATE : 10 * RATE],
    "noise": lambda sound: sound + np.random.default_rng(9).normal(0, sound.std() / 5, len(sound)).astype(np.float32),
    "with something before": lambda sound: np.concatenate([melody(77, 5.0), sound]),
    "coarse samples": lambda sound: (sound * 200).round().astype(np.float32) / 200,
    "clipped": lambda sound: np.clip(sound, -0.1, 0.1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_still_the_same_recording(name):
    sound = melody(1)
    match = sound_distance(printed(sound), printed(CHANGES[name](sound)))
    assert is_same(match), match
    assert match.share >= 0.66


def test_other_recordings_are_others():
    prints = [printed(melody(seed)) for seed in range(6)]
    for place, ours in enumerate(prints):
        for other in prints[:place]:
            match = sound_distance(ours, other)
            assert match.share == 0
            assert match.median > 0.38 * 32


@pytest.mark.parametrize("sound", [np.zeros(9 * RATE, np.float32), melody(1, 2.0), np.zeros(0, np.float32)])
def test_silence_and_snippets_match_nothing(sound):
    text = printed(sound)
    assert blocks_of(text).shape == (0, 64, 32)
    assert not is_same(sound_distance(text, text))
    assert search_soundprint(text, [("a", text)]) == ()


def test_found_among_many():
    known = [(f"urn:{seed}", printed(melody(seed))) for seed in range(40)]
    suspect = printed(CHANGES["cut out of the middle"](melody(17)))
    assert [item.manifest_id for item in search_soundprint(suspect, known)] == ["urn:17"]
    assert search_soundprint(printed(melody(99)), known) == ()


def test_texts_of_other_versions_are_passed_over():
    ours = printed(melody(1))
    assert [item.manifest_id for item in search_soundprint(ours, [("x", "????"), ("y", "VEYB"), ("z", ours)])] == ["z"]
    for text in ("????", base64.b64encode(b"TF\x01").decode(), ours[:-8]):
        with pytest.raises(ValueError, match="fingerprint"):
            blocks_of(text)


def test_long_sound_is_thinned_and_still_found():
    sound = melody(3, 60.0)
    thinned = soundprint([sound[:, None]], most=8)
    assert len(blocks_of(thinned)) == 8
    assert is_same(sound_distance(thinned, printed(sound)))


def test_blocks_of_any_length_give_the_same():
    sound = melody(4)
    assert printed(sound) == soundprint([sound[:, None]])
