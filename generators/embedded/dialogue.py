"""Several portraits that talk with each other: a script in, one draft out.

Each face has its own voice, its own lips and its own life: who is silent still blinks, breathes and looks about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from generators.pictures import Pictures
from generators.speech.utterance import Utterance
from thsafe.core.errors import InputError
from thsafe.core.types import Draft

if TYPE_CHECKING:
    from generators.embedded.pose import Pose
    from generators.embedded.puppet import Puppet
    from generators.embedded.soundtrack import Spoken
    from thsafe.core.types import Frame, Progress, Request
    from thsafe.home import Home

SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
LAYOUTS: Final = ("side-by-side", "cut")
MOST: Final = 4
"""Faces in one dialogue."""
TURN_PAUSE: Final = 0.35
"""Seconds of silence between two turns."""
_CUT_AHEAD: Final = 0.12
"""Seconds by which a cut comes before the voice, as editors do."""
_LARGEST: Final = 200_000
_MEMBER: Final = re.compile(r"(?P<name>\w[\w .'-]{0,30}?)\s*:\s*(?P<rest>.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One of those who speak: a portrait and a voice."""

    name: str
    person: str = ""
    """A drawn person, or"""
    image: str = ""
    """a picture's path, relative to the script."""
    voice: str = "en-us"
    rate: int = 165
    pitch: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Who speaks, and what, in order."""

    cast: tuple[Member, ...]
    turns: tuple[tuple[str, str], ...]
    """(name, words)."""

    def utterances(self) -> tuple[Utterance, ...]:
        """The turns as they are spoken."""
        members = {member.name: member for member in self.cast}
        return tuple(
            Utterance(
                text=words,
                voice=members[name].voice,
                rate=members[name].rate,
                pitch=members[name].pitch,
                pause=TURN_PAUSE if number else 0.0,
                speaker=name,
            )
            for number, (name, words) in enumerate(self.turns)
        )


def parse_script(text: str) -> Script:
    """Read a script.

    First ``[cast]`` and a line for each speaker, ``ADA: person=ada, voice=en-us+f3`` or ``BO: image=bo.png``; then
    ``[script]`` and the turns, ``ADA: words``. A line without a name goes on with the turn before it; lines that begin
    with ``#`` are skipped.

    Raises:
        InputError: ``script.cast``, ``script.line`` or ``script.empty``, with the number of the line.
    """
    if len(text) > _LARGEST:
        _fail("script.line", 1, f"{len(text)} characters", f"at most {_LARGEST} characters")
    cast: dict[str, Member] = {}
    turns: list[tuple[str, str]] = []
    part = ""
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if stripped.lower() in {"[cast]", "[script]"}:
            part = stripped.lower()
            continue
        match = _MEMBER.fullmatch(stripped)
        if part == "[cast]":
            if match is None or match["name"] in cast:
                _fail("script.cast", number, stripped, "each speaker has one line NAME: person=… or image=…, voice=…")
            cast[match["name"]] = _member(match["name"], match["rest"], number)
        elif part == "[script]":
            if match is not None and match["name"] in cast:
                turns.append((match["name"], match["rest"]))
            elif turns and (match is None or not match["name"].isupper()):
                name, words = turns[-1]
                turns[-1] = (name, f"{words} {stripped}")
            else:
                _fail("script.line", number, stripped, "each turn begins with a name of the cast: " + ", ".join(cast))
        else:
            _fail("script.cast", number, stripped, "a script begins with a line [cast]")
    if not 1 <= len(cast) <= MOST:
        _fail("script.cast", 1, f"{len(cast)} speakers", f"one to {MOST} speakers")
    if not any(any(char.isalnum() for char in words) for _, words in turns):
        _fail("script.empty", 1, "no turns", "after a line [script], turns NAME: words")
    return Script(cast=tuple(cast.values()), turns=tuple(turns))


def _member(name: str, rest: str, line: int) -> Member:
    fields: dict[str, str] = {}
    for item in rest.split(","):
        key, equals, value = item.strip().partition("=")
        if not equals or key not in {"person", "image", "voice", "rate", "pitch"} or key in fields or not value:
            _fail("script.cast", line, item.strip(), "person=, image=, voice=, rate=, pitch=, each once")
        fields[key] = value.strip()
    if ("person" in fields) == ("image" in fields):
        _fail("script.cast", line, rest, "either person= (thsafe cast list) or image=")
    numbers = {key: fields.pop(key) for key in ("rate", "pitch") if key in fields}
    if not all(value.isascii() and value.isdigit() and len(value) < 4 for value in numbers.values()):
        _fail("script.cast", line, rest, "rate=80…450 words a minute, pitch=0…99")
    return Member(
        name=name,
        person=fields.get("person", ""),
        image=fields.get("image", ""),
        voice=fields.get("voice", "en-us"),
        rate=int(numbers.get("rate", "165")),
        pitch=int(numbers.get("pitch", "50")),
    )


def _fail(code: str, line: int, found: str, rule: str) -> NoReturn:
    raise InputError(
        "The script cannot be played.",
        code=code,
        found=f"line {line}: {found}"[:120],
        rule=rule,
        next_step="see docs/howto/dialogue.md for a script that works",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One face of the dialogue, ready to be drawn."""

    speaker: str
    puppet: Puppet
    poses: Iterator[Pose]


