"""A calibration as one SVG: for each quality the likelihood ratio over the score, and where there is no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite, log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from detectors.faceforensics.calibrate import Bin, Calibration

_WIDTH, _HEIGHT, _LEFT, _TOP, _INNER_W, _INNER_H = 640, 190, 56, 40, 556, 112
_GENUINE, _MADE, _LINE, _GREY = "#2a6fb4", "#b4542a", "#333", "#999"
_MOST: Final = 400
"""Scores of a class that are drawn; of more, evenly chosen ones."""

Scores = Mapping[str, tuple[Sequence[int], Sequence[float]]]


def calibration_svg(made: Calibration, scores: Scores | None = None, *, title: str) -> str:
    """One panel a quality.

    Args:
        made: what was fitted.
        scores: for each quality the labels (1: manipulated) and scores it was fitted on, drawn as strokes at the rims:
            manipulated above, genuine below.
        title: which detector.
    """
    tall = 28 + _HEIGHT * len(made.bins)
    panels = "".join(
        f'<g transform="translate(0 {28 + _HEIGHT * row})">{_panel(name, found, (scores or {}).get(name))}</g>'
        for row, (name, found) in enumerate(made.bins.items())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {tall}" font-family="sans-serif" '
        f'font-size="12" role="img"><title>{escape(title)}: calibration</title>'
        f'<rect width="{_WIDTH}" height="{tall}" fill="#fff"/>'
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}: how many times as usual a score is among '
        f'<tspan fill="{_MADE}">manipulated</tspan> as among <tspan fill="{_GENUINE}">genuine</tspan></text>'
        f"{panels}</svg>\n"
    )


def _panel(name: str, found: Bin, scores: tuple[Sequence[int], Sequence[float]] | None) -> str:
    seen = [] if scores is None else [float(value) for value in scores[1]]
    limits = [value for value in (found.genuine_limit, found.manipulated_limit) if isfinite(value)]
    ends = [(bound - found.offset) / found.slope for bound in (found.lowest, found.highest)] if found.slope else []
    marks = [*seen, *limits, *ends] or [0.0]
    margin = 0.06 * (max(marks) - min(marks)) or 1.0
    low, high = min(marks) - margin, max(marks) + margin
    reach = max(found.highest, -found.lowest) / log(10)

    def across(score: float) -> float:
        return _LEFT + _INNER_W * (min(max(score, low), high) - low) / (high - low)

    def up(ratio: float) -> float:
        return _TOP + _INNER_H * (0.5 - 0.42 * ratio / reach)

    silent = sorted((across(found.genuine_limit), across(found.manipulated_limit)))
    bent = [low, *sorted(end for end in ends if low < end < high), high]
    line = " ".join(
        f"{across(score):.1f},"
        f"{up(min(max(found.slope * score + found.offset, found.lowest), found.highest) / log(10)):.1f}"
        for score in bent
    )
    ticks = "".join(
        f'<text x="{_LEFT - 6}" y="{up(value) + 4:.0f}" text-anchor="end">{10**value:.3g}</text>'
        for value in (-reach, 0.0, reach)
    )
    strokes = ""
    if scores is not None:
        for side, colour, y in ((1, _MADE, _TOP), (0, _GENUINE, _TOP + _INNER_H - 8)):
            chosen = [value for label, value in zip(scores[0], seen, strict=True) if int(label) == side]
            strokes += "".join(
                f'<path d="M{across(value):.1f} {y}v8" stroke="{colour}" stroke-opacity=".5"/>'
                for value in chosen[:: max(1, len(chosen) // _MOST)]
            )
    return (
        f'<text x="{_LEFT}" y="{_TOP - 8}">{escape(name)}: {found.genuine} genuine, {found.manipulated} manipulated; '
        "grey: no answer</text>"
        f'<rect x="{silent[0]:.1f}" y="{_TOP}" width="{silent[1] - silent[0]:.1f}" height="{_INNER_H}" fill="#eee"/>'
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_INNER_W}" height="{_INNER_H}" fill="none" stroke="{_GREY}"/>'
        f'<path d="M{_LEFT} {up(0):.1f}h{_INNER_W}" stroke="{_GREY}" stroke-dasharray="3 3"/>{ticks}{strokes}'
        f'<polyline points="{line}" fill="none" stroke="{_LINE}" stroke-width="2"/>'
        f'<text x="{_LEFT}" y="{_TOP + _INNER_H + 16}">score {low:.2g}</text>'
        f'<text x="{_LEFT + _INNER_W}" y="{_TOP + _INNER_H + 16}" text-anchor="end">{high:.2g}</text>'
    )
