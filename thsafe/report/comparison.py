"""A comparison as one HTML file: the sentence, a time line with pictures of both, and a map of where they differ.

File names are hostile text and are escaped; pictures are decoded here and embedded as new JPEG.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.comparison.heat import coloured, picture_at
from thsafe.comparison.result import Moment, Outcome, clock
from thsafe.report.view import small_jpeg

if TYPE_CHECKING:
    from thsafe.comparison.compare import Seen

_MOMENTS = 30
"""Rows of the time line; of longer films those that differ most, in order."""
_HEADLINES = {
    Outcome.IDENTICAL: ("the same file", "disclosed"),
    Outcome.COPY: ("a copy", "disclosed"),
    Outcome.ALTERED: ("an altered copy", "tampered"),
    Outcome.OTHER: ("not a copy", "inconclusive"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One moment with the pictures of both."""

    moment: Moment
    suspect: str
    original: str
    differs: bool


def write_comparison(seen: Seen, suspect: Path, original: Path, target: Path) -> None:
    """Write the page whole or not at all; raises StoreError when the place cannot be written."""
    from thsafe.media.files import write_whole

    write_whole(target, render_comparison(seen, suspect, original).encode())


def render_comparison(seen: Seen, suspect: Path, original: Path) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("thsafe.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    found = seen.comparison
    headline, style = _HEADLINES[found.outcome]
    return environment.get_template("comparison.html").render(
        found=found,
        headline=headline,
        style=style,
        rows=_rows(seen, suspect, original),
        heat=heat_jpeg(seen, original),
        clock=clock,
        raw=json.dumps(found.as_json(), ensure_ascii=False, indent=2),
    )


def heat_jpeg(seen: Seen, original: Path) -> str | None:
    """The map of differences over a picture of the original, as data URI; None where nothing was measured."""
    frame = picture_at(original, seen.timing.runs[0].original_start if seen.timing and seen.timing.runs else 0.0)
    if seen.heat is None or frame is None:
        return None
    return small_jpeg(coloured(frame, seen.heat), width=480)


def _rows(seen: Seen, suspect: Path, original: Path) -> list[_Row]:
    moments = list(seen.comparison.moments)
    if len(moments) > _MOMENTS:
        kept = sorted(moments, key=lambda item: -max(item.mouth or 0, item.face or 0))[:_MOMENTS]
        moments = sorted(kept, key=lambda item: item.start)
    spans = [(item.start, item.end) for item in seen.comparison.differences]
    rows = []
    for moment in moments:
        middle = (moment.start + moment.end) / 2
        at = None
        for run in seen.timing.runs if seen.timing else ():
            if run.start <= middle <= run.end:
                at = run.original_at(middle)
        theirs, ours = picture_at(suspect, middle), None if at is None else picture_at(original, at)
        rows.append(
            _Row(
                moment=moment,
                suspect="" if theirs is None else small_jpeg(theirs),
                original="" if ours is None else small_jpeg(ours),
                differs=any(start < moment.end and end > moment.start for start, end in spans),
            )
        )
    return rows
