"""What this machine has and lacks, part by part, each with the step that mends it. Changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from thsafe.core.clock import system_clock
from thsafe.core.errors import ThsafeError
from thsafe.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part of the environment."""

    part: str
    state: Literal["ok", "note", "bad"]
    """``note``: works, but a person should know; ``bad``: something will fail."""
    found: str
    next_step: str = ""


def diagnose(home: Home | None = None) -> tuple[Finding, ...]:
    """Look at every part; a part that breaks the look is itself a finding."""
    home = home or Home.default()
    findings: list[Finding] = []
    for part, look in _PARTS.items():
        try:
            findings.extend(look(home))
        except Exception as problem:  # noqa: BLE001 - a broken part is what the doctor is asked about
            findings.append(Finding(part=part, state="bad", found=f"{type(problem).__name__}: {problem}"))
    return tuple(findings)


def _python(_home: Home) -> Iterator[Finding]:
    version = sys.version.split()[0]
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    yield Finding(
        part="python",
        state="ok" if fits else "bad",
        found=version,
        next_step="" if fits else "use Python 3.11 or 3.12: the landmark finder has no build for others",
    )


def _ownership(_home: Home) -> Iterator[Finding]:
    from thsafe._ownership import foreign_packages

    foreign = foreign_packages()
    yield Finding(
        part="packages",
        state="bad" if foreign else "ok",
        found=", ".join(f"{name} is not ours ({where})" for name, where in foreign.items()) or "all ours",
        next_step="install thsafe in an environment of its own: uv tool install thsafe" if foreign else "",
    )


def _libraries(_home: Home) -> Iterator[Finding]:
    for package, needed_for in (
        ("c2pa-python", "credentials"),
        ("av", "video and sound"),
        ("opencv-python", "pictures"),
        ("mediapipe", "finding faces"),
        ("cedarpy", "policy"),
    ):
        try:
            yield Finding(part=package, state="ok", found=metadata.version(package))
        except metadata.PackageNotFoundError:
            yield Finding(
                part=package,
                state="bad",
                found=f"missing; needed for {needed_for}",
                next_step=f"pip install {package}",
            )


def _opencv(_home: Home) -> Iterator[Finding]:
    try:
        import cv2
    except ImportError as problem:
        yield Finding(
            part="opencv",
            state="bad",
            found=str(problem),
            next_step="apt-get install libgl1 libglib2.0-0, or install opencv-python-headless",
        )
        return
    yield Finding(part="opencv", state="ok", found=f"loads, {cv2.getNumThreads()} threads")


def _codecs(_home: Home) -> Iterator[Finding]:
    from thsafe.media.codecs import available_encoders

    missing = [name for name, there in available_encoders().items() if not there]
    yield Finding(
        part="codecs",
        state="bad" if missing else "ok",
        found="missing: " + ", ".join(missing) if missing else "H.264 and AAC can be written",
        next_step="reinstall PyAV from its wheel: pip install --force-reinstall av" if missing else "",
    )


def _voice(_home: Home) -> Iterator[Finding]:
    import importlib.util

    there = importlib.util.find_spec("espeakng_loader") is not None
    yield Finding(
        part="voice",
        state="ok" if there else "note",
        found="espeak-ng" if there else "no voice; text cannot be spoken, recordings can be animated",
        next_step="" if there else 'pip install "thsafe[speech]"',
    )


def _live2d(_home: Home) -> Iterator[Finding]:
    from thsafe.registry import live2d_lacks

    lacks = live2d_lacks()
    yield Finding(
        part="live2d",
        state="note" if lacks else "ok",
        found="models can be drawn" if not lacks else f"{lacks[0]}; thsafe's own figures can be drawn all the same",
        next_step=lacks[1] if lacks else "",
    )


def _keys(home: Home) -> Iterator[Finding]:
    from thsafe.keys import KeyRing

    try:
        ring = KeyRing.open(home)
    except ThsafeError as problem:
        yield Finding(part="keys", state="note", found=problem.message, next_step=problem.next_step)
        return
    problems = ring.problems(system_clock())
    for item in problems:
        yield Finding(part="keys", state="bad", found=str(item), next_step="thsafe keys new --force, or mend the file")
    if not problems:
        kind = "development certificate" if ring.development else "certificate"
        yield Finding(part="keys", state="ok", found=f"{kind}, in {home.keys}")


def _trust(home: Home) -> Iterator[Finding]:
    from thsafe.provenance.trustlists import describe_lists, stale_words

    now = system_clock()
    lists = describe_lists(home, now)
    words = list(stale_words(home, now))
    official = any(item.kind == "c2pa" for item in lists)
    yield Finding(
        part="trust lists",
        state="note" if words or not official else "ok",
        found=" ".join(words)
        or ("; ".join(f"{item.name} ({item.kind}), {item.certificates}" for item in lists) or "none")
        + ("" if official else "; signers elsewhere are unknown here"),
        next_step="thsafe trust update" if words or not official else "",
    )


def _log(home: Home) -> Iterator[Finding]:
    from thsafe.installation import Installation

    installation = Installation.open_or_none(home)
    if installation is None:
        yield Finding(part="log", state="note", found="none yet; the first job makes it")
        return
    report = installation.ledger.verify()
    yield Finding(
        part="log",
        state="ok" if report.ok else "bad",
        found=f"{report.size} entries"
        + ("" if report.ok else "; " + "; ".join(item.message for item in report.problems[:3])),
        next_step="" if report.ok else "thsafe log verify, and keep a copy before anything else",
    )


def _database(home: Home) -> Iterator[Finding]:
    from thsafe.ledger.transfer import standing

    found = standing(home.database_url)
    older = 0 < found.version < found.known
    yield Finding(
        part="database",
        state="bad" if older else "ok",
        found=f"version {found.version}, this program works with {found.known}" if older else found.address,
        next_step="thsafe doctor --fix, or: thsafe db backup FILE, then thsafe db upgrade" if older else "",
    )


def _weights(home: Home) -> Iterator[Finding]:
    from thsafe.models import all_cards, installed_path

    for card in all_cards():
        there = installed_path(card, home) is not None
        yield Finding(
            part=f"weights {card.name}",
            state="ok" if there else "note",
            found="installed" if there else "not installed; only needed for its own engine",
            next_step="" if there else f"thsafe models pull {card.name}",
        )


_PARTS: dict[str, Callable[[Home], Iterator[Finding]]] = {
    "python": _python,
    "packages": _ownership,
    "libraries": _libraries,
    "opencv": _opencv,
    "codecs": _codecs,
    "voice": _voice,
    "live2d": _live2d,
    "keys": _keys,
    "trust lists": _trust,
    "database": _database,
    "log": _log,
    "weights": _weights,
}
