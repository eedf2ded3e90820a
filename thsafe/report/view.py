"""All that a page about a report shows, as values that travel: between processes, and into one language or another.

The file and what was decoded from it stay with whoever examined it; from here on there is text and small JPEG pictures.
"""

from __future__ import annotations

import base64
import math
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import InputError
from thsafe.core.types import Json, Report
from thsafe.report.data import report_as_json, report_from_json

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.examination import Examination
    from thsafe.provenance.read import Credentials

_WINDOW = 2.0
"""Seconds of the timeline under one picture; more where the file is long."""
_THUMBNAILS = 48
_FEWEST = 12
"""Pictures of a film that is too short for three windows: what it shows is to be seen all the same."""
_THUMBNAIL_WIDTH = 160
_DATA = "data:image/jpeg;base64,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """One picture on the timeline."""

    seconds: float
    """Where its stretch begins."""
    end: float
    picture: str
    """JPEG as data URI."""
    differs: bool
    scores: tuple[tuple[str, str], ...] = ()
    """(check, score) of what looked at these seconds by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of the timeline about which one check says something by itself."""

    check: str
    start: float
    end: float
    """Seconds."""
    words: str
    """A watermark id; empty for a stretch that differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Where a detector looked: its map, drawn over one frame."""

    check: str
    seconds: float
    picture: str
    """JPEG as data URI."""
    covers: int | None = None
    """Percent of what raises the score that the map lays out; None where it lays out all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A drawing that goes with one finding."""

    check: str
    words: str
    """What it shows."""
    picture: str
    """SVG as data URI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """One manifest store, as text and with the small pictures that it holds of its inputs."""

    kind: str
    """``manifest`` or ``recovered``."""
    text: str
    pictures: tuple[tuple[str, str], ...] = ()
    """(name of the input, picture as data URI)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A report with its pictures."""

    report: Report
    stills: tuple[Still, ...] = ()
    segments: tuple[Segment, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    figures: tuple[Figure, ...] = ()
    trees: tuple[Tree, ...] = ()


def view_of(report: Report, examination: Examination) -> View:
    """Draw the small pictures and collect what a page needs."""
    return View(
        report=report,
        stills=_stills(examination, report),
        segments=_segments(report),
        heat_maps=_heat_maps(report),
        figures=_figures(report),
        trees=_trees(examination),
    )


def view_as_json(view: View) -> dict[str, Json]:
    """A JSON value that :func:`view_from_json` turns back into the same view."""
    return asdict(view) | {"report": report_as_json(view.report)}


def view_from_json(value: Mapping[str, Json]) -> View:
    """A view from its JSON value; raises KeyError, TypeError or ValueError for anything else."""
    return View(
        report=report_from_json(value["report"]),
        stills=tuple(
            Still(**{**item, "scores": tuple((check, score) for check, score in item["scores"])})
            for item in value["stills"]
        ),
        segments=tuple(Segment(**item) for item in value["segments"]),
        heat_maps=tuple(HeatMap(**item) for item in value["heat_maps"]),
        figures=tuple(Figure(**item) for item in value["figures"]),
        trees=tuple(
            Tree(**{**item, "pictures": tuple((name, picture) for name, picture in item["pictures"])})
            for item in value["trees"]
        ),
    )


def _differences(report: Report) -> list[tuple[float, float]]:
    """The stretches, in seconds, that some check found to differ from what was published."""
    return [(float(start), float(end)) for item in report.evidence for start, end in item.detail.get("differs", [])]


def _segments(report: Report) -> tuple[Segment, ...]:
    """What checks say of single stretches: marks and differences; scores stand under the pictures."""
    found = []
    for item in report.evidence:
        for part in item.detail.get("segments") or []:
            words = str(part.get("words") or part.get("mark_id") or "")
            if words:
                start, end = float(part["start"]), float(part["end"])
                found.append(Segment(check=item.check, start=start, end=end, words=words))
        for start, end in item.detail.get("differs", []):
            found.append(Segment(check=item.check, start=float(start), end=float(end), words=""))
    return tuple(found)


def _heat_maps(report: Report) -> tuple[HeatMap, ...]:
    """The maps that detectors hand over in ``detail["heat_map"]``: ``{"seconds": …, "jpeg": base64, "covers": …}``."""
    maps = []
    for item in report.evidence:
        given = item.detail.get("heat_map")
        if isinstance(given, Mapping) and isinstance(given.get("jpeg"), str):
            picture = _DATA + base64.b64encode(base64.b64decode(given["jpeg"])).decode()
            seconds, share = float(given.get("seconds", 0.0)), given.get("covers")
            covers = None if share is None else round(100 * float(share))
            maps.append(HeatMap(check=item.check, seconds=seconds, picture=picture, covers=covers))
    return tuple(maps)


def _figures(report: Report) -> tuple[Figure, ...]:
    from thsafe.report.figures import figure_of

    drawn = [(item.check, figure_of(item, report.media.get("duration"))) for item in report.evidence]
    return tuple(Figure(check=check, words=found[0], picture=found[1]) for check, found in drawn if found is not None)


def _stills(examination: Examination, report: Report) -> tuple[Still, ...]:
    """A picture for every two seconds of a film, with what checks say of just these; one for a photograph."""
    frames = examination.sampled()
    if not frames:
        return ()
    told = float(report.media.get("duration") or 0.0)
    duration = max(told, frames[-1][0])
    window = told / _FEWEST if 0 < told < 3 * _WINDOW else max(_WINDOW, duration / _THUMBNAILS)
    differences = _differences(report)
    stills = []
    for number in range(max(1, math.ceil(duration / window - 1e-6))):
        start, end = number * window, min((number + 1) * window, max(duration, window))
        inside = [(seconds, frame) for seconds, frame in frames if start <= seconds < end]
        if not inside and number:
            continue
        changed = [item for item in inside if any(low <= item[0] < high for low, high in differences)]
        _, frame = min(changed or inside or frames[:1], key=lambda item: abs(item[0] - (start + end) / 2))
        stills.append(
            Still(
                seconds=start,
                end=end,
                picture=small_jpeg(frame),
                differs=any(low < end and high > start for low, high in differences),
                scores=_scores(report, start, end),
            )
        )
    return tuple(stills)


def _scores(report: Report, start: float, end: float) -> tuple[tuple[str, str], ...]:
    """The highest score of each check between two moments."""
    found: dict[str, float] = {}
    for item in report.evidence:
        for part in item.detail.get("segments") or []:
            if part.get("score") is not None and float(part["start"]) < end and float(part["end"]) > start:
                found[item.check] = max(found.get(item.check, -math.inf), float(part["score"]))
    return tuple((check, f"{score:+.1f}") for check, score in found.items())


def small_jpeg(frame: Frame, width: int = _THUMBNAIL_WIDTH) -> str:
    """A picture at so many pixels of width, as JPEG in a data URI."""
    import cv2

    from thsafe.media.image import encode_jpeg

    size = (width, max(1, round(frame.shape[0] * width / frame.shape[1])))
    small: Frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return _DATA + base64.b64encode(encode_jpeg(small, 80)).decode()


def _trees(examination: Examination) -> tuple[Tree, ...]:
    from thsafe.provenance.tree import tree_lines

    trees = []
    if examination.credentials is not None:
        text = "\n".join(tree_lines(examination.credentials))
        trees.append(Tree(kind="manifest", text=text, pictures=_input_pictures(examination.credentials)))
    if examination.recovered is not None:
        text = "\n".join(tree_lines(examination.recovered, examination.recovery))
        trees.append(Tree(kind="recovered", text=text, pictures=_input_pictures(examination.recovered)))
    return tuple(trees)


def _input_pictures(credentials: Credentials) -> tuple[tuple[str, str], ...]:
    """Small pictures from the manifest, decoded here and encoded anew: a browser gets none of the file's own bytes."""
    from thsafe.media.image import read_image

    pictures = []
    with tempfile.TemporaryDirectory(prefix="thsafe-report-") as folder:
        place = Path(folder) / "input"
        for item in credentials.thumbnails:
            try:
                place.write_bytes(base64.b64decode(item.data))
                pictures.append((item.title, small_jpeg(read_image(place))))
            except (InputError, ValueError):
                continue  # not a picture after all: the tree above still names the input
    return tuple(pictures)
