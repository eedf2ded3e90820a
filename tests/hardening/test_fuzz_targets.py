"""Every fuzz target: genuine input passes, and a few hundred damaged inputs always go through it."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "fuzz"
TARGETS = {"media_files": 40, "mark_payloads": 60, "policy_facts": 150, "settings_and_scripts": 3000}
WORDS = (
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"-1",
    b"1e999",
    b"NaN",
    b"true",
    b"\xff\xfe",
    b"[" * 3000,
    b"9" * 400,
    b"\0",
    b"<",
    b"&x;",
)


@pytest.fixture(params=list(TARGETS))
def target(request, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location(f"thsafe_fuzz_{request.param}", FOLDER / f"{request.param}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield (*module.prepare(tmp_path), TARGETS[request.param])
    for name in ("harness", "broken_media"):
        sys.modules.pop(name, None)


def test_damaged_input_is_answered(target):
    one_input, corpus, rounds = target
    for data in (b"", *corpus):
        one_input(data)
    chance = random.Random(3)
    for number in range(rounds):
        data = bytearray(corpus[number % len(corpus)])
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                data[at : at + chance.randrange(12)] = chance.choice(WORDS)
        if number % 10 and len(corpus) > 4:
            data[:1] = corpus[number % len(corpus)][:1]
        one_input(bytes(data))


def test_all_targets_run_under_make_fuzz():
    made = (FOLDER.parent / "Makefile").read_text()
    scripts = {path.stem for path in FOLDER.glob("*.py")} - {"harness", "broken_media"}
    assert set(TARGETS) | {"malformed_store", "consent_documents"} == scripts
    assert all(name in made for name in scripts)
