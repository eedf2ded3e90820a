"""What a director asks of a performance: mood, pose, gaze, blinks and how much the head moves.

Moods are offsets on the brows, lids and corners of the mouth. They step back where lips must meet, so that speech
stays readable: a happy p is still a p.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from generators.embedded.pose import CHANNELS, MAX_GAZE, MAX_PITCH, MAX_ROLL, MAX_YAW, Pose
from thsafe.core.errors import UsageError
from thsafe.core.types import Json

MOODS: Final[Mapping[str, Mapping[str, float]]] = {
    "neutral": {},
    "happy": {
        "smile": 0.095,
        "wide": 0.020,
        "jaw": 0.012,
        "uraise": 0.022,
        "browup": 0.022,
        "blink": 0.10,
        "roll": 1.5,
        "pitch": -1.0,
    },
    "sad": {
        "frown": 0.080,
        "smile": -0.020,
        "browup": 0.010,
        "browdn": -0.090,
        "blink": 0.24,
        "pitch": 4.5,
        "gaze_y": 0.014,
        "roll": 2.5,
    },
    "angry": {
        "browdn": 0.095,
        "browup": -0.030,
        "frown": 0.050,
        "smile": -0.020,
        "press": 0.014,
        "blink": 0.14,
        "pitch": 4.0,
    },
    "surprised": {"browup": 0.095, "jaw": 0.075, "pucker": 0.015, "pitch": -3.0},
    "serious": {"browdn": 0.040, "browup": -0.012, "frown": 0.022, "smile": -0.012, "blink": 0.06, "pitch": 1.5},
}
"""Offsets at full strength: channels and gaze in u, angles in degrees, ``blink`` as a share of the lid's way."""
FADES: Final = 0.5
"""Seconds from one mood to the next."""
_TOO_MANY: Final = 10_000

