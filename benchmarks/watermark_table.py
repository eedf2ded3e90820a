"""The tables of ``docs/explanation/watermark.md`` from the rows of ``benchmarks/watermark.py``.

    python benchmarks/watermark_table.py result.json docs/explanation/watermark.md

What stands in the page between ``<!-- NAME -->`` and ``<!-- end of NAME -->`` is replaced: ``rows`` and ``quality``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from watermark_attacks import REQUIRED
from watermark_page import Row

_KINDS = {"cast": "drawn", "play": "paintings"}
_NINE_TENTHS = {"x264 CRF 36", "half size", "third size"}
_COLUMNS = {"512x512": "512", "1280x720": "720p", "1920x1080": "1080p"}
_QUALITY = {
    "RGB-PSNR": "rgb psnr",
    "PSNR-Y": "psnr-y",
    "SSIM": "ssim",
    "VMAF": "vmaf",
    "CIEDE2000": "ciede2000 mean",
    "bytes at CRF 18": "growth at CRF 18",
    "bytes at CRF 23": "growth at CRF 23",
}


def group(row: Row) -> str:
    """The column a row counts for: what the clip is and how large, or the peer's name."""
    if row["method"] != "thsafe":
        return str(row["method"])
    kind = _KINDS.get(str(row["clip"]).partition(":")[0], "filmed")
    return f"{kind} {_COLUMNS.get(str(row['size']), str(row['size']))}"


def robustness(rows: Sequence[Row]) -> str:
    """Exact ids per attack and group, with how often the public mark was seen; rows with a bar first."""
    judged = [row for row in rows if "exact" in row]
    columns = list(dict.fromkeys(group(row) for row in judged))
    names = list(dict.fromkeys(str(row["attack"]) for row in judged))
    ordered = [name for name in REQUIRED if name in names] + [name for name in names if name not in REQUIRED]
    lines = [f"| attack | {' | '.join(columns)} | public mark |", "|---" * (len(columns) + 2) + "|"]
    for name in ordered:
        here = [row for row in judged if row["attack"] == name]
        cells = [_share([bool(row["exact"]) for row in here if group(row) == column]) for column in columns]
        public = [row["public mark"] == "present" for row in here if "public mark" in row]
        said = f"**{name}**" if name in REQUIRED and name not in _NINE_TENTHS else name
        lines.append(f"| {said} | {' | '.join(cells)} | {_share(public, bold=False)} |")
    return "\n".join(lines)


def quality(rows: Sequence[Row]) -> str:
    """Range of each measure per group."""
    measured = [row for row in rows if row["attack"] == "quality"]
    lines = [f"| | clips | {' | '.join(_QUALITY)} |", "|---" * (len(_QUALITY) + 2) + "|"]
    for name in dict.fromkeys(group(row) for row in measured):
        here = [row for row in measured if group(row) == name]
        cells = [_range([float(str(row[key])) for row in here if key in row], key) for key in _QUALITY.values()]
        lines.append(f"| {name} | {len(here)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(found: Sequence[bool], *, bold: bool = True) -> str:
    if not found:
        return "–"
    text = f"{sum(found)}/{len(found)}"
    return f"**{text}**" if bold and not all(found) else text


def _range(values: Sequence[float], name: str) -> str:
    if not values:
        return "–"
    if "growth" in name:
        texts = [f"{value:+.0%}" for value in (min(values), max(values))]
    else:
        texts = [f"{value:.3f}" if name == "ssim" else f"{value:.1f}" for value in (min(values), max(values))]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def main() -> None:
    """Renew the tables of a page."""
    source, page = (Path(argument) for argument in sys.argv[1:3])
    rows = json.loads(source.read_text())["rows"]
    text = page.read_text()
    for name, table in (("rows", robustness(rows)), ("quality", quality(rows))):
        block = f"<!-- {name} -->\n{table}\n<!-- end of {name} -->"
        text = re.sub(rf"<!-- {name} -->.*<!-- end of {name} -->", lambda _, block=block: block, text, flags=re.DOTALL)
    page.write_text(text)


if __name__ == "__main__":
    main()
