"""``motion3.json`` and ``exp3.json``: read, evaluated and written.

Segments follow Live2D's CubismSpecs: after a first point come segments of kind 0 linear, 1 cubic Bézier, 2 stepped and
3 inverse-stepped. The evaluator agrees with the SDK's own player; what is written is in the form that the SDK's parser
takes (:mod:`generators.live2d.cubism_json`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NoReturn

from generators.live2d.cubism_json import dumps
from generators.live2d.rig import Rig
from thsafe.core.errors import InputError, UsageError
from thsafe.media.files import write_whole

LINEAR, BEZIER, STEPPED, INVERSE_STEPPED = range(4)
_MOST_BYTES: Final = 64 << 20
_MOST_POINTS: Final = 5_000_000
_TOLERANCE: Final = 5e-4
"""Share of a parameter's range by which a curve may be straightened."""
_HALVINGS: Final = 60

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """From its first to its last point, in time order."""

    kind: int
    points: tuple[Point, ...]
    """(seconds, value): two, or four of a Bézier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What one parameter does."""

    target: str
    """``Parameter``, ``PartOpacity`` or ``Model``."""
    id: str
    segments: tuple[Segment, ...]
    first: Point

    def at(self, time: float, *, restricted: bool) -> float:
        """Its value; the first segment that ends after ``time`` tells, and after the last the last value stays.

        Args:
            time: seconds.
            restricted: whether Bézier handles lie at thirds of the time, so that the share of time is the parameter.
        """
        for segment in self.segments:
            (start, before), (end, after) = segment.points[0], segment.points[-1]
            if end > time:
                if segment.kind == STEPPED:
                    return before
                if segment.kind == INVERSE_STEPPED:
                    return after
                share = max(0.0, (time - start) / (end - start))
                if segment.kind == LINEAR:
                    return before + (after - before) * share
                return _bezier(segment.points, time, share, restricted=restricted)
        return self.segments[-1].points[-1][1] if self.segments else self.first[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """A motion file."""

    duration: float
    fps: float
    loop: bool
    restricted: bool
    curves: tuple[Curve, ...]

    def values(self, time: float) -> dict[str, float]:
        """Every parameter's value at a moment."""
        return {
            curve.id: curve.at(time, restricted=self.restricted) for curve in self.curves if curve.target == "Parameter"
        }


def _bezier(points: Sequence[Point], time: float, share: float, *, restricted: bool) -> float:
    def mixed(axis: int, t: float) -> float:
        a, b, c, d = (point[axis] for point in points)
        u = 1 - t
        return u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d

    if not restricted:
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if mixed(0, middle) < time else (low, middle)
        share = (low + high) / 2
    return mixed(1, share)


def read_motion(path: Path) -> Motion:
    """Read a ``motion3.json``.

    Raises:
        InputError: ``motion3.unreadable`` or ``motion3.form``.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            _fail(path, f"more than {_MOST_BYTES} bytes")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        meta = content["Meta"]
        motion = Motion(
            duration=float(meta["Duration"]),
            fps=float(meta.get("Fps", 30.0)),
            loop=bool(meta.get("Loop", False)),
            restricted=bool(meta.get("AreBeziersRestricted", False)),
            curves=tuple(_curve(item) for item in content["Curves"]),
        )
    except OSError as problem:
        raise InputError(
            f"{path.name} cannot be read.", code="motion3.unreadable", found=str(problem), next_step="check the path"
        ) from problem
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as problem:
        _fail(path, f"{type(problem).__name__}: {problem}", problem)
    if not math.isfinite(motion.duration) or motion.duration <= 0:
        _fail(path, f"Duration {motion.duration}")
    return motion


def _fail(path: Path, found: str, cause: BaseException | None = None) -> NoReturn:
    raise InputError(
        f"{path.name} is no motion3.json.",
        code="motion3.form",
        found=found[:200],
        rule="Meta with Duration, Curves with Target, Id and Segments (Live2D CubismSpecs)",
        next_step="export the motion anew",
    ) from cause


def _curve(item: Mapping[str, Any]) -> Curve:
    flat = [float(number) for number in item["Segments"]]
    if len(flat) > _MOST_POINTS or not all(map(math.isfinite, flat)):
        raise ValueError("a curve has too many points, or one that is no number")
    last = first = (flat[0], flat[1])
    segments, place = [], 2
    while place < len(flat):
        kind = int(flat[place])
        if kind not in {LINEAR, BEZIER, STEPPED, INVERSE_STEPPED}:
            raise ValueError(f"segment of kind {kind}")
        count = 3 if kind == BEZIER else 1
        found = [(flat[place + 1 + 2 * n], flat[place + 2 + 2 * n]) for n in range(count)]
        segments.append(Segment(kind=kind, points=(last, *found)))
        last, place = found[-1], place + 1 + 2 * count
    return Curve(target=str(item["Target"]), id=str(item["Id"]), segments=tuple(segments), first=first)


def write_motion(
    path: Path, rows: Iterable[Mapping[str, float]], rig: Rig, *, fps: Fraction, loop: bool = False
) -> int:
    """Write what a figure does as a motion that every Cubism player takes; returns the number of curves.

    Args:
        path: ``….motion3.json``; it is there whole or not at all.
        rows: what poses make of the parameters (``Rig.values``), one a frame.
        rig: whose parameters.
        fps: frames a second.
        loop: whether players start again at its end.

    Raises:
        UsageError: ``motion3.name`` or ``motion3.empty``.
        StoreError: it cannot be written.
    """
    check_name(path, ".motion3.json")
    times: list[float] = []
    tracks: dict[str, list[float]] = {}
    for number, row in enumerate(rows):
        times.append(float(number / fps))
        for name, value in rig.absolute(row).items():
            tracks.setdefault(name, []).append(value)
    if not times:
        raise UsageError("There is nothing to write.", code="motion3.empty", next_step="give a longer recording")
    curves, segments, points = [], 0, 0
    for name, track in tracks.items():
        span = rig.parameters[name]
        kept = _straightened(times, track, _TOLERANCE * max(span.most - span.least, 1e-6))
        flat: list[float | int] = [*kept[0]]
        for time, value in kept[1:]:
            flat += [LINEAR, time, value]
        curves.append({"Target": "Parameter", "Id": name, "Segments": flat})
        segments, points = segments + len(kept) - 1, points + len(kept)
    meta = {
        "Duration": max(times[-1], float(1 / fps)),
        "Fps": float(fps),
        "Loop": loop,
        "AreBeziersRestricted": True,
        "FadeInTime": 0.0,
        "FadeOutTime": 0.0,
        "CurveCount": len(curves),
        "TotalSegmentCount": segments,
        "TotalPointCount": points,
        "UserDataCount": 0,
        "TotalUserDataSize": 0,
    }
    write_whole(path, dumps({"Version": 3, "Meta": meta, "Curves": curves}).encode())
    return len(curves)


def _straightened(times: Sequence[float], track: Sequence[float], tolerance: float) -> list[Point]:
    """The fewest of the points between which straight lines stay within the tolerance (greedy, by cones of slopes)."""
    kept = [(times[0], track[0])]
    low, high, place = -math.inf, math.inf, 0
    for number in range(1, len(times)):
        span = times[number] - times[place]
        slope = (track[number] - track[place]) / span
        if not low <= slope <= high:
            place = number - 1
            kept.append((times[place], track[place]))
            span = times[number] - times[place]
            low, high = -math.inf, math.inf
        low = max(low, (track[number] - tolerance - track[place]) / span)
        high = min(high, (track[number] + tolerance - track[place]) / span)
    if len(times) > 1:
        kept.append((times[-1], track[-1]))
    return kept


def write_expression(path: Path, offsets: Mapping[str, float], *, fade: float = 0.5) -> None:
    """Write an ``exp3.json`` that adds offsets to parameters.

    Args:
        path: ``….exp3.json``.
        offsets: by parameter id.
        fade: seconds in and out, 0 or more.

    Raises:
        UsageError: ``motion3.name`` or ``motion3.empty``.
        StoreError: it cannot be written.
    """
    check_name(path, ".exp3.json")
    if not offsets:
        raise UsageError("The expression changes nothing.", code="motion3.empty", next_step="give a mood that does")
    content = {
        "Type": "Live2D Expression",
        "FadeInTime": float(fade),
        "FadeOutTime": float(fade),
        "Parameters": [{"Id": name, "Value": float(value), "Blend": "Add"} for name, value in offsets.items()],
    }
    write_whole(path, dumps(content).encode())


def check_name(path: Path, ending: str) -> None:
    """Raise UsageError ``motion3.name`` for a name or folder that cannot be."""
    if not path.name.endswith(ending) or not path.absolute().parent.is_dir():
        named = path.name.endswith(ending)
        raise UsageError(
            "The file cannot be put there." if named else f"The file's name must end in {ending}.",
            code="motion3.name",
            found=str(path),
            next_step="make the folder first" if named else f"name it …{ending}",
        )
