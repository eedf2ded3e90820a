"""WebVTT: cues that fit a line, words in time, names of speakers, nothing that breaks the format."""

from __future__ import annotations

from pathlib import Path

import pytest

from generators.embedded.captions import LONGEST_LINE, SPEAKER_MARK, check_captions, webvtt
from thsafe.core.errors import UsageError
from thsafe.core.types import Caption


def words(text: str, *, start: float = 0.0, each: float = 0.3) -> list[Caption]:
    return [
        Caption(start=start + number * each, end=start + (number + 1) * each, text=word)
        for number, word in enumerate(text.split())
    ]


def test_words_carry_their_times() -> None:
    assert webvtt(words("Good morning.")) == ("WEBVTT\n\n00:00:00.000 --> 00:00:00.600\nGood <00:00:00.300>morning.\n")


def test_a_cue_ends_with_the_line_the_sentence_or_a_pause() -> None:
    long = webvtt(words("one two three four five six seven eight nine ten eleven twelve"))
    lines = [line for line in long.splitlines() if "<" in line]
    assert len(lines) > 1
    assert all(len("".join(part.split(">")[-1] for part in line.split("<"))) <= LONGEST_LINE for line in lines)
    assert webvtt(words("One. Two.")).count("-->") == 2
    assert webvtt(words("one") + words("two", start=2)).count("-->") == 2


def test_speakers_are_named() -> None:
    said = [*words(f"Ada{SPEAKER_MARK}Hello"), *words(f"Kofi{SPEAKER_MARK}Hi", start=0.4)]
    text = webvtt(said)
    assert "<v Ada>Hello" in text
    assert "<v Kofi>Hi" in text


def test_marks_are_escaped_and_hours_counted() -> None:
    text = webvtt(words("a<b&c", start=3661.5))
    assert "a&lt;b&amp;c" in text
    assert "01:01:01.500 -->" in text
    assert webvtt([]) == "WEBVTT\n"


def test_where_captions_can_be_written(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "a.srt", "captions.kind"), (tmp_path / "no" / "a.vtt", "captions.folder")):
        with pytest.raises(UsageError) as caught:
            check_captions(path)
        assert caught.value.code == code
