"""Performance tracks: what a portrait does, frame by frame, as a file that a person can read, edit and play back.

The format is documented in ``docs/reference/performance.md``. JSON lines or CSV; one row per frame; the columns are
the numbers of :class:`generators.embedded.pose.Pose`. Nothing in a track is a picture or a landmark.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn, Self

import numpy as np

from generators.embedded.pose import CHANNELS, Pose
from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import MediaKind, MediaRef
from thsafe.media.files import write_failure

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT: Final = "thsafe.performance/1"
NUMBERS: Final = ("blink_left", "blink_right", "gaze_x", "gaze_y", "yaw", "pitch", "roll", "breath")
COLUMNS: Final = ("time", *CHANNELS, *NUMBERS)
LONGEST: Final = 400_000
"""Rows that are read: over an hour at 100 frames a second."""
LARGEST: Final = 120_000_000
"""Bytes that are read."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """A performance that was read."""

    fps: Fraction
    rows: NDArray[np.float64]
    """(n, 21) in the order of :data:`COLUMNS`; times increase."""

    @property
    def seconds(self) -> float:
        """Until the end of the last frame."""
        return float(self.rows[-1, 0]) + float(1 / self.fps)

    def poses(self, fps: Fraction, frames: int) -> Iterator[Pose]:
        """Poses at any frame rate, interpolated in time; the last row holds on."""
        times = self.rows[:, 0]
        for number in range(frames):
            time = float(number / fps)
            after = int(np.searchsorted(times, time, side="right"))
            before, after = max(after - 1, 0), min(after, len(times) - 1)
            span = float(times[after] - times[before])
            share = (time - float(times[before])) / span if span > 0 else 0.0
            yield _pose(self.rows[before] + (self.rows[after] - self.rows[before]) * share)


def values(time: float, pose: Pose) -> tuple[float, ...]:
    """One row of a pose, in the order of :data:`COLUMNS`."""
    numbers = (getattr(pose, name) for name in NUMBERS)
    return tuple(round(float(value), 6) for value in (time, *pose.expression, *numbers))


class TrackWriter:
    """Writes a track row by row; the file appears whole when :meth:`finish` is called, or not at all.

    Args:
        path: ``.jsonl`` or ``.csv``.
        fps: frames a second.
        seed: of the performance.
        engine: who performed.

    Raises:
        UsageError: ``performance.kind`` for another ending, ``performance.folder`` where there is no such folder.
        StoreError: when writing fails.
    """

    def __init__(self, path: Path, *, fps: Fraction, seed: int, engine: str) -> None:
        check_target(path)
        self._path = path
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._header = {"format": FORMAT, "fps": str(fps), "seed": seed, "engine": engine}
        self._csv = path.suffix.lower() == ".csv"
        self._file: IO[str] | None = None

    def add(self, time: float, pose: Pose) -> None:
        """One more row."""
        row = values(time, pose)
        if self._csv:
            text = ",".join(f"{value:g}" for value in row)
        else:
            named = dict(zip(COLUMNS, row, strict=True))
            text = json.dumps({name: value for name, value in named.items() if value or name == "time"})
        self._write(text)

    def finish(self) -> None:
        """Give the file its name."""
        file = self._opened()
        try:
            file.flush()
            os.fsync(file.fileno())
            file.close()
            self._part.replace(self._path)
        except OSError as problem:
            self.discard()
            raise write_failure(self._path, problem.errno, 0) from problem

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            self._file.close()
        self._part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.discard()

    def _opened(self) -> IO[str]:
        if self._file is None:
            self._file = self._part.open("w", encoding="utf-8", newline="\n")
            if self._csv:
                facts = " ".join(f"{name}={json.dumps(value)}" for name, value in self._header.items())
                self._file.write(f"# {facts}\n{','.join(COLUMNS)}\n")
            else:
                self._file.write(json.dumps(self._header) + "\n")
        return self._file

    def _write(self, text: str) -> None:
        try:
            self._opened().write(text + "\n")
        except OSError as problem:
            self.discard()
            raise write_failure(self._path, problem.errno, 0) from problem


def check_target(path: Path) -> None:
    """Whether a track can be written there; see :class:`TrackWriter`."""
    if path.suffix.lower() not in {".jsonl", ".csv"}:
        raise UsageError(
            f"A performance is saved as .jsonl or .csv, not as {path.name}.",
            code="performance.kind",
            found=path.suffix or "no ending",
            next_step=f"--save-performance {path.with_suffix('.jsonl')}",
        )
    if not path.parent.is_dir():
        raise UsageError(
            f"There is no folder {path.parent}.",
            code="performance.folder",
            found=str(path),
            next_step=f"mkdir -p {path.parent}",
        )


def read_text(path: Path) -> str:
    """A track's file as text.

    Raises:
        InputError: ``performance.unreadable`` or ``performance.large``.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(
                f"{path.name} is too large for a performance.",
                code="performance.large",
                found=f"{size} bytes",
                rule=f"at most {LARGEST} bytes",
                next_step="cut it into parts",
            )
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(
            f"{path.name} cannot be read as a performance.",
            code="performance.unreadable",
            found=str(problem),
            next_step="give a file written by --save-performance",
        ) from problem


