"""Text before it is spoken: cleaned one for one, refused in clear words, cut into sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.speech import text as texts
from thsafe.core.errors import InputError


@given(st.text(max_size=300))
def test_cleaning_keeps_every_position(text: str) -> None:
    cleaned = texts.clean(text)
    assert len(cleaned) == len(text)
    assert all(new in (old, " ") for old, new in zip(text, cleaned, strict=True))
    assert "\0" not in cleaned
    cleaned.encode()


@given(st.text(alphabet="ab Z.,!? \n1é你。，", max_size=400) | st.text(max_size=2000))
def test_sentences_lose_no_letter_and_stay_short(text: str) -> None:
    pieces = list(texts.sentences(text))
    letters = [char for char in text if char.isalnum()]
    assert [char for piece in pieces for char in piece if char.isalnum()] == letters
    assert all(0 < len(piece) <= texts.LONGEST_SENTENCE for piece in pieces)


@pytest.mark.parametrize(
    ("text", "many"),
    [
        ("Hello. How are you? Fine!", 3),
        ("Dr. Smith met Mr. Jones at 3.5 metres.", 1),
        ("J. S. Bach wrote it, i.e. the cantata, e.g. for Sunday.", 1),
        ("Am 3. Mai kam er. Dann ging er.", 2),
        ("It costs 20. Then he left.", 1),  # a short number before a capital is taken for an ordinal
        ("He said “Stop!” Then he left.", 2),
        ("你好。今天很好！再见？", 3),
        ("One line\n\nanother paragraph", 2),
        ("wait… what", 2),
        ("... !!! ???", 0),
    ],
)
def test_where_a_sentence_ends(text: str, many: int) -> None:
    assert len(list(texts.sentences(text))) == many


def test_a_text_without_any_break_is_cut() -> None:
    pieces = list(texts.sentences("a" * 100_000))
    assert "".join(pieces) == "a" * 100_000
    assert max(map(len, pieces)) == texts.LONGEST_SENTENCE


def test_a_long_sentence_is_cut_at_a_comma_rather_than_in_a_word() -> None:
    clause = "and then the next thing happened to all of them, "
    pieces = list(texts.sentences(clause * 60))
    assert all(piece.rstrip().endswith(",") for piece in pieces)


@pytest.mark.parametrize(
    ("sentence", "pause"), [("Yes. ", 0.35), ("Yes.” ", 0.35), ("Yes, ", 0.2), ("title\n\n", 0.35), ("cut ", 0.0)]
)
def test_the_pause_that_follows(sentence: str, pause: float) -> None:
    assert texts.pause_after(sentence) == pause


@pytest.mark.parametrize("text", ["", "   ", "...!?", "😀😀", "\0\0", "\ud800"])
def test_nothing_to_say_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        texts.check(texts.clean(text), language="en-us")
    assert caught.value.code == "speech.empty"
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("text", "language", "other"),
    [
        ("שלום עולם", "en-us", "he"),
        ("مرحبا", "de", "ar"),
        ("你好世界", "en-us", "cmn"),
        ("こんにちは", "cmn", "ja"),
        ("Привет", "fr-fr", "ru"),
    ],
)
def test_foreign_writing_is_refused_with_a_voice_that_reads_it(text: str, language: str, other: str) -> None:
    with pytest.raises(InputError) as caught:
        texts.check(text, language=language)
    assert caught.value.code == "speech.script"
    assert f"--voice {other}" in caught.value.next_step


@pytest.mark.parametrize(("text", "language"), [("a small α and β", "en-us"), ("Привет, Bob", "ru"), ("3 + 4", "de")])
def test_a_few_foreign_letters_are_read(text: str, language: str) -> None:
    texts.check(text, language=language)


def test_emoji_are_not_read_aloud() -> None:
    assert texts.clean("Hi 👩‍👩‍👧 you ❤️, 20 °C, 5 €, © me").split() == [
        "Hi",
        "you",
        ",",
        "20",
        "°C,",
        "5",
        "€,",
        "©",
        "me",
    ]