def stage(seats: Sequence[Seat], track: Spoken, layout: str, fps: Fraction) -> Pictures[list[tuple[Seat, Pose]]]:
    """The frames: all faces beside each other, or the one that speaks.

    Every face's poses go on in either layout; a face that is not shown is not drawn.
    """
    return Pictures(_shown(seats, track, layout, fps), _drawn)


def _shown(seats: Sequence[Seat], track: Spoken, layout: str, fps: Fraction) -> Iterator[list[tuple[Seat, Pose]]]:
    """Per frame the faces that are seen, from the left, and their poses."""
    for number, poses in enumerate(zip(*(seat.poses for seat in seats), strict=False)):
        seen = list(zip(seats, poses, strict=True))
        if layout == "cut":
            speaking = speaker_at(track, float(number / fps) + _CUT_AHEAD)
            seen = [(seat, pose) for seat, pose in seen if seat.speaker == speaking][:1] or seen[:1]
        yield seen


def _drawn(seen: list[tuple[Seat, Pose]]) -> Frame:
    pictures = [seat.puppet.render(pose) for seat, pose in seen]
    return pictures[0] if len(pictures) == 1 else np.ascontiguousarray(np.hstack(pictures))


def speaker_at(track: Spoken, time: float) -> str:
    """Whose turn has begun last at that time; before the first turn, who begins."""
    name = track.turns[0][2]
    for start, _, speaker in track.turns:
        if start <= time:
            name = speaker
    return name


def face_boxes(seats: Sequence[Seat], layout: str) -> tuple[float, float, float, float]:
    """Around all faces, as shares of the frame."""
    boxes = [seat.puppet.face_box for seat in seats]
    across = len(seats) if layout == "side-by-side" else 1
    x0 = min((box[0] + (place if across > 1 else 0)) / across for place, box in enumerate(boxes))
    x1 = max((box[2] + (place if across > 1 else 0)) / across for place, box in enumerate(boxes))
    return x0, min(box[1] for box in boxes), x1, max(box[3] for box in boxes)


def read_script(path: Path) -> str:
    """A script's text.

    Raises:
        InputError: ``script.unreadable``.
    """
    try:
        if path.stat().st_size > 4 * _LARGEST:
            _fail("script.line", 1, f"{path.stat().st_size} bytes", f"at most {_LARGEST} characters")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(
            f"{path.name} cannot be read as a script.",
            code="script.unreadable",
            found=str(problem),
            next_step="give a text file; see docs/howto/dialogue.md",
        ) from problem


def render_dialogue(request: Request, progress: Progress, *, home: Home | None = None) -> Draft:
    """Portraits that speak the request's script.

    Inputs: one ``portrait`` for each of the cast, in its order, and the script as ``text``. Parameters: ``layout``,
    ``short_side``, ``fps``, ``seed``.
    """
    from generators.embedded.parameters import frame_rate, framed, whole
    from generators.embedded.performance import Performance
    from generators.embedded.puppet import Puppet
    from generators.embedded.soundtrack import RATE, Manner, Spoken, fitted_sound, frame_count
    from thsafe.core.version import __version__

    script = parse_script(request.input("text").text or "")
    seed, fps, layout = whole(request.params, "seed", 0), frame_rate(request.params), str(request.params["layout"])
    track = Spoken(script.utterances(), Manner(), progress, home)
    frames = frame_count(track, fps)
    portraits = [ref for ref in request.inputs if ref.role == "portrait"]
    seats = []
    for place, (member, portrait) in enumerate(zip(script.cast, portraits, strict=True)):
        bust = framed(request, home, portrait=portrait, person=member.person)
        poses = Performance(
            track.posteriors_of(member.name), track.level_of(member.name), fps=fps, frames=frames, seed=seed + place
        )
        puppet = Puppet(bust.picture, bust.landmarks, matte=bust.matte)
        seats.append(Seat(speaker=member.name, puppet=puppet, poses=poses))
    height, width = bust.picture.shape[:2]
    drawn = all(portrait.performer == "synthetic" for portrait in portraits)
    pictures = stage(seats, track, layout, fps)
    return Draft(
        width=width * (len(seats) if layout == "side-by-side" else 1),
        height=height,
        fps=fps,
        frames=pictures,
        skip=pictures.skip,
        sound=fitted_sound(track, fps),
        sample_rate=RATE,
        channels=track.channels,
        frame_count=frames,
        face_box=face_boxes(seats, layout),
        captions=track.captions,
        facts={
            "digital_source_type": SOURCE_TYPES + ("digitalCreation" if drawn else "trainedAlgorithmicMedia"),
            "software_agent": {"name": "thsafe embedded engine", "version": __version__},
            "seed": seed,
            "voice": "espeak-ng",
        },
    )
