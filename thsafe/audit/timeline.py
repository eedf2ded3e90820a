"""Where the dots of the audit's timeline go: one lane per kind of event, time from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LANES = (
    ("permitted", ("intent",)),
    ("published", ("output", "publish")),
    ("refused", ("refusal",)),
    ("failed", ("failed",)),
    ("verified", ("verify",)),
    ("consents", ("consent",)),
    ("erased", ("erase",)),
)
"""(name of the lane, event types or families in it)."""

WIDTH, LEFT, RIGHT, LANE_HEIGHT, TOP = 960, 96, 24, 30, 14
_BINS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """Events of one kind close together."""

    x: float
    y: float
    radius: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """What an SVG of ``WIDTH`` by ``height`` draws."""

    lanes: tuple[tuple[str, float], ...]
    """(name, y)."""
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]
    """(x, words)."""
    height: int


def draw(events: Sequence[tuple[str, str, int]]) -> Timeline | None:
    """Place (minute, type, count) events; None when there are none of a kind that is shown."""
    placed = [(_time(minute), lane, count) for minute, kind, count in events if (lane := _lane(kind)) is not None]
    if not placed:
        return None
    used = [name for name, _ in LANES if any(lane == name for _, lane, _ in placed)]
    height_of = {name: TOP + LANE_HEIGHT * (row + 0.5) for row, name in enumerate(used)}
    first, last = min(item[0] for item in placed), max(item[0] for item in placed)
    # A log of one minute still gets an axis.
    span = max((last - first).total_seconds(), 60.0)
    bins: dict[tuple[str, int], int] = {}
    for moment, lane, count in placed:
        place = round((moment - first).total_seconds() / span * _BINS)
        bins[lane, place] = bins.get((lane, place), 0) + count
    dots = tuple(
        Dot(
            x=round(LEFT + place / _BINS * (WIDTH - LEFT - RIGHT), 1),
            y=height_of[lane],
            radius=round(min(3.0 + 1.3 * (count - 1) ** 0.5, LANE_HEIGHT / 2 - 2), 1),
            words=f"{count} {lane}, {_words(first + timedelta(seconds=span * place / _BINS), span)}",
        )
        for (lane, place), count in sorted(bins.items())
    )
    # A short log would say the same minute five times.
    shares = (0.0, 0.25, 0.5, 0.75, 1.0) if span > 600 else (0.0, 1.0)
    ticks = tuple(
        (LEFT + share * (WIDTH - LEFT - RIGHT), _words(first + timedelta(seconds=span * share), span))
        for share in shares
    )
    return Timeline(
        lanes=tuple((name, height_of[name]) for name in used),
        dots=dots,
        ticks=ticks,
        height=TOP + LANE_HEIGHT * len(used) + 30,
    )


def _lane(kind: str) -> str | None:
    family = kind.partition(".")[0]
    return next((name for name, kinds in LANES if kind in kinds or family in kinds), None)


def _time(minute: str) -> datetime:
    return datetime.fromisoformat(minute).replace(tzinfo=UTC)


def _words(moment: datetime, span: float) -> str:
    """As precise as the span wants."""
    return f"{moment:%Y-%m-%d}" if span > 4 * 86400 else f"{moment:%Y-%m-%d %H:%M}"
