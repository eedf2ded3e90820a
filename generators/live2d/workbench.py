"""A figure's movement apart from films: what a model has, motions and expressions as files, VTube Studio live."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generators.embedded.direction import Direction
from generators.embedded.pose import CHANNELS, Pose
from generators.live2d.cubism import inspect
from generators.live2d.figure import RIG
from generators.live2d.model3 import Model3, read_model
from generators.live2d.motion3 import check_name, write_expression, write_motion
from generators.live2d.rig import Rig

if TYPE_CHECKING:
    from thsafe.core.types import Json, Progress
    from thsafe.home import Home

_LEAST_OFFSET: Final = 1e-4


def describe(model: Path) -> dict[str, Json]:
    """Parameters, groups, expressions and motions of a model, as Cubism Core sees it.

    Raises:
        InputError: ``live2d.model``, ``live2d.moc`` or ``live2d.crash``.
        MissingError: ``live2d.package``.
    """
    read = read_model(model)
    rig = inspect(read)
    return {
        "model": read.path.name,
        "sha256": read.digest,
        "notice": read.notice,
        "files": len(read.digests),
        "lip_sync": list(rig.lip_sync),
        "vowels": dict(rig.vowels),
        "motion_sync": sorted(rig.shapes),
        "eye_blink": [*rig.eyes_left, *rig.eyes_right],
        "driven": list(rig.driven()),
        "expressions": list(read.expressions),
        "motions": {group: len(names) for group, names in read.motions.items()},
        "parameters": {name: [span.least, span.most, span.default] for name, span in rig.parameters.items()},
    }


def export_motion(path: Path, source: Mapping[str, Any], progress: Progress) -> dict[str, Json]:
    """Write what a recording or a film makes of a figure as ``motion3.json``.

    Args:
        path: ``….motion3.json``.
        source: ``audio`` or ``driver`` (paths), ``model`` (a path, or None for a figure's standard parameters),
            ``fps``, ``seed``, ``face``, ``loop``, and the words of a ``Direction``.
        progress: told how far it is.

    Raises:
        UsageError, InputError, MissingError, StoreError: as the parts say.
    """
    check_name(path, ".motion3.json")
    rig = _rig_of(source.get("model"))
    poses, fps = _recorded(source, progress)
    progress.start("writing the motion", None)
    curves = write_motion(path, (rig.values(pose) for pose in poses), rig, fps=fps, loop=bool(source.get("loop")))
    return {"path": str(path), "curves": curves, "fps": float(fps)}


def export_expression(path: Path, mood: str, model: Path | None, fade: float) -> dict[str, Json]:
    """Write a mood (``happy``, ``sad:0.5``…) as an ``exp3.json`` that adds to the figure's parameters.

    Args:
        path: ``….exp3.json``.
        mood: name and strength, as ``--emotion`` takes it; the last of a time line.
        model: whose parameters; None for the standard ones.
        fade: seconds in and out.

    Raises:
        UsageError, InputError, MissingError, StoreError: as the parts say.
    """
    check_name(path, ".exp3.json")
    direction = Direction.read(emotion=mood)
    rig = _rig_of(model)
    rest = Pose(expression=np.zeros(len(CHANNELS), np.float32))
    *_, shown = direction.direct([rest], Fraction(1))
    before, after = rig.absolute(rig.values(rest)), rig.absolute(rig.values(shown))
    offsets = {name: after[name] - before[name] for name in after if abs(after[name] - before[name]) > _LEAST_OFFSET}
    write_expression(path, offsets, fade=fade)
    return {"path": str(path), "parameters": {name: round(value, 4) for name, value in offsets.items()}}


def perform(source: Mapping[str, Any], home: Home, progress: Progress) -> dict[str, Json]:
    """Move the figure that VTube Studio shows, in real time.

    Args:
        source: as for :func:`export_motion`; or ``camera`` (a number or a film); or ``audio`` ``"-"`` for a WAV stream
            on standard input; ``address``, ``rate`` (values a second at most), ``seconds`` (for a camera).
        home: keeps the token.
        progress: told what a person should do.

    Raises:
        As :class:`generators.live2d.vtubestudio.Studio`, and what the source says.
    """
    from generators.live2d.token_store import TokenStore
    from generators.live2d.vtubestudio import ADDRESS, Studio

    poses = _live(source, progress)
    with Studio(TokenStore(home), address=source.get("address") or ADDRESS, progress=progress) as studio:
        done = studio.perform(poses)
    return {"sent": done.sent, "reconnected": done.reconnected, "left_out": list(done.left_out)}


def _live(source: Mapping[str, Any], progress: Progress) -> Iterator[Pose]:
    from generators.live2d.vtubestudio import in_time

    fps, rate = Fraction(str(source.get("fps", 30))), float(source.get("rate", 30.0))
    if source.get("camera") is not None:
        from generators.live2d.camera import camera_poses

        return camera_poses(source["camera"], progress, seconds=source.get("seconds"))
    if source.get("audio") == "-":
        from generators.embedded.live import live_poses
        from thsafe.live import wav_stream

        heard = live_poses(wav_stream(sys.stdin.buffer), fps=fps, seed=int(source.get("seed", 0)))
        return Direction.read(**_directed(source)).direct(heard, fps)
    poses, fps = _recorded(source, progress)
    return in_time(poses, fps, rate=rate)


def _recorded(source: Mapping[str, Any], progress: Progress) -> tuple[Iterator[Pose], Fraction]:
    """The poses that a recording or a film gives, and their number a second."""
    if source.get("driver") is not None:
        from generators.embedded.drive import Driven

        driven = Driven(Path(source["driver"]), progress, face=int(source.get("face", 1)))
        return driven.poses(), driven.fps
    from generators.embedded.performance import Performance
    from generators.embedded.soundtrack import Recorded, frame_count

    progress.start("listening", None)
    fps, direction = Fraction(str(source.get("fps", 30))), Direction.read(**_directed(source))
    track = Recorded(Path(source["audio"]))
    poses = Performance(
        track.posteriors(),
        track.survey.level,
        fps=fps,
        frames=frame_count(track, fps),
        seed=int(source.get("seed", 0)),
        blink_rate=direction.blink_rate,
    )
    return direction.direct(poses, fps), fps


def _directed(source: Mapping[str, Any]) -> dict[str, Any]:
    names = ("emotion", "pose", "gaze", "blink_rate", "head_motion")
    return {name: source[name] for name in names if source.get(name) is not None}


def _rig_of(model: Path | str | None) -> Rig:
    if model is None:
        return RIG
    read: Model3 = read_model(Path(model))
    return inspect(read)
