"""Dubs of known footage told from plain copies of it: ``python benchmarks/compare.py [GRID-FOLDER] [WORK-FOLDER]``.

Positives are dubs by the embedded engine (another talker's speech, new lips), encoded at CRF 33. Negatives are the same
films encoded at CRF 33: whole, cropped by a fifth, mirrored, brightened, at half size. The score is the largest mean
over two seconds of how far the mouth lies beyond copying. All figures are of few clips; n is printed beside them.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attacks
import numpy as np
from compare_clips import dubs, originals

_CRF = 33
_Copy = Callable[[Path, Path], None]


def measure(folder: Path, grid: Path | None) -> dict[str, object]:
    """All figures as JSON values."""
    from thsafe.comparison.compare import compare
    from thsafe.comparison.result import Kind, Outcome

    films = originals(folder, grid)
    scores: dict[str, list[float]] = {"dubs": [], "copies": []}
    called: dict[str, int] = dict.fromkeys(("dubs", "copies"), 0)
    voices, started, count = 0, time.process_time(), 0
    alarms: list[str] = []
    for name, suspect, film in _pairs(folder, films, grid):
        found = compare(suspect, film)
        kind = "dubs" if name == "dub" else "copies"
        scores[kind].append(max((moment.mouth or 0.0 for moment in found.moments), default=0.0))
        faces = any(item.kind in {Kind.MOUTH, Kind.FACE} for item in found.differences)
        called[kind] += faces if kind == "dubs" else found.outcome is not Outcome.COPY
        voices += kind == "dubs" and any(
            item.kind in {Kind.SOUND_REPLACED, Kind.SOUND_REVOICED} for item in found.differences
        )
        if kind == "copies" and found.outcome is not Outcome.COPY:
            alarms.append(f"{name}: {found.sentence}")
        count += 1
    wins = np.subtract.outer(scores["dubs"], scores["copies"])
    return {
        "films": len(films),
        "dubs": len(scores["dubs"]),
        "copies": len(scores["copies"]),
        "auc": round(float(np.mean((wins > 0) + 0.5 * (wins == 0))), 4),
        "least dub": round(min(scores["dubs"]), 3),
        "greatest copy": round(max(scores["copies"]), 3),
        "dubs whose mouth is called altered": called["dubs"],
        "dubs whose sound is called replaced": voices,
        "copies called altered": called["copies"],
        "false alarms": alarms,
        "cpu seconds a comparison": round((time.process_time() - started) / count, 2),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared; Python {platform.python_version()}",
    }


def _pairs(folder: Path, films: list[Path], grid: Path | None) -> list[tuple[str, Path, Path]]:
    del grid
    found = []
    for dub, film in dubs(folder, films):
        target = folder / f"crf{_CRF}-{dub.name}"
        if not target.exists():
            attacks.reencode(dub, target, crf=_CRF)
        found.append(("dub", target, film))
    for film in films:
        for name, copy in _COPIES.items():
            target = folder / f"{name}-crf{_CRF}-{film.name}"
            if not target.exists():
                copy(film, target)
            found.append((name, target, film))
    return found


def _brighter(_: float, picture: attacks.Picture) -> attacks.Picture:
    return np.clip(255 * (picture / 255.0) ** 0.7 * 0.9 + 20, 0, 255).astype(np.uint8)


def _changed(change: attacks.Change) -> _Copy:
    return lambda source, target: attacks.rewrite(source, target, change, crf=_CRF)


_COPIES: dict[str, _Copy] = {
    "whole": lambda source, target: attacks.reencode(source, target, crf=_CRF),
    "cropped": lambda source, target: attacks.crop(source, target, share=0.2, crf=_CRF),
    "mirrored": _changed(lambda _, picture: picture[:, ::-1]),
    "brightened": _changed(_brighter),
    "halved": lambda source, target: attacks.reencode(source, target, crf=_CRF, height=144),
}


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as scratch:
        place = given[1] if len(given) > 1 else Path(scratch)
        print(json.dumps(measure(place, given[0] if given else None), indent=2))
