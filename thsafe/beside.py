"""A file under examination beside the originals that this home knows: found by fingerprint, then compared in full."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import StoreError
from thsafe.core.types import Evidence, Json, Status
from thsafe.examination import not_evaluated

if TYPE_CHECKING:
    from thsafe.comparison.compare import Seen
    from thsafe.examination import Examination
    from thsafe.home import Home
    from thsafe.store.originals import Original

CHECK = "originals"
_MOST = 3
"""Originals compared in full: what looks most alike."""


def has_originals(home: Home) -> bool:
    """Whether there is an index to look in; looking makes no database."""
    kind, _, place = home.database_url.partition(":///")
    if kind == "sqlite" and "?" not in place and not Path(place).exists():
        return False  # said before anything of a database is loaded

    from thsafe.comparison.originals import Originals
    from thsafe.ledger.transfer import standing

    try:
        if not standing(home.database_url).usable:
            return False
        with Originals(home) as originals:
            return originals.any()
    except StoreError:
        return True  # perhaps there is: the check will say what is wrong


def check_originals(examination: Examination) -> Evidence:
    """Look for an original of the file, and say what differs from it."""
    from thsafe.comparison.compare import look
    from thsafe.comparison.originals import Originals
    from thsafe.comparison.result import Outcome
    from thsafe.media.digest import hash_file

    with Originals(examination.home) as originals:
        alike = originals.alike(picture=examination.fingerprint(), sound=examination.soundprint())
    if not alike:
        return Evidence(
            check=CHECK, status=Status.ABSENT, summary="No original kept here looks or sounds like this file."
        )
    there = [entry for entry in alike[:_MOST] if entry.present() and hash_file(Path(entry.path)) == entry.sha256]
    if not there:
        words = f"{len(alike)} originals look or sound like this file, but none lies where it was when it was added."
        return not_evaluated(CHECK, words, code="ORIGINAL-GONE")
    seen = [(entry, look(examination.path, Path(entry.path))) for entry in there]
    rank = (Outcome.IDENTICAL, Outcome.COPY, Outcome.ALTERED, Outcome.OTHER)
    entry, best = min(
        seen, key=lambda item: (rank.index(item[1].comparison.outcome), len(item[1].comparison.differences))
    )
    return _evidence(entry, best)


def _evidence(entry: Original, seen: Seen) -> Evidence:
    from thsafe.comparison.result import Outcome

    found = seen.comparison
    status, code = {
        Outcome.IDENTICAL: (Status.FOUND, "IDENTICAL"),
        Outcome.COPY: (Status.FOUND, "COPY"),
        Outcome.ALTERED: (Status.CONFLICT, "ALTERED"),
        Outcome.OTHER: (Status.ABSENT, "ANOTHER-TAKE"),
    }[found.outcome]
    sentence = {
        Outcome.IDENTICAL: "An original kept here, byte for byte.",
        Outcome.OTHER: "Originals kept here look like this file, but it is no copy of them.",
    }.get(found.outcome, found.sentence.replace("of the original", "of an original kept here", 1))
    detail: dict[str, Json] = {
        "original": found.original,
        "original_sha256": entry.sha256,
        "differences": [item.words for item in found.differences],
        "changes": list(found.changes),
        "differs": [[item.start, item.end] for item in found.differences if item.end > item.start],
        "not_compared": list(found.not_compared),
    }
    if found.outcome is Outcome.ALTERED and (jpeg := _heat(seen, Path(entry.path))) is not None:
        detail["heat_map"] = jpeg
    return Evidence(
        check=CHECK, status=status, code=code, summary=sentence, detail={k: v for k, v in detail.items() if v}
    )


def _heat(seen: Seen, original: Path) -> dict[str, Json] | None:
    """Where it differs, over a picture of the original, as the report draws it."""
    from thsafe.comparison.heat import coloured, picture_at
    from thsafe.media.image import encode_jpeg

    seconds = seen.timing.runs[0].original_start if seen.timing and seen.timing.runs else 0.0
    frame = picture_at(original, seconds)
    if seen.heat is None or frame is None:
        return None
    return {"seconds": seconds, "jpeg": base64.b64encode(encode_jpeg(coloured(frame, seen.heat), 80)).decode()}
