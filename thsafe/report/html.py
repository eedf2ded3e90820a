"""A report as one HTML file that opens offline: pictures inside, no script needed, prints on paper.

Everything that comes from the file or its manifest is hostile text: Jinja2 escapes it, and nothing is put into
attributes, scripts or styles.
"""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import InputError
from thsafe.core.types import Evidence, Json, Report, Status, Verdict
from thsafe.report.data import report_as_json

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.examination import Examination
    from thsafe.provenance.read import Credentials

_THUMBNAILS = 12
_THUMBNAIL_WIDTH = 160
_DATA = "data:image/jpeg;base64,"
_LADDER = (
    (Verdict.DISCLOSED, "says what it is, credentials intact"),
    (Verdict.RECOVERED, "credentials were stripped and found again"),
    (Verdict.TAMPERED, "changed after signing, or marks contradict each other"),
    (Verdict.SIGNS_OF_SYNTHESIS, "traces of generation, nothing disclosed"),
    (Verdict.NO_SIGNS_FOUND, "looked, found nothing; proves nothing"),
    (Verdict.INCONCLUSIVE, "cannot be said"),
)
_UNSHOWN = frozenset({"state", "reason", "segments", "failures", "frames_read", "differs"})
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
        thumbnails=_thumbnails(examination, _differences(report)),
        trees=_manifest_trees(examination),
        raw=json.dumps(report_as_json(report), ensure_ascii=False, indent=2),
    )


def write_html(report: Report, examination: Examination, target: Path) -> None:
    """Write the page whole or not at all; raises StoreError when the place cannot be written."""
    from thsafe.media.files import write_whole

    write_whole(target, render_html(report, examination).encode())


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Still:
    """One picture on the timeline."""

    time: str
    picture: str
    """JPEG as data URI."""
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """One manifest store, as text and with the small pictures that it holds of its inputs."""

    title: str
    text: str
    pictures: tuple[tuple[str, str], ...]
    """(name of the input, picture as data URI)."""


def _differences(report: Report) -> list[tuple[float, float]]:
    """The stretches, in seconds, that some check found to differ from what was published."""
    return [(float(start), float(end)) for item in report.evidence for start, end in item.detail.get("differs", [])]


def _thumbnails(examination: Examination, differences: list[tuple[float, float]]) -> list[_Still]:
    """Pictures along the timeline, at least one from every stretch that differs."""
    frames = examination.frames
    if not frames:
        return []
    step = max(1, len(frames) // _THUMBNAILS)
    kept = dict(frames[::step][:_THUMBNAILS])
    for start, end in differences[:_THUMBNAILS]:
        inside = [(seconds, frame) for seconds, frame in frames if start <= seconds < end]
        kept |= dict(inside[len(inside) // 2 : len(inside) // 2 + 1])
    return [
        _Still(
            time=_clock(seconds),
            picture=_small_jpeg(frame),
            differs=any(start <= seconds < end for start, end in differences),
        )
        for seconds, frame in sorted(kept.items(), key=lambda item: item[0])
    ]


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"


def _small_jpeg(frame: Frame) -> str:
    import cv2

    from thsafe.media.image import encode_jpeg

    height, width = frame.shape[:2]
    size = (_THUMBNAIL_WIDTH, max(1, round(height * _THUMBNAIL_WIDTH / width)))
    small: Frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return _DATA + base64.b64encode(encode_jpeg(small, 80)).decode()


def _manifest_trees(examination: Examination) -> list[_Tree]:
    from thsafe.provenance.tree import tree_lines

    trees = []
    if examination.credentials is not None:
        text = "\n".join(tree_lines(examination.credentials))
        trees.append(_Tree(title="Manifest", text=text, pictures=_input_pictures(examination.credentials)))
    if examination.recovered is not None:
        text = "\n".join(tree_lines(examination.recovered, examination.recovery))
        pictures = _input_pictures(examination.recovered)
        trees.append(_Tree(title="Manifest found again", text=text, pictures=pictures))
    return trees


def _input_pictures(credentials: Credentials) -> tuple[tuple[str, str], ...]:
    """Small pictures from the manifest, decoded here and encoded anew: a browser gets none of the file's own bytes."""
    from thsafe.media.image import read_image

    pictures = []
    with tempfile.TemporaryDirectory(prefix="thsafe-report-") as folder:
        place = Path(folder) / "input"
        for item in credentials.thumbnails:
            try:
                place.write_bytes(base64.b64decode(item.data))
                pictures.append((item.title, _small_jpeg(read_image(place))))
            except (InputError, ValueError):
                continue  # not a picture after all: the tree above still names the input
    return tuple(pictures)
