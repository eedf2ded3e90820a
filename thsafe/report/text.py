"""A report as a few lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from thsafe.core.types import Report, Status

_SIGNS = {Status.FOUND: "+", Status.ABSENT: "-", Status.CONFLICT: "!", Status.NOT_EVALUATED: "?"}
_WIDTH = 100


def report_lines(report: Report, *, limits: bool = True) -> Iterator[str]:
    """Headline first, then one line per check, then what the report cannot tell."""
    yield f"{report.file}: {report.verdict}"
    yield from textwrap.wrap(report.sentence, _WIDTH, initial_indent="  ", subsequent_indent="  ")
    for item in report.evidence:
        code = f"[{item.code}] " if item.code else ""
        lead = f"  {_SIGNS[item.status]} {item.check:<12} "
        yield from textwrap.wrap(
            f"{code}{item.summary}", _WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead)
        )
    if limits:
        yield "  What this cannot tell:"
        for limit in report.limits:
            yield from textwrap.wrap(limit, _WIDTH, initial_indent="    ", subsequent_indent="      ")
