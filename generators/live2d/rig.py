"""Which of a figure's parameters do what, and what a pose makes of them.

Ids and ranges are the figure's own: the lip-sync group is read, never assumed (Haru opens ``ParamMouthOpenY``, Mao
``ParamA`` beside four more vowels). Directions are those of Cubism's standard parameter list: angles turn to the
picture's right, up and clockwise, ``ParamEyeL…`` is the figure's left eye, at the picture's right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generators.embedded.pose import MAX_BREATH, MAX_GAZE, Pose
from generators.live2d.operations import ADD, MULTIPLY, SET
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from generators.live2d.model3 import Model3

_TURN: Final = 1.6
"""Degrees of a drawn head for one of a real head: figures turn further than people do, or they look stiff."""
_BODY: Final = 0.3
"""Degrees of the body for one of the head."""
_VOWELS: Final = {"A": (1.0, 0.0), "I": (0.30, 0.9), "U": (0.36, -0.95), "E": (0.58, 0.45), "O": (0.75, -0.65)}
"""Opening (share of the widest) and spread (-1 round to 1 wide) of each vowel's mouth."""
_VOWEL_NAMES: Final = ("Param{}", "ParamMouth{}", "ParamVowel{}", "ParamVoice{}", "Param_{}", "PARAM_MOUTH_{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Least, most and default of a parameter."""

    least: float
    most: float
    default: float

    def kept(self, value: float) -> float:
        """The nearest value within."""
        return min(max(value, self.least), self.most)

    @property
    def shut(self) -> float:
        """The value at which what it opens is shut."""
        return max(self.least, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A figure's parameters, sorted by what they do; ids that the figure lacks are left out."""

    parameters: Mapping[str, Range]
    lip_sync: tuple[str, ...] = ()
    """What opens with the voice, where there are no vowels."""
    vowels: Mapping[str, str] = field(default_factory=dict)
    """A, I, U, E, O to parameter; empty, or all five."""
    shapes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """From ``motionsync3.json``: values for Silence and each vowel; empty where there is none."""
    eyes_left: tuple[str, ...] = ()
    """What opens the figure's left eye: 0 shut."""
    eyes_right: tuple[str, ...] = ()

    def mouth(self) -> tuple[str, ...]:
        """Ids of all that moves with the voice."""
        if self.shapes:
            return tuple(sorted({name for shape in self.shapes.values() for name in shape}))
        return tuple(self.vowels.values()) or self.lip_sync

    def driven(self) -> tuple[str, ...]:
        """Ids of all that a pose moves."""
        return tuple(self.values(Pose.neutral()))

    def operation(self, name: str) -> int:
        """What a value does to this parameter."""
        if name in self.mouth():
            return SET
        return MULTIPLY if name in {*self.eyes_left, *self.eyes_right} else ADD

    def applied(self, name: str, before: float, value: float) -> float:
        """The parameter after a value was applied to it."""
        operation = self.operation(name)
        if operation == SET:
            return value
        return before + value if operation == ADD else before * value

    def absolute(self, row: Mapping[str, float]) -> dict[str, float]:
        """The parameters that :meth:`values` gave, as a figure at rest takes them."""
        return {
            name: self.parameters[name].kept(self.applied(name, self.parameters[name].default, value))
            for name, value in row.items()
        }

    def values(self, pose: Pose) -> dict[str, float]:
        """What a pose makes of the parameters; an id has a value in every pose or in none."""
        found = dict(self._mouth(pose))
        for names, blink in ((self.eyes_left, pose.blink_left), (self.eyes_right, pose.blink_right)):
            found |= {name: 1.0 - min(max(blink, 0.0), 1.0) for name in names}
        for name, value in _face(pose, shaped=bool(self.vowels or self.shapes)).items():
            known = self.named(name)
            if known and known not in found:
                span = self.parameters[known]
                found[known] = span.kept(span.default + value) - span.default
        return found

    def named(self, standard: str) -> str:
        """The figure's id for one of Cubism's standard ids, also as Cubism 2 wrote it; empty where it has none."""
        old = "".join("_" + letter if letter.isupper() else letter for letter in standard).lstrip("_").upper()
        return next((name for name in (standard, old) if name in self.parameters), "")

    def _mouth(self, pose: Pose) -> Iterator[tuple[str, float]]:
        amount = opening(pose)
        shares = vowel_amounts(pose)
        if self.shapes:
            weights = {**shares, "Silence": max(0.0, 1.0 - sum(shares.values()))}
            for name in self.mouth():
                value = sum(weights.get(vowel, 0.0) * shape.get(name, 0.0) for vowel, shape in self.shapes.items())
                yield name, self.parameters[name].kept(value)
        elif self.vowels:
            for vowel, name in self.vowels.items():
                span = self.parameters[name]
                yield name, span.shut + shares[vowel] * (span.most - span.shut)
        else:
            for name in self.lip_sync:
                span = self.parameters[name]
                yield name, span.shut + amount * (span.most - span.shut)


def rig_of(parameters: Mapping[str, Any], model: Model3) -> Rig:
    """The rig of a model that was loaded.

    Args:
        parameters: least, most and default by id, as the SDK says.
        model: as it was read.

    Raises:
        InputError: ``live2d.mouth``: nothing in it moves with the voice; ``live2d.model``: a motion-sync file that
            cannot be read.
    """
    ranges = {
        name: Range(least=float(least), most=float(most), default=float(default))
        for name, (least, most, default) in parameters.items()
        if all(map(math.isfinite, (least, most, default)))
    }
    bare = Rig(parameters=ranges)
    lips = tuple(name for name in model.lip_sync if name in ranges)
    if not lips and not model.lip_sync and bare.named("ParamMouthOpenY"):
        lips = (bare.named("ParamMouthOpenY"),)
    shapes = _shapes(model.folder / model.motion_sync, ranges) if model.motion_sync else {}
    if not lips and not shapes:
        raise InputError(
            f"Nothing in {model.path.name} moves with the voice.",
            code="live2d.mouth",
            found=f"LipSync: {', '.join(model.lip_sync) or 'no such group'}",
            rule="the group LipSync names parameters of the model, or it has ParamMouthOpenY",
            next_step="set the lip-sync group in Cubism Viewer, and export anew",
        )
    left = [name for name in model.eye_blink if name in ranges and _left(name)]
    right = [name for name in model.eye_blink if name in ranges and not _left(name)]
    return Rig(
        parameters=ranges,
        lip_sync=lips,
        vowels=_vowels(lips, ranges),
        shapes=shapes,
        eyes_left=tuple(left) if left or right else _only(bare.named("ParamEyeLOpen")),
        eyes_right=tuple(right) if left or right else _only(bare.named("ParamEyeROpen")),
    )


def opening(pose: Pose) -> float:
    """How far the lips are apart, 0 shut to 1 as for a wide "ah"."""
    jaw, press, tuck = (pose.channel(name) for name in ("jaw", "press", "ftuck"))
    met = min(max(press / 0.028, tuck / 0.035, 0.0), 1.0)
    return min(max((jaw - 0.010) / 0.140, 0.0), 1.0) * (1.0 - met)


def vowel_amounts(pose: Pose) -> dict[str, float]:
    """How much of each vowel's mouth a pose is: each 0 to 1; together at most 1, and 0 where lips meet."""
    amount = opening(pose)
    wide, pucker = pose.channel("wide"), pose.channel("pucker")
    spread = min(max(wide / 0.05, 0.0), 1.0) - min(max(pucker / 0.105, 0.0), 1.0)
    near = {
        vowel: math.exp(-0.5 * (((amount - open_) / 0.28) ** 2 + ((spread - wide_) / 0.35) ** 2)) + 1e-6
        for vowel, (open_, wide_) in _VOWELS.items()
    }
    total = sum(near.values())
    return {vowel: value / total * min(1.0, amount / _VOWELS[vowel][0]) for vowel, value in near.items()}


def _face(pose: Pose, *, shaped: bool) -> dict[str, float]:
    """Everything but mouth opening and lids, by standard id, as what is added to the parameter's default."""
    smile = _share(pose.channel("smile"), 0.055) - _share(pose.channel("frown"), 0.045)
    form = smile if shaped else smile + 0.5 * _share(pose.channel("wide"), 0.05) - _share(pose.channel("pucker"), 0.1)
    raised = _share(pose.channel("browup"), 0.05) - _share(pose.channel("browdn"), 0.045)
    frown = -_share(pose.channel("browdn"), 0.05)
    cheer = _share(pose.channel("smile") - 0.03, 0.05)
    yaw, pitch, roll = _TURN * pose.yaw, -_TURN * pose.pitch, _TURN * pose.roll
    return {
        "ParamAngleX": yaw,
        "ParamAngleY": pitch,
        "ParamAngleZ": roll,
        "ParamBodyAngleX": _BODY * yaw,
        "ParamBodyAngleY": _BODY * pitch,
        "ParamBodyAngleZ": _BODY * roll,
        "ParamEyeBallX": float(np.clip(pose.gaze_x / MAX_GAZE, -1, 1)),
        "ParamEyeBallY": float(np.clip(-pose.gaze_y / MAX_GAZE, -1, 1)),
        "ParamMouthForm": float(np.clip(form, -1, 1)),
        "ParamBrowLY": raised,
        "ParamBrowRY": raised,
        "ParamBrowLForm": frown,
        "ParamBrowRForm": frown,
        "ParamEyeLSmile": cheer,
        "ParamEyeRSmile": cheer,
        "ParamBreath": 0.5 + 0.5 * float(np.clip(pose.breath / MAX_BREATH, -1, 1)),
    }


def _share(value: float, whole: float) -> float:
    return min(max(value / whole, 0.0), 1.0)


def _left(name: str) -> bool:
    """Whether an id of the group EyeBlink is of the left eye; one that names no side closes with the right."""
    plain = name.upper().replace("PARAM", "").replace("_", "")
    return plain.startswith(("EYEL", "LEYE", "LEFT")) or plain.endswith(("LEFT", "OPENL"))


def _only(name: str) -> tuple[str, ...]:
    return (name,) if name else ()


def _vowels(lips: Iterable[str], ranges: Mapping[str, Range]) -> dict[str, str]:
    """The five vowels, where the lip-sync group names at least one of them and the model has them all."""
    for pattern in _VOWEL_NAMES:
        found = {vowel: pattern.format(vowel) for vowel in _VOWELS}
        if set(found.values()) <= set(ranges) and set(found.values()) & set(lips):
            return found
    return {}


def _shapes(path: Path, ranges: Mapping[str, Range]) -> dict[str, dict[str, float]]:
    """The mouth of silence and each vowel, from the first setting of a ``motionsync3.json``."""
    try:
        setting = json.loads(path.read_text(encoding="utf-8-sig"))["Settings"][0]
        found = {
            str(mapping["Id"]): {
                str(target["Id"]): float(target["Value"]) for target in mapping["Targets"] if target["Id"] in ranges
            }
            for mapping in setting["Mappings"]
            if mapping["Type"] == "Shape"
        }
    except (OSError, ValueError, TypeError, KeyError, IndexError) as problem:
        raise InputError(
            f"{path.name} cannot be read as a motion-sync file.",
            code="live2d.model",
            found=f"{type(problem).__name__}: {problem}"[:200],
            rule="Settings[0].Mappings of Type Shape, each with Id and Targets",
            next_step="export it anew from Cubism Editor, or take it out of model3.json",
        ) from problem
    named = {vowel: shape for vowel, shape in found.items() if vowel in {*_VOWELS, "Silence"}}
    return named if any(shape for shape in named.values()) else {}
