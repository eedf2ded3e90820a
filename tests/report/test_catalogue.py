"""Every text in every language, and the sentences of the checks as far as they are known."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from thsafe.catalogue import LANGUAGES, catalogue, chosen_language

_PARTS = {
    "Other takes of one portrait, and the portrait itself, look like it too.",
    "The recording that was put in sounds like it too.",
}
"""Endings of longer sentences, which stay English with them."""
ROOT = Path(__file__).resolve().parent.parent.parent


def _places(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_the_languages_have_the_same_texts_and_places(language):
    english, other = catalogue("en"), catalogue(language)
    assert english.texts.keys() == other.texts.keys()
    for key, text in english.texts.items():
        assert _places(text) == _places(other.texts[key]), key
        assert other.texts[key].strip(), key


def test_every_key_that_a_template_asks_for_is_there():
    used = set()
    for path in [*(ROOT / "thsafe/web/templates").glob("*.html"), *(ROOT / "thsafe/report/templates").glob("*.html")]:
        used |= set(re.findall(r"""words\.say\(["']([a-z-]+\.[a-z-]+)["']\s*[,)]""", path.read_text()))
    assert len(used) > 40
    assert used <= catalogue("en").texts.keys()


def test_every_verdict_status_and_check_has_a_name():
    from thsafe.core.types import Status, Verdict
    from thsafe.verification import check_names

    words = catalogue("de")
    for verdict in Verdict:
        assert words.has(f"verdict.{verdict}")
        assert words.has(f"ladder.{verdict}")
    assert all(words.has(f"status.{status}") for status in Status)
    assert all(words.has(f"check.{check}") for check in check_names())


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr,en;q=0.5,de;q=0.9", "de"),
        ("en-GB,de;q=0.5", "en"),
        ("fr", "en"),
        ("de;q=nonsense,en;q=0.1", "en"),
        ("*", "en"),
        ("," * 5000, "en"),
    ],
)
def test_the_language_a_browser_wants(accepted, language):
    assert chosen_language(accepted) == language


def test_sentences_are_told_in_german_or_marked_as_english():
    words = catalogue("de")
    known = words.sentence("No credentials and no readable watermark: where this file comes from is unknown.")
    assert (known.language, known.text[:6]) == ("de", "Weder ")
    filled = words.sentence("These exact bytes were published here on 2026-11-22 (log entry 3).")
    assert filled.language == "de"
    assert "2026-11-22" in filled.text
    unknown = words.sentence("Something that nobody has said before.")
    assert unknown.language == "en"


def test_every_pattern_names_the_places_of_its_translation():
    for pattern, translation in catalogue("de").patterns:
        assert _places(translation) <= pattern.groupindex.keys()


def test_a_hostile_sentence_costs_no_time():
    import time

    began = time.process_time()
    catalogue("de").sentence("The credentials were stripped; the " + "a (b " * 20_000)
    assert time.process_time() - began < 2


def test_the_sentences_of_the_code_are_known():
    """Sentences without places that the checks say today; whoever changes one changes its translation."""
    said = set()
    for name in ("verdict.py", "verification.py", "recovery.py", "soundmark.py", "watermark/describe.py"):
        tree = ast.parse((ROOT / "thsafe" / name).read_text())
        aside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        aside |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in aside]
        said |= {
            node.value for node in texts if isinstance(node.value, str) and re.fullmatch(r"[A-Z].{25,}\.", node.value)
        }
    words = catalogue("de")
    strange = {text for text in said if words.sentence(text).language == "en"} - _PARTS
    assert len(said) > 12
    assert strange == set()
