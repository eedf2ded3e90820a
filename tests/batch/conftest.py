"""Batches on both databases, and small media to verify."""

import os
import secrets
import shutil
from hashlib import sha256
from pathlib import Path

import cv2
import numpy as np
import pytest

from thsafe.batch.executors import Answer
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.ledger.log import Ledger
from thsafe.store.batches import Batches


@pytest.fixture(scope="session")
def picture(tmp_path_factory) -> bytes:
    """A small JPEG without credentials."""
    path = tmp_path_factory.mktemp("picture") / "raw.jpg"
    noise = np.random.default_rng(1).integers(50, 200, (6, 8, 3)).astype(np.uint8)
    cv2.imwrite(str(path), cv2.resize(noise, (96, 64), interpolation=cv2.INTER_CUBIC))
    return path.read_bytes()


@pytest.fixture(scope="session")
def signed(tmp_path_factory, picture) -> tuple[Path, Path]:
    """A home with keys in which one picture was published, and that picture."""
    folder = tmp_path_factory.mktemp("signed")
    home, made = Home(folder / "home"), folder / "signed.jpg"
    KeyRing.create(home)
    from thsafe.labelling import Labeller

    raw = folder / "raw.jpg"
    big = cv2.resize(cv2.imdecode(np.frombuffer(picture, np.uint8), 1), (256, 192), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(raw), big)
    Labeller(home=home).label(raw, made, origin="generated", shows_nobody=True)
    return home.path, made


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, home: Path, monkeypatch) -> Home:
    """A home with keys whose database is the one kind, then the other."""
    if request.param == "postgresql":
        monkeypatch.setenv("THSAFE_DB", request.getfixturevalue("postgres_url"))
    KeyRing.create(Home(home))
    return Home(home)


@pytest.fixture
def lite(home: Path) -> Home:
    """A home with keys on SQLite."""
    KeyRing.create(Home(home))
    return Home(home)


@pytest.fixture
def many(tmp_path, picture):
    """Makes a folder of so many pictures that differ; some of them break their worker or are none."""

    def make(count: int, *, poison: int = 0, broken: int = 0) -> Path:
        folder = tmp_path / f"many-{secrets.token_hex(3)}"
        folder.mkdir()
        step = count // poison if poison else 0
        for number in range(count):
            kind = "poison" if poison and number % step == 0 and number // step < poison else "fine"
            if kind == "fine" and number < broken * 2 and number % 2:
                (folder / f"{number:05}.txt").write_text("no picture")
                continue
            (folder / f"{number:05}-{kind}.jpg").write_bytes(picture + b"%d" % number)
        return folder

    return make


class Scripted:
    """An executor in this very process: answers at once, with the digest of the source for a report."""

    survives = True

    def __init__(self, brief, staff, *, script=None):
        self.brief, self.given, self.script = brief, [], script or {}
        self.seen = []

    def room(self):
        return 8 - len(self.given)

    def submit(self, item):
        self.given.append(item)
        self.seen.append(item.source)

    def wait(self, seconds):
        given, self.given = self.given, []
        return [self.answer(item) for item in given]

    def answer(self, item):
        name = os.path.basename(item.source)  # noqa: PTH119 - pathlib keeps each part of each path for good
        told = self.script.get(name, self.script.get("*"))
        if told is not None:
            made = told(item)
            if made is not None:
                return made
        with open(item.source, "rb") as file:  # noqa: PTH123
            digest = sha256(file.read()).hexdigest()
        report = {
            "file": name,
            "sha256": digest,
            "verdict": "inconclusive",
            "at": "2026-01-01T00:00:00Z",
        }
        result = {"state": "done", "key": digest, "sha256": digest, "verdict": "inconclusive", "report": report}
        return Answer(number=item.number, result=result)

    def close(self):
        self.given = []


@pytest.fixture
def scripted():
    """Makes an executor of ``Scripted``; ``made`` holds those that were opened."""

    def opened_with(script=None):
        def opened(name, brief, staff):
            opened.made.append(Scripted(brief, staff, script=script))
            return opened.made[-1]

        opened.made = []
        return opened

    return opened_with


@pytest.fixture
def killers(monkeypatch):
    """Every worker ends at a file whose name says poison, as a crash of native code would end it."""
    folder = Path(__file__).parent / "killers"
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.fixture
def rows():
    """Opens the batches of a home."""
    opened = []

    def open_rows(home: Home) -> Batches:
        opened.append(Batches.open(home.database_url))
        return opened[-1]

    yield open_rows
    for batches in opened:
        batches.close()


@pytest.fixture
def logged():
    """The verify entries of a home's log, as digests; the log must verify."""

    def look(home: Home) -> list[str]:
        with Ledger.open(home, key=KeyRing.open(home).log_key()) as ledger:
            assert ledger.verify().ok
            return [str(entry.event["sha256"]) for entry in ledger.find("verify")]

    return look


@pytest.fixture
def copied(signed, home, monkeypatch):
    """The home of ``signed`` as this test's own."""
    shutil.copytree(signed[0], home)
    return Home(home)
