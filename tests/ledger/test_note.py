"""Signed notes against the published example of the format, checkpoints against everything that is not one."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.core.errors import LedgerBroken
from thsafe.ledger import note

# The example of c2sp.org/signed-note (also the test vector of golang.org/x/mod/sumdb/note).
VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY = Ed25519PrivateKey.from_private_bytes(SEED)


def test_published_vector():
    verifier = note.Verifier.parse(VERIFIER)
    assert str(note.Verifier.of("PeterNeumann", KEY)) == VERIFIER == str(verifier)
    assert note.sign_note(TEXT, "PeterNeumann", KEY) == NOTE
    assert note.open_note(NOTE, verifier) == TEXT


@pytest.mark.parametrize(
    "broken",
    [
        NOTE.replace("cryptography", "Cryptography"),
        NOTE.replace("— Peter", "- Peter"),
        NOTE.replace("PeterNeumann x", "Somebody x"),
        NOTE.replace("x08go", "x08gp"),
        NOTE.rstrip("\n"),
        TEXT,
        NOTE + "— unreadable\n",
        NOTE.replace("\n\n", "\n"),
        "",
    ],
)
def test_anything_else_is_refused(broken):
    with pytest.raises(ValueError):
        note.open_note(broken, note.Verifier.parse(VERIFIER))


def test_signatures_of_others_are_ignored():
    other = note.sign_note(TEXT, "witness.example", Ed25519PrivateKey.generate())
    both = NOTE + other.rpartition("\n\n")[2]
    assert note.open_note(both, note.Verifier.parse(VERIFIER)) == TEXT


@pytest.mark.parametrize("at", range(0, len(VERIFIER), 3))
def test_mangled_verifier_keys_are_refused(at):
    mangled = VERIFIER[:at] + ("z" if VERIFIER[at] != "z" else "y") + VERIFIER[at + 1 :]
    with pytest.raises(ValueError):
        note.Verifier.parse(mangled)


@pytest.mark.parametrize("text", ["no newline", "", "\n", "a\n\nb\n", "tab\t\n"])
def test_texts_that_a_note_cannot_carry(text):
    with pytest.raises(ValueError):
        note.sign_note(text, "name", KEY)


@pytest.mark.parametrize("name", ["", "two words", "plus+sign"])
def test_names_that_a_note_cannot_carry(name):
    with pytest.raises(ValueError):
        note.sign_note(TEXT, name, KEY)


def test_checkpoint_round_trip():
    made = note.sign_checkpoint("thsafe/00ff", 7, b"\x11" * 32, KEY)
    verifier = note.Verifier.of("thsafe/00ff", KEY)
    assert made.note.splitlines()[:3] == ["thsafe/00ff", "7", base64.b64encode(b"\x11" * 32).decode()]
    assert note.verify_checkpoint(made.note, verifier) == made == note.parse_checkpoint(made.note)
    assert len(made.digest) == 64
    with pytest.raises(LedgerBroken) as caught:
        note.verify_checkpoint(made.note.replace("\n7\n", "\n8\n"), verifier)
    assert caught.value.code == "log.checkpoint-signature"


@pytest.mark.parametrize(
    "text",
    ["", "a\n1\n", "a\nminus\nAAAA\n\n", "a\n01\n" + "A" * 43 + "=\n\n", "a\n1\nAAAA\n\n— a b\n", "a\n1\n***\n\n"],
)
def test_not_checkpoints(text):
    with pytest.raises(LedgerBroken) as caught:
        note.parse_checkpoint(text)
    assert caught.value.code == "log.checkpoint-form"


def test_checkpoint_of_another_log_under_the_same_key():
    text = note.sign_checkpoint("thsafe/ours", 1, b"\0" * 32, KEY).note
    foreign = note.sign_note("thsafe/theirs\n1\n" + base64.b64encode(b"\0" * 32).decode() + "\n", "thsafe/ours", KEY)
    verifier = note.Verifier.of("thsafe/ours", KEY)
    assert note.verify_checkpoint(text, verifier).origin == "thsafe/ours"
    with pytest.raises(LedgerBroken) as caught:
        note.verify_checkpoint(foreign, verifier)
    assert caught.value.code == "log.checkpoint-origin"