def track_input(path: str | os.PathLike[str] | None) -> tuple[MediaRef, ...]:
    """A performance track as an input: it moves the portrait and is not seen, like a driver."""
    if path is None:
        return ()
    text = read_text(Path(path))
    parse(text)  # tells what is wrong with it before the gate is asked
    digest = hashlib.sha256(text.encode()).hexdigest()
    return (MediaRef(role="driver", path=None, sha256=digest, kind=MediaKind.TEXT, media_type="text/plain", text=text),)


def parse(text: str) -> Track:
    """Read a track, JSON lines or CSV.

    Raises:
        InputError: ``performance.header``, ``performance.row`` (with the number of the line), ``performance.empty``.
    """
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        _fail("performance.header", 1, "an empty line", f"the first line names the format {FORMAT}")
    rows = _json_rows(lines) if lines[0].lstrip().startswith("{") else _csv_rows(lines)
    fps = next(rows)
    if not isinstance(fps, Fraction):
        raise TypeError("the first item is the frame rate")
    table: list[tuple[float, ...]] = []
    last = -math.inf
    for entry in rows:
        if isinstance(entry, Fraction):
            raise TypeError("only the first item is the frame rate")
        line, found = entry
        row = _checked(line, found, last)
        last = row[0]
        table.append(row)
        if len(table) > LONGEST:
            _fail("performance.row", line, f"more than {LONGEST} rows", f"at most {LONGEST} rows")
    if not table:
        _fail("performance.empty", len(lines), "no rows", "at least one row follows the header")
    return Track(fps=fps, rows=np.array(table, np.float64))


_Rows = Iterator[Fraction | tuple[int, Mapping[str, Any]]]


def _json_rows(lines: list[str]) -> _Rows:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            _fail("performance.row", number, line[:60], "each line is one JSON object")
        if not isinstance(found, dict):
            _fail("performance.row", number, line[:60], "each line is one JSON object")
        if number == 1:
            yield _frame_rate(found)
        else:
            yield number, found


def _csv_rows(lines: list[str]) -> _Rows:
    first = lines[0].lstrip("# ")
    facts = dict(part.split("=", 1) for part in first.split() if "=" in part)
    yield _frame_rate({name: value.strip('"') for name, value in facts.items()})
    columns: list[str] | None = None
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in next(csv.reader(io.StringIO(line)))]
        if columns is None:
            columns = cells
            if len(set(columns)) < len(columns):
                _fail("performance.row", number, line[:60], "each column is named once")
            continue
        if len(cells) != len(columns):
            _fail("performance.row", number, f"{len(cells)} cells", f"as many as there are columns: {len(columns)}")
        yield number, dict(zip(columns, cells, strict=True))


def _frame_rate(header: Mapping[str, Any]) -> Fraction:
    if header.get("format") != FORMAT:
        _fail("performance.header", 1, str(header.get("format"))[:60], f"the first line names the format {FORMAT}")
    try:
        fps = Fraction(str(header.get("fps")))
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if not 1 <= fps <= 120:
        _fail("performance.header", 1, f"fps {header.get('fps')}"[:60], "fps lies between 1 and 120")
    return fps


def _checked(line: int, found: Mapping[str, Any], last: float) -> tuple[float, ...]:
    unknown = [name for name in found if name not in COLUMNS]
    if unknown:
        _fail("performance.row", line, f'a column "{str(unknown[0])[:30]}"', "columns: " + ", ".join(COLUMNS))
    row = []
    for name in COLUMNS:
        value = found.get(name, 0.0 if name != "time" else None)
        if isinstance(value, bool):
            value = None
        try:
            number = float(value if value != "" else 0.0)
        except (TypeError, ValueError):
            _fail("performance.row", line, f"{name} {value!r}"[:60], f"{name} is a number")
        low, high = LIMITS[name]
        if not low - 1e-6 <= number <= high + 1e-6:
            _fail("performance.row", line, f"{name} {number:g}", f"{name} lies between {low:g} and {high:g}")
        row.append(number)
    if row[0] <= last:
        _fail("performance.row", line, f"time {row[0]:g} after {last:g}", "times increase from line to line")
    return tuple(row)


def _limits() -> dict[str, tuple[float, float]]:
    """The range of every column, as the renderer shows it."""
    extremes = []
    for value in (-math.inf, math.inf):
        edge = 1e6 if value > 0 else -1e6
        most = Pose(expression=np.full(len(CHANNELS), edge, np.float32), **dict.fromkeys(NUMBERS, edge)).clamped()
        extremes.append(values(0.0, most))
    limits = dict(zip(COLUMNS, zip(*extremes, strict=True), strict=True))
    return {**limits, "time": (0.0, 1e6)}


LIMITS: Final = _limits()


def _pose(row: NDArray[np.float64]) -> Pose:
    expression = row[1 : 1 + len(CHANNELS)].astype(np.float32)
    numbers = (float(value) for value in row[1 + len(CHANNELS) :])
    return Pose(expression=expression, **dict(zip(NUMBERS, numbers, strict=True)))


def _fail(code: str, line: int, found: str, rule: str) -> NoReturn:
    raise InputError(
        f"The performance cannot be used: line {line}.",
        code=code,
        found=f"line {line}: {found}",
        rule=rule,
        next_step="mend that line, or save the performance anew with --save-performance",
    )