_JAW, _PRESS, _FTUCK = (CHANNELS.index(name) for name in ("jaw", "press", "ftuck"))
_YIELDS: Final = {"jaw": 1.0, "press": 1.0, "uraise": 1.0, "smile": 0.55, "frown": 0.55, "wide": 0.55}
"""How far a mood's channel steps back where lips meet."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """What is asked of a performance; the default asks nothing."""

    moods: tuple[tuple[float, str, float], ...] = ()
    """(second, name, strength 0 to 1), in order of time."""
    turns: tuple[tuple[float, float, float, float], ...] = ()
    """(second, yaw, pitch, roll): degrees added to the head's own motion, interpolated."""
    gaze: tuple[float, float] = (0.0, 0.0)
    """Right and down, -1 to 1 of what the eyes can do."""
    blink_rate: float | None = None
    """Blinks a minute, 0 to 60; None for about 17, unevenly."""
    head_motion: float = 1.0
    """Share of the head's own motion, 0 to 1."""

    @classmethod
    def read(
        cls,
        *,
        emotion: str = "",
        pose: str = "",
        gaze: str = "",
        blink_rate: float | None = None,
        head_motion: float = 1.0,
    ) -> Direction:
        """From words as they are typed.

        Args:
            emotion: ``happy``, ``happy:0.6``, or a time line ``0 serious, 2.5 happy:0.8``, or a file of such lines.
            pose: ``yaw,pitch,roll`` in degrees, or a file with lines ``second,yaw,pitch,roll``.
            gaze: ``x,y``, each -1 to 1: right and down.
            blink_rate: blinks a minute, 0 to 60.
            head_motion: 0 to 1.

        Raises:
            UsageError: ``direction.emotion``, ``direction.pose``, ``direction.gaze``, ``direction.blinks``,
                ``direction.motion``.
        """
        if blink_rate is not None and not 0 <= blink_rate <= 60:
            raise _wrong("blinks", str(blink_rate), "0 to 60 blinks a minute", "--blink-rate 17")
        if not 0 <= head_motion <= 1:
            raise _wrong("motion", str(head_motion), "0 to 1", "--head-motion 0.5")
        looks = _numbers(gaze, 2, "gaze", "--gaze 0.5,0") if gaze else [0.0, 0.0]
        if max(map(abs, looks)) > 1:
            raise _wrong("gaze", gaze, "x,y, each -1 to 1", "--gaze 0.5,0")
        return cls(
            moods=_moods(emotion),
            turns=_turns(pose),
            gaze=(looks[0], looks[1]),
            blink_rate=blink_rate,
            head_motion=head_motion,
        )

    @classmethod
    def from_params(cls, params: Mapping[str, Json]) -> Direction:
        """What :meth:`params` gave."""
        blinks = params.get("blink_rate")
        return cls(
            moods=tuple((float(time), str(name), float(much)) for time, name, much in params.get("emotion", ())),
            turns=tuple((float(t), float(y), float(p), float(r)) for t, y, p, r in params.get("pose", ())),
            gaze=(float(params.get("gaze_x", 0.0)), float(params.get("gaze_y", 0.0))),
            blink_rate=None if blinks is None else float(blinks),
            head_motion=float(params.get("head_motion", 1.0)),
        )

    def params(self) -> dict[str, Json]:
        """As parameters of a request; only what differs from the default."""
        asked: dict[str, Json] = {}
        if self.moods:
            asked["emotion"] = [list(mood) for mood in self.moods]
        if self.turns:
            asked["pose"] = [list(turn) for turn in self.turns]
        if self.gaze != (0.0, 0.0):
            asked["gaze_x"], asked["gaze_y"] = self.gaze
        if self.blink_rate is not None:
            asked["blink_rate"] = self.blink_rate
        if self.head_motion != 1.0:
            asked["head_motion"] = self.head_motion
        return asked

    def direct(self, poses: Iterable[Pose], fps: Fraction) -> Iterator[Pose]:
        """The poses as directed; those of a default direction pass unchanged."""
        if not self.moods and not self.turns and self.gaze == (0.0, 0.0) and self.head_motion == 1.0:
            yield from poses
            return
        for number, pose in enumerate(poses):
            yield self._directed(pose, float(number / fps))

    def _directed(self, pose: Pose, time: float) -> Pose:
        asked = self._mood(time)
        yaw, pitch, roll = self._turn(time)
        expression = np.asarray(pose.expression, np.float32).copy()
        meeting = float(np.clip(max(expression[_PRESS] / 0.025, expression[_FTUCK] / 0.022), 0.0, 1.0))
        spoken = float(np.clip(expression[_JAW] / 0.12, 0.0, 1.0))
        for name, value in asked.items():
            if name in CHANNELS:
                share = 1.0 - _YIELDS.get(name, 0.0) * meeting
                if name in {"jaw", "press"}:  # a mouth that speaks opens by itself
                    share *= 1.0 - 0.7 * spoken
                expression[CHANNELS.index(name)] += np.float32(value * share)
        lids = asked.get("blink", 0.0)
        still = self.head_motion
        directed = dataclasses.replace(
            pose,
            expression=expression,
            blink_left=pose.blink_left + (1.0 - pose.blink_left) * lids,
            blink_right=pose.blink_right + (1.0 - pose.blink_right) * lids,
            gaze_x=pose.gaze_x + self.gaze[0] * MAX_GAZE,
            gaze_y=pose.gaze_y + self.gaze[1] * MAX_GAZE + asked.get("gaze_y", 0.0),
            yaw=pose.yaw * still + yaw,
            pitch=pose.pitch * still + pitch + asked.get("pitch", 0.0),
            roll=pose.roll * still + roll + asked.get("roll", 0.0),
        )
        return directed.clamped()

    def _mood(self, time: float) -> dict[str, float]:
        """The offsets at a moment: each mood fades in as it begins, and out as the next one begins."""
        total: dict[str, float] = {}
        for place, (start, name, strength) in enumerate(self.moods):
            share = (_fade(time - start) if start > 0 else 1.0) if start <= time else 0.0
            if place + 1 < len(self.moods):
                share *= 1.0 - _fade(time - self.moods[place + 1][0])
            if share:
                for channel, value in MOODS[name].items():
                    total[channel] = total.get(channel, 0.0) + value * strength * share
        return total

    def _turn(self, time: float) -> tuple[float, float, float]:
        if not self.turns:
            return 0.0, 0.0, 0.0
        times = [turn[0] for turn in self.turns]
        yaw, pitch, roll = (float(np.interp(time, times, [turn[axis] for turn in self.turns])) for axis in (1, 2, 3))
        return yaw, pitch, roll


