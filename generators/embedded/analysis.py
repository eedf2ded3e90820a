"""A film in numbers: pose, expression, gaze, blinks and speech, frame by frame, as a table, CSV and a plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded.filmed import watch
from generators.embedded.motion import measure
from generators.embedded.pose import CHANNELS
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Json, Progress

COLUMNS: Final = (
    *("time", "seen", "yaw", "pitch", "roll", "blink_right", "blink_left", "gaze_x", "gaze_y", "opening"),
    *(*CHANNELS, "level", "speaking"),
)
"""Seconds; 0 or 1; degrees three times; shares; u (distance between the outer eye corners) for gaze, opening and the
channels; loudness 0 to 1; 0 or 1."""
_SPEAKING_LEVEL: Final = 0.15
_LANES: Final = (
    ("head, degrees", (("yaw", "#3465a4"), ("pitch", "#c17d11"), ("roll", "#75507b"))),
    ("mouth opening and smile, u", (("opening", "#cc0000"), ("smile", "#4e9a06"))),
    ("eyes shut, share", (("blink_right", "#3465a4"), ("blink_left", "#c17d11"))),
    ("gaze, u", (("gaze_x", "#3465a4"), ("gaze_y", "#c17d11"))),
    ("voice, loudness", (("level", "#555753"),)),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analysis:
    """What one person in a film does."""

    fps: float
    people: int
    face: int
    neutral: float
    """Seconds: the moment against which pose and expression are measured."""
    table: NDArray[np.float64]
    """(N, len(COLUMNS))"""

    def column(self, name: str) -> NDArray[np.float64]:
        """One column of :data:`COLUMNS`."""
        return np.asarray(self.table[:, COLUMNS.index(name)], np.float64)

    def summary(self) -> dict[str, Json]:
        """The film in a few numbers."""
        seen = self.column("seen") > 0
        shut = np.maximum(self.column("blink_right"), self.column("blink_left")) > 0.5
        blinks = int(((np.diff(shut.astype(int)) == 1) & seen[1:]).sum())
        seconds = len(self.table) / self.fps

        def span(name: str) -> list[float]:
            return [round(float(value), 3) for value in np.percentile(self.column(name)[seen], (5, 50, 95))]

        return {
            "frames": len(self.table),
            "fps": round(self.fps, 3),
            "seconds": round(seconds, 3),
            "people": self.people,
            "face": self.face,
            "seen": round(float(seen.mean()), 3),
            "neutral_at": round(self.neutral, 3),
            "yaw": span("yaw"),
            "pitch": span("pitch"),
            "roll": span("roll"),
            "opening": span("opening"),
            "blinks_per_minute": round(blinks / seconds * 60, 1),
            "speaking": round(float(self.column("speaking").mean()), 3),
        }

    def as_json(self) -> dict[str, Json]:
        """Summary, names of the columns, and rows."""
        return {"summary": self.summary(), "columns": list(COLUMNS), "rows": np.round(self.table, 4).tolist()}

    def as_csv(self) -> str:
        """A head line and one line per frame."""
        lines = [",".join(COLUMNS)]
        lines += [",".join(f"{value:.4f}".rstrip("0").rstrip(".") for value in row) for row in self.table]
        return "\n".join(lines) + "\n"

    def as_svg(self) -> str:
        """The curves over time; grey where no face was seen."""
        width, lane, left = 960, 110, 56
        times = self.column("time")
        end = max(float(times[-1]), 1e-3)
        x = left + (width - left - 12) * times / end
        height = lane * len(_LANES) + 34
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            "<title>movement over time</title><style>text{font:11px sans-serif}</style>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
        ]
        step = (width - left - 12) / max(len(times), 1)
        parts += [
            f'<rect x="{x[frame]:.1f}" y="0" width="{step + 0.5:.1f}" height="{lane * len(_LANES)}" fill="#eee"/>'
            for frame in np.flatnonzero(self.column("seen") == 0)
        ]
        for number, (title, curves) in enumerate(_LANES):
            top, bottom = number * lane + 22, (number + 1) * lane - 8
            values = np.stack([self.column(name) for name, _ in curves])
            low, high = min(float(values.min()), 0.0), max(float(values.max()), 1e-3)
            spread = max(high - low, 1e-3)
            zero = bottom - (bottom - top) * (0 - low) / spread
            parts.append(f'<line x1="{left}" x2="{width - 12}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="#bbb"/>')
            parts.append(f'<text x="{left}" y="{top - 8}" fill="#222">{title}</text>')
            parts += [
                f'<text x="{left - 6}" y="{place + 4:.0f}" text-anchor="end" fill="#555">{value:.2g}</text>'
                for place, value in ((top, high), (bottom, low))
            ]
            for place, ((name, colour), curve) in enumerate(zip(curves, values, strict=True)):
                y = bottom - (bottom - top) * (curve - low) / spread
                points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
                parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.2"/>')
                at = width - 12 - 74 * (len(curves) - 1 - place)
                parts.append(f'<text x="{at}" y="{top - 8}" text-anchor="end" fill="{colour}">{name}</text>')
        for second in np.linspace(0, end, 7):
            at = left + (width - left - 12) * second / end
            parts.append(f'<text x="{at:.0f}" y="{height - 12}" text-anchor="middle" fill="#555">{second:.1f} s</text>')
        return "\n".join([*parts, "</svg>\n"])


def analyse(path: Path, progress: Progress, *, face: int = 1) -> Analysis:
    """Measure one person of a film.

    Raises:
        InputError: ``film.no-face``, ``film.face``, or what ``VideoReader`` raises.
    """
    film = watch(path, progress, max_faces=max(face, 2))
    motion = measure(film.person(face).marks, film.times)
    if motion is None:  # a person of a film is seen at least once
        raise InputError(f"No face was found in {path.name}.", code="film.no-face", next_step="choose another film")
    level = _level(film.path, film.times) if film.has_sound else np.zeros(len(film.times))
    table = np.column_stack(
        [
            motion.times,
            motion.seen,
            motion.angles,
            motion.blink,
            motion.gaze,
            motion.opening,
            motion.expression,
            level,
            level > _SPEAKING_LEVEL,
        ]
    )
    return Analysis(
        fps=float(film.fps),
        people=len(film.people),
        face=face,
        neutral=float(film.times[motion.neutral]),
        table=table,
    )


def _level(path: Path, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Loudness of the voice at each frame, 0 to 1; all 0 where nothing is to be heard."""
    from generators.embedded import listen
    from thsafe.media.sound import iter_sound

    try:
        surveyed = listen.survey(iter_sound(path, rate=listen.RATE))
    except InputError as problem:
        if problem.code != "input.silent":
            raise
        return np.zeros(len(times))
    smooth = np.convolve(surveyed.level, np.full(9, 1 / 9), mode="same")
    return np.asarray(np.interp(times, np.arange(len(smooth)) / 100, smooth), np.float64)
