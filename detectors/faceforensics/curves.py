"""The course of a training as one SVG: loss and validation AUC over the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 300, 56, 34
_COLOURS: Final = {"loss": "#b4542a", "auc": "#2a6fb4"}


def curves_svg(history: Sequence[Mapping[str, float]], *, title: str) -> str:
    """Both curves, each on its own scale, with the best validation marked.

    Args:
        history: rows with ``step``, ``loss`` and ``auc``, in order; at least one.
        title: what was trained.
    """
    last = max(row["step"] for row in history)
    most = max(0.1, *(row["loss"] for row in history))
    inner_w, inner_h = _WIDTH - 2 * _LEFT, _HEIGHT - 2 * _TOP

    def place(step: float, share: float) -> str:
        return f"{_LEFT + inner_w * step / max(last, 1):.1f},{_TOP + inner_h * (1 - min(max(share, 0), 1)):.1f}"

    loss = " ".join(place(row["step"], row["loss"] / most) for row in history)
    auc = " ".join(place(row["step"], (row["auc"] - 0.5) * 2) for row in history)
    best = max(history, key=lambda row: row["auc"])
    x, y = place(best["step"], (best["auc"] - 0.5) * 2).split(",")
    frame = f'<rect x="{_LEFT}" y="{_TOP}" width="{inner_w}" height="{inner_h}" fill="none" stroke="#999"/>'
    ticks = "".join(
        f'<text x="{_WIDTH - _LEFT + 6}" y="{_TOP + inner_h * (1 - share) + 4:.0f}" fill="{_COLOURS["auc"]}">'
        f"{0.5 + share / 2:.2f}</text>"
        f'<text x="{_LEFT - 6}" y="{_TOP + inner_h * (1 - share) + 4:.0f}" text-anchor="end" fill="{_COLOURS["loss"]}">'
        f"{most * share:.2f}</text>"
        for share in (0.0, 0.5, 1.0)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12" role="img"><title>{escape(title)}: loss and validation AUC</title>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>{frame}{ticks}'
        f'<polyline points="{loss}" fill="none" stroke="{_COLOURS["loss"]}" stroke-width="2"/>'
        f'<polyline points="{auc}" fill="none" stroke="{_COLOURS["auc"]}" stroke-width="2"/>'
        f'<circle cx="{x}" cy="{y}" r="4" fill="{_COLOURS["auc"]}"/>'
        f'<text x="{_LEFT}" y="20">{escape(title)}: <tspan fill="{_COLOURS["loss"]}">loss</tspan>, '
        f'<tspan fill="{_COLOURS["auc"]}">validation AUC</tspan>, best {best["auc"]:.4f} at {best["step"]:.0f}</text>'
        f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 10}" text-anchor="middle">steps, to {last:.0f}</text></svg>\n'
    )
