"""A report as one HTML file that opens offline: pictures inside, no script needed, prints on paper.

Everything that comes from the file or its manifest is hostile text: Jinja2 escapes it, and nothing is put into
attributes, scripts or styles.
"""

from __future__ import annotations

import base64
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import StoreError
from thsafe.core.types import Evidence, Json, Report, Status, Verdict
from thsafe.report.data import report_as_json

if TYPE_CHECKING:
    from thsafe.verification import Examination

_THUMBNAILS = 12
_THUMBNAIL_WIDTH = 160
_LADDER = (
    (Verdict.DISCLOSED, "says what it is, credentials intact"),
    (Verdict.RECOVERED, "credentials were stripped and found again"),
    (Verdict.TAMPERED, "changed after signing, or marks contradict each other"),
    (Verdict.SIGNS_OF_SYNTHESIS, "traces of generation, nothing disclosed"),
    (Verdict.NO_SIGNS_FOUND, "looked, found nothing; proves nothing"),
    (Verdict.INCONCLUSIVE, "cannot be said"),
)
_UNSHOWN = frozenset({"state", "reason", "segments", "failures", "frames_read"})
"""Facts that the sentence above them says already, or that only a program wants."""
_SYMBOLS = {Status.FOUND: "✓", Status.ABSENT: "–", Status.CONFLICT: "!", Status.NOT_EVALUATED: "?"}


def render_html(report: Report, examination: Examination) -> str:
    """The page as text; pictures are embedded as JPEG."""
    import json

    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("thsafe.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html").render(
        report=report,
        ladder=_LADDER,
        symbols=_SYMBOLS,
        facts=_facts,
        thumbnails=_thumbnails(examination),
        tree=_manifest_tree(examination),
        raw=json.dumps(report_as_json(report), ensure_ascii=False, indent=2),
    )


def write_html(report: Report, examination: Examination, target: Path) -> None:
    """Write the page whole or not at all; raises StoreError when the place cannot be written."""
    text = render_html(report, examination)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".thsafe-report-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise StoreError(
            f"The report cannot be written to {target}.",
            code="store.report",
            found=str(problem),
            next_step="choose another place, or free some space",
        ) from problem


def _facts(item: Evidence) -> list[tuple[str, str]]:
    """The plain facts under a finding, in words; nested ones are only in the JSON."""
    rows = []
    for name, value in item.detail.items():
        if name in _UNSHOWN or isinstance(value, dict) or value in (None, "", [], ()):
            continue
        rows.append((name.replace("_", " "), _in_words(value)))
    return rows


def _in_words(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(_in_words(part) for part in value)
    # The IPTC address of a digital source type and the name space of an action say nothing to a reader.
    return str(value).removeprefix("http://cv.iptc.org/newscodes/digitalsourcetype/").removeprefix("c2pa.")


def _thumbnails(examination: Examination) -> list[tuple[str, str]]:
    """(time in words, JPEG as data URI) along the timeline."""
    import cv2

    from thsafe.media.image import encode_jpeg

    frames = examination.frames
    if not frames:
        return []
    step = max(1, len(frames) // _THUMBNAILS)
    pictures = []
    for seconds, frame in frames[::step][:_THUMBNAILS]:
        height, width = frame.shape[:2]
        size = (_THUMBNAIL_WIDTH, max(1, round(height * _THUMBNAIL_WIDTH / width)))
        jpeg = encode_jpeg(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), 80)
        minutes, rest = divmod(seconds, 60)
        pictures.append((f"{int(minutes)}:{rest:04.1f}", "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()))
    return pictures


def _manifest_tree(examination: Examination) -> str:
    from thsafe.provenance.tree import tree_lines

    if examination.credentials is None:
        return ""
    return "\n".join(tree_lines(examination.credentials))
