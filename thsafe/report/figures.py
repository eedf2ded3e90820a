"""Small drawings in a report, as SVG of our own making: the curve of lip-sync, and moments along the time line."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from thsafe.core.types import Evidence

_WIDTH: Final = 460
_LEFT: Final = 46
_SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
)
_ROW: Final = 22
_MOST_ROWS: Final = 14
Row = tuple[float, float, str]


def figure_of(item: Evidence, seconds: float | None) -> tuple[str, str] | None:
    """The drawing that goes with a finding, as (words, SVG in a data URI); None for one that has none.

    Args:
        item: the finding.
        seconds: running time of the file.
    """
    curve = item.detail.get("lag_curve")
    if isinstance(curve, Mapping):
        return "How well lips and sound agree, for each lag", as_data(lag_curve(curve, item.detail))
    if item.check == "traces" and item.detail.get("segments"):
        rows = [(float(part["start"]), float(part["end"]), str(part["words"])) for part in item.detail["segments"]]
        return "Where traces lie on the time line", as_data(time_line(rows, max(seconds or 0.0, rows[-1][1])))
    return None


def as_data(svg: str) -> str:
    """An SVG as a data URI: in an ``img`` element nothing in it can run."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def lag_curve(curve: Mapping[str, Sequence[float]], facts: Mapping[str, Any]) -> str:
    """Agreement over lags, with the offset, its interval and the tolerated span.

    Args:
        curve: ``lags`` in seconds and ``agreement``.
        facts: ``offset_ms`` and ``offset_ms_interval``.
    """
    lags, values = list(curve["lags"]), list(curve["agreement"])
    height, top, bottom = 230, 14, 44
    low, high = min(values), max(values)
    span = max(high - low, 1e-6)

    def x(seconds: float) -> float:
        return _LEFT + (_WIDTH - 2 * _LEFT) * (seconds - lags[0]) / (lags[-1] - lags[0])

    def y(value: float) -> float:
        return top + (height - top - bottom) * (high - value) / span

    points = " ".join(f"{x(lag):.1f},{y(value):.1f}" for lag, value in zip(lags, values, strict=True))
    start, end = (min(max(value / 1000, lags[0]), lags[-1]) for value in facts["offset_ms_interval"])
    offset = min(max(facts["offset_ms"] / 1000, lags[0]), lags[-1])
    floor = height - bottom
    ticks = "".join(
        f'<text x="{x(lag):.0f}" y="{floor + 16}" text-anchor="middle" fill="#59636e">{lag:+.1f}</text>'
        for lag in (-1.0, -0.5, 0.0, 0.5, 1.0)
        if lags[0] <= lag <= lags[-1]
    )
    return (
        _SVG.format(width=_WIDTH, height=height)
        + f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
        + f'<rect x="{x(-0.2):.1f}" y="{top}" width="{x(0.2) - x(-0.2):.1f}" height="{floor - top}" fill="#eaf3ea"/>'
        + f'<rect x="{x(start):.1f}" y="{top}" width="{max(x(end) - x(start), 1):.1f}" height="{floor - top}" '
        + 'fill="#2a6fb4" opacity=".18"/>'
        + f'<line x1="{x(offset):.1f}" x2="{x(offset):.1f}" y1="{top}" y2="{floor}" stroke="#b4542a" stroke-width="2"/>'
        + f'<polyline points="{points}" fill="none" stroke="#1b1f24" stroke-width="2"/>{ticks}'
        + f'<text x="{_WIDTH / 2}" y="{height - 10}" text-anchor="middle" fill="#1b1f24">lag of the sound in seconds; '
        + "green: tolerated, blue: 95 %, red: offset</text>"
        + f'<text x="12" y="{top + 70}" transform="rotate(-90 12 {top + 70})" text-anchor="middle" fill="#59636e">'
        + "agreement</text></svg>"
    )


def time_line(rows: Sequence[Row], seconds: float) -> str:
    """One lane for each kind of trace, over the running time."""
    lanes: dict[str, list[Row]] = {}
    for row in rows:
        lanes.setdefault(row[2], []).append(row)
    shown = list(lanes.items())[:_MOST_ROWS]
    name_width, right = 170, 20
    height = 18 + _ROW * len(shown) + 24

    def x(at: float) -> float:
        return name_width + (_WIDTH - name_width - right) * min(max(at / max(seconds, 1e-6), 0.0), 1.0)

    parts = []
    for place, (words, marks) in enumerate(shown):
        middle = 18 + _ROW * place
        parts.append(f'<text x="8" y="{middle + 4}" fill="#1b1f24">{escape(words[:28])}</text>')
        parts.append(f'<line x1="{name_width}" x2="{_WIDTH - right}" y1="{middle}" y2="{middle}" stroke="#d1d9e0"/>')
        parts += [
            f'<rect x="{x(start) - 1.5:.1f}" y="{middle - 6}" width="{max(x(end) - x(start), 3):.1f}" height="12" '
            f'fill="#2a6fb4"><title>{start:.2f} to {end:.2f} s</title></rect>'
            for start, end, _ in marks
        ]
    ticks = "".join(
        f'<text x="{x(seconds * share):.0f}" y="{height - 8}" text-anchor="middle" fill="#59636e">'
        f"{seconds * share:.1f} s</text>"
        for share in (0.0, 0.5, 1.0)
    )
    return (
        _SVG.format(width=_WIDTH, height=height)
        + f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>{"".join(parts)}{ticks}</svg>'
    )
