"""A report as HTML: one file that opens offline, or the part that a page of the server puts into its frame.

Everything that comes from the file or its manifest is hostile text: Jinja2 escapes it, and nothing of it is put into
scripts or styles. No script is needed, and it prints on paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.catalogue import catalogue
from thsafe.core.state import state_of
from thsafe.core.types import Evidence, Json, Report, Status, Verdict
from thsafe.report.data import report_as_json
from thsafe.report.view import View, view_of

if TYPE_CHECKING:
    from thsafe.examination import Examination

_LADDER = tuple(Verdict)
_UNSHOWN = frozenset(
    {"state", "reason", "segments", "failures", "frames_read", "differs", "heat_map", "people", "score", "answer"}
)
"""Facts that the page says elsewhere already, or that only a program wants."""
_SYMBOLS = {Status.FOUND: "✓", Status.ABSENT: "–", Status.CONFLICT: "!", Status.NOT_EVALUATED: "?"}


def render_html(report: Report, examination: Examination, *, language: str = "en") -> str:
    """The page as text; pictures are embedded as JPEG."""
    return render_view(view_of(report, examination), language=language)


def render_view(view: View, *, language: str = "en") -> str:
    """The same, from a view that was drawn elsewhere."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("thsafe.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html").render(page_values(view, language))


def page_values(view: View, language: str) -> Mapping[str, Json]:
    """What ``body.html`` needs to show a view in one of the catalogue's languages."""
    import json

    return {
        "view": view,
        "report": view.report,
        "words": catalogue(language),
        "ladder": _LADDER,
        "symbols": _SYMBOLS,
        "facts": _facts,
        "state": state_of,
        "clock": clock,
        "raw": json.dumps(report_as_json(view.report), ensure_ascii=False, indent=2),
    }


def write_html(report: Report, examination: Examination, target: Path) -> None:
    """Write the page whole or not at all; raises StoreError when the place cannot be written."""
    from thsafe.media.files import write_whole

    write_whole(target, render_html(report, examination).encode())


def clock(seconds: float) -> str:
    """Minutes and seconds on a timeline, ``1:04.5``."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _facts(item: Evidence) -> list[tuple[str, str]]:
    """The plain facts under a finding, in words; nested ones are only in the JSON."""
    rows = []
    for name, value in item.detail.items():
        if name in _UNSHOWN or isinstance(value, dict) or value in (None, "", [], ()):
            continue
        rows.append((name.replace("_", " "), _in_words(value)))
    if item.strength is not None:
        rows.insert(0, ("likelihood ratio", _ratio(item)))
    if item.model_digest:
        rows.append(("model", f"SHA-256 {item.model_digest}"))
    return rows


def _ratio(item: Evidence) -> str:
    """A strength in numbers, as times more usual for one or for the other."""
    strength = item.strength or 0.0
    times = 10 ** abs(strength)
    side = "manipulated" if strength > 0 else "genuine"
    words = "as usual for either" if times < 1.05 else f"{times:.2g} times as usual for {side} files as for the others"
    if item.interval is None:
        return words
    return f"{words} (bounds: 1/{10 ** -item.interval[0]:.2g} to {10 ** item.interval[1]:.2g})"


def _in_words(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(_in_words(part) for part in value)
    # The IPTC address of a digital source type and the name space of an action say nothing to a reader.
    return str(value).removeprefix("http://cv.iptc.org/newscodes/digitalsourcetype/").removeprefix("c2pa.")