def _fade(since: float) -> float:
    share = min(max(since / FADES, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _lines(text: str, what: str) -> list[str]:
    """The typed text, or the lines of the file that it names; comments begin with #."""
    path = Path(text)
    try:
        if "\n" not in text and len(text) < 1000 and path.is_file():
            text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise _wrong(what, str(problem), "a text file", f"check {path.name}") from problem
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    found = [line for line in lines if line]
    if len(found) > _TOO_MANY:
        raise _wrong(what, f"{len(found)} lines", f"at most {_TOO_MANY} lines", "use fewer")
    return found


def _moods(text: str) -> tuple[tuple[float, str, float], ...]:
    example = '--emotion "0 serious, 2.5 happy:0.8"'
    moods: list[tuple[float, str, float]] = []
    for item in (part.strip() for line in _lines(text, "emotion") for part in line.split(",")):
        words = item.split()
        if not words:
            continue
        name, _, amount = words[-1].partition(":")
        if name not in MOODS or len(words) > 2:
            raise _wrong("emotion", item, "emotions: " + ", ".join(MOODS), example)
        start = _number(words[0] if len(words) == 2 else "0", "emotion", example)
        strength = _number(amount or "1", "emotion", example)
        if not 0 <= strength <= 1 or start < 0 or (moods and start <= moods[-1][0]):
            raise _wrong("emotion", item, "seconds increase; strength lies between 0 and 1", example)
        moods.append((start, name, strength))
    return tuple(moods)


def _turns(text: str) -> tuple[tuple[float, float, float, float], ...]:
    turns: list[tuple[float, float, float, float]] = []
    for line in _lines(text, "pose"):
        wanted = 3 if len(line.split(",")) == 3 else 4
        numbers = _numbers(line, wanted, "pose", "--pose 5,0,0")
        start, yaw, pitch, roll = [0.0, *numbers] if wanted == 3 else numbers
        limits = (MAX_YAW, MAX_PITCH, MAX_ROLL)
        if any(abs(angle) > limit for angle, limit in zip((yaw, pitch, roll), limits, strict=True)):
            rule = f"yaw within {MAX_YAW:g}, pitch within {MAX_PITCH:g}, roll within {MAX_ROLL:g} degrees"
            raise _wrong("pose", line, rule, "--pose 5,0,0")
        if start < 0 or (turns and start <= turns[-1][0]):
            raise _wrong("pose", line, "seconds increase from line to line", "give each line its own second")
        turns.append((start, yaw, pitch, roll))
    return tuple(turns)


def _numbers(text: str, count: int, what: str, example: str) -> list[float]:
    parts: Sequence[str] = text.split(",")
    if len(parts) != count:
        raise _wrong(what, text, f"{count} numbers with commas between them", example)
    return [_number(part, what, example) for part in parts]


def _number(text: str, what: str, example: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _wrong(what, text, "a number", example)
    return number


def _wrong(what: str, found: str, rule: str, example: str) -> UsageError:
    return UsageError(
        f"This {what} cannot be played.", code=f"direction.{what}", found=found[:80], rule=rule, next_step=example
    )
