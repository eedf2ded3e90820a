"""One HTML page from the rows of ``benchmarks/watermark.py``: curves as inline SVG, then every row, failures too."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

Row = Mapping[str, object]
_COLOURS = (
    *("#1f5fa8", "#b4441f", "#2d7d46", "#7a4fa3", "#8a6d00", "#00788a"),
    *("#a83279", "#444444", "#5d8a00", "#9a5b2f", "#3f6f8f", "#c02040"),
)
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _BOTTOM = 620, 300, 46, 190, 40
_APART = 18
"""Pixels from one number under the axis to the next, at least."""


def curves(rows: Sequence[Row]) -> dict[str, str]:
    """Pictures (SVG) of the share of ids read, by file name: against the encoder's CRF and against seconds of video."""
    by_crf: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    by_seconds: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row in rows:
        if row.get("method") != "thsafe" or "exact" not in row:
            continue
        attack, size = str(row["attack"]), str(row["size"])
        if match := re.fullmatch(r"(x264 CRF|x265 CRF|VP9|AV1) (\d+)", attack):
            by_crf[f"{match[1].removesuffix(' CRF')}, {size}"].append((float(match[2]), bool(row["exact"])))
        elif match := re.fullmatch(r"(x264 CRF \d+), first ([\d.]+) s", attack):
            by_seconds[f"{match[1]}, {size}"].append((float(match[2]), bool(row["exact"])))
    return {
        "watermark-crf": _chart("Ids read against the encoder's CRF", "CRF", by_crf),
        "watermark-seconds": _chart("Ids read against seconds of video", "seconds", by_seconds),
    }


def page(rows: Sequence[Row], facts: Mapping[str, object]) -> str:
    """The whole page; ``facts`` are said at the top."""
    said = "".join(f"<li>{html.escape(name)}: {html.escape(str(value))}</li>" for name, value in facts.items())
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Watermark robustness</title>"
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse;font-size:.85rem}td,th{border:1px solid #ccc;padding:.15rem .5rem;"
        "text-align:left}.no{background:#f6d9d2}figure{display:inline-block;margin:0 1rem 1rem 0}</style>"
        f"<h1>Watermark robustness</h1><ul>{said}</ul>"
        + "".join(f"<figure>{chart}</figure>" for chart in curves(rows).values() if chart)
        + "<h2>Ids read, by attack</h2>"
        + _summary(rows)
        + "<h2>Quality</h2>"
        + _table([row for row in rows if row["attack"] == "quality"])
        + "<h2>Every row</h2>"
        + _table([row for row in rows if row["attack"] != "quality"])
        + "</html>\n"
    )


def _chart(title: str, unit: str, series: Mapping[str, Sequence[tuple[float, bool]]]) -> str:
    """Share of exact ids over a number, one line per series."""
    points = {name: _shares(values) for name, values in series.items() if values}
    if not points:
        return ""
    numbers = [number for line in points.values() for number, _, _ in line]
    low, high = min(numbers), max(*numbers, min(numbers) + 1)

    def place(number: float, share: float) -> tuple[float, float]:
        x = _LEFT + (number - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)
        return round(x, 1), round(12 + (1 - share) * (_HEIGHT - _BOTTOM - 12), 1)

    size = f"viewBox='0 0 {_WIDTH} {_HEIGHT}' width='{_WIDTH}'"
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' font-family='sans-serif' font-size='13'>",
        f"<title>{title}</title><path d='M0 0H{_WIDTH}V{_HEIGHT}H0Z' fill='#fff'/>",
    ]
    for share in (0, 0.5, 1):
        x, y = place(low, share)
        parts.append(f"<path d='M{x} {y}H{_WIDTH - _RIGHT}' stroke='#ddd'/><text x='4' y='{y + 4}'>{share:.0%}</text>")
    last = -float(_APART)
    for mark in sorted(set(numbers)):
        x = place(mark, 0)[0] - 6
        if x - last >= _APART:
            parts.append(f"<text x='{x}' y='{_HEIGHT - 22}'>{mark:g}</text>")
            last = x
    for number, (name, line) in enumerate(points.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{x},{y}" for x, y in (place(at, share) for at, share, _ in line))
        parts.append(f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2'/>")
        for at, share, count in line:
            x, y = place(at, share)
            parts.append(
                f"<circle cx='{x}' cy='{y}' r='3.5' fill='{colour}'><title>{share:.0%} of {count}</title></circle>"
            )
        parts.append(
            f"<text x='{_WIDTH - _RIGHT + 8}' y='{24 + 18 * number}' fill='{colour}'>{html.escape(name)}</text>"
        )
    parts.append(f"<text x='{_WIDTH / 2 - 60}' y='{_HEIGHT - 4}'>{unit}</text></svg>")
    return "".join(parts)


def _shares(values: Iterable[tuple[float, bool]]) -> list[tuple[float, float, int]]:
    grouped: dict[float, list[bool]] = defaultdict(list)
    for number, exact in values:
        grouped[number].append(exact)
    return [(number, sum(found) / len(found), len(found)) for number, found in sorted(grouped.items())]


def summary(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Head and lines of the table of exact ids: one line per attack, one column per method and size."""
    judged = [row for row in rows if "exact" in row]
    columns = list(dict.fromkeys((str(row["method"]), str(row["size"])) for row in judged))
    lines = []
    for attack in dict.fromkeys(str(row["attack"]) for row in judged):
        line = [attack]
        for column in columns:
            found = [
                bool(row["exact"])
                for row in judged
                if row["attack"] == attack and (row["method"], row["size"]) == column
            ]
            line.append(f"{sum(found)}/{len(found)}" if found else "–")
        lines.append(line)
    return ["attack", *(f"{method} {size}" for method, size in columns)], lines


def _summary(rows: Sequence[Row]) -> str:
    head, lines = summary(rows)
    out = "<table><tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"
    for line in lines:
        cells = "".join(f"<td{_flag(cell)}>{html.escape(cell)}</td>" for cell in line)
        out += f"<tr>{cells}</tr>"
    return out + "</table>"


def _flag(cell: str) -> str:
    found, _, of = cell.partition("/")
    return " class='no'" if of.isdigit() and found.isdigit() and int(found) < int(of) else ""


def _table(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = "<table><tr>" + "".join(f"<th>{html.escape(name)}</th>" for name in names) + "</tr>"
    for row in rows:
        flag = " class='no'" if row.get("exact") is False else ""
        cells = "".join(f"<td>{html.escape(str(row.get(name, '')))}</td>" for name in names)
        out += f"<tr{flag}>{cells}</tr>"
    return out + "</table>"
