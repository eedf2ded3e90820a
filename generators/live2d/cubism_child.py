"""The child process that opens and draws a Live2D model: the only place where live2d-py and Cubism Core run.

It limits itself before it reads a byte of the model, loads the model before any OpenGL context exists (with Mesa's
context first, loading ends in std::bad_alloc), and then turns rows of numbers into pictures until no more come.

Orders come on standard input: a line of JSON names the model, another says what is to be seen of it, then rows of
float32 follow. Answers go to the file handle named on the command line: a line of JSON for each order, then pictures,
BGRA from the bottom row up. Standard output and error are the parent's log: Cubism Core writes there as it likes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Mapping
from typing import IO, Any, Final

import numpy as np

from generators.live2d.egl import EglError, Surface
from generators.live2d.operations import ADD, SET
from generators.live2d.textures import choose_textures, unseen_part
from thsafe.confinement import Bounds, confine, end_with_parent
from thsafe.core.errors import MissingError

FAILED: Final = 3
"""Exit code after a problem that was told."""
_BOUNDS: Final = Bounds(cpu_seconds=24 * 3600, megabytes=8192, file_megabytes=1)
_MOVED: Final = 1e-3
"""Canvas units by which a vertex must move to belong to eyes or mouth."""
_VIEWS: Final = {"head": 3.9, "bust": 6.0}
"""Height of the view in heights of the face from the brows to the chin."""


def main(handle: int) -> None:
    """Serve one model; ``handle`` takes the answers."""
    end_with_parent()
    answers = os.fdopen(handle, "wb", buffering=0)
    rows = sys.stdin.buffer
    try:
        with contextlib.suppress(MissingError):  # a kernel without a filter: the limits hold all the same
            confine(_BOUNDS)
        _serve(rows, answers)
    except _Problem as problem:
        _tell(answers, {"problem": problem.code, "found": str(problem)})
        sys.exit(FAILED)


class _Problem(Exception):
    def __init__(self, code: str, found: str) -> None:
        super().__init__(found)
        self.code = code


def _serve(rows: IO[bytes], answers: IO[bytes]) -> None:
    try:
        live2d = importlib.import_module("live2d")
    except Exception as problem:  # the extension may fail in any way where the system does not suit it
        raise _Problem("live2d.package", f"{type(problem).__name__}: {problem}") from problem
    live2d.enableLog(False)
    live2d.init()
    model = _loaded(live2d, _order(rows))
    _tell(answers, {"parameters": _parameters(model)})
    order = _order(rows)
    if "replay" in order:
        _tell(answers, {"replay": _replayed(model, order)})
        return
    try:
        surface = Surface(order["width"], order["height"])
    except EglError as problem:
        raise _Problem("live2d.egl", str(problem)) from problem
    live2d.glInit()
    model.CreateRenderer()

    def rest() -> None:
        _clear(live2d, order)
        model.Draw()

    def fit(width: int, height: int) -> None:
        _frame(model, {**order, "width": width, "height": height})

    fit(*surface.size)
    choose_textures(surface, rest, fit)
    unseen = unseen_part(model, surface, rest)
    _tell(answers, {"driver": surface.driver, "face": _frame(model, order)})
    _draw(live2d, model, surface, order, rows, answers, unseen)


def _order(rows: IO[bytes]) -> dict[str, Any]:
    line = rows.readline()
    if not line:
        sys.exit(0)  # the parent has changed its mind
    order: dict[str, Any] = json.loads(line)
    return order


def _tell(answers: IO[bytes], about: Mapping[str, Any]) -> None:
    _write(answers, json.dumps(about).encode() + b"\n")


def _loaded(live2d: Any, order: Mapping[str, Any]) -> Any:
    model = live2d.Model()
    try:
        model.LoadModelJson(order["model"], create_renderer=False)
    except Exception as problem:  # what the extension raises is not documented
        raise _Problem("live2d.moc", f"{type(problem).__name__}: {problem}"[:200]) from problem
    if not model.GetParamCount():
        raise _Problem("live2d.moc", "Cubism Core finds no parameters in it, or the .moc3 file inconsistent")
    model.SetAutoBlink(False)
    model.SetAutoBreath(False)
    return model


def _parameters(model: Any) -> dict[str, tuple[float, float, float]]:
    """Least, most and default of each parameter, by id."""
    return {
        name: (
            model.GetParamMinByIndex(place),
            model.GetParamMaxByIndex(place),
            model.GetParamDefaultByIndex(place),
        )
        for place, name in enumerate(model.GetParamIds())
    }


def _replayed(model: Any, order: Mapping[str, Any]) -> list[list[float]] | None:
    """Parameter values while a motion is played by the SDK alone, one row a step; None where it is not accepted."""
    number = model.LoadExtraMotion("replay", order["replay"])
    if number is None or number < 0:
        return None
    model.StopAllMotions()
    model.ResetAllParameters()
    model.StartMotion("replay", number, 3)
    table = []
    model.UpdateMotion(0.0)
    for _ in range(order["steps"]):
        model.LoadParameters()
        model.UpdateMotion(order["dt"])
        table.append([model.GetParamValueById(name) for name in order["ids"]])
        model.SaveParameters()
    return table


def _frame(model: Any, order: Mapping[str, Any]) -> list[float] | None:
    """Bring the wanted part of the figure into view; returns the face's box as shares of the picture, or None.

    No model says where its face is: it is where the vertices are that move with the eyes and the mouth.
    """
    width, height = order["width"], order["height"]
    model.Resize(width, height)
    model.SetScale(1.0)
    model.SetOffset(0.0, 0.0)
    face = _face(model, order["eyes"], order["mouth"])
    if face is None:
        return None
    x0, y0, x1, y1 = face
    tall, middle = (y1 - y0), ((x0 + x1) / 2, (y0 + y1) / 2)
    mvp = np.array(model.GetMvp(), np.float64).reshape(4, 4)
    across, up = mvp[0, 0], mvp[1, 1]
    scale = 1.0
    shift = (mvp[3, 0], mvp[3, 1])
    if order["view"] in _VIEWS:
        seen = _VIEWS[order["view"]] * tall
        scale = 2.0 / (seen * max(up, across * width / height))
        lift = 0.10 if order["view"] == "head" else 0.45
        wanted = (-middle[0] * across * scale, -middle[1] * up * scale + lift)
        model.SetScale(scale)
        model.SetOffset(1.0, 1.0)
        unit = np.array(model.GetMvp(), np.float64).reshape(4, 4)[3, :2]
        model.SetOffset(wanted[0] / unit[0], wanted[1] / unit[1])
        shift = wanted
    grow = 0.25 * tall
    left, right = (((x + side) * across * scale + shift[0] + 1) / 2 for x, side in ((x0, -grow), (x1, grow)))
    top, bottom = ((1 - (y + side) * up * scale - shift[1]) / 2 for y, side in ((y1, grow), (y0, -grow)))
    return [float(left), float(top), float(right), float(bottom)]


def _face(model: Any, eyes: list[str], mouth: list[str]) -> tuple[float, float, float, float] | None:
    still = _vertices(model, {})
    boxes = []
    for names in (eyes, mouth):
        moved = _vertices(model, {name: _far_end(model, name) for name in names})
        found = [
            before[np.abs(before - after).max(axis=1) > _MOVED] for before, after in zip(still, moved, strict=True)
        ]
        points = np.concatenate([*found, np.zeros((0, 2))])
        if len(points):
            low, high = np.percentile(points, (2, 98), axis=0)
            boxes.append((*low, *high))
    if len(boxes) < 2:
        return None
    table = np.array(boxes)
    return (
        float(table[:, 0].min()), float(table[:, 1].min()), float(table[:, 2].max()), float(table[:, 3].max()),
    )  # fmt: skip


def _far_end(model: Any, name: str) -> float:
    low, high, default = (f(name) for f in (model.GetParamMinById, model.GetParamMaxById, model.GetParamDefaultById))
    return float(high if default - low < high - default else low)


def _vertices(model: Any, values: Mapping[str, float]) -> list[Any]:
    model.ResetAllParameters()
    for name, value in values.items():
        model.SetParamById(name, value)
    model.Draw()  # the only call that lets Core compute the mesh
    vertices = [
        np.array(model.GetDrawableVertices(place), np.float64).reshape(-1, 2)
        for place in range(len(model.GetDrawableIds()))
    ]
    model.ResetAllParameters()
    return vertices


def _draw(
    live2d: Any,
    model: Any,
    surface: Surface,
    order: Mapping[str, Any],
    rows: IO[bytes],
    answers: IO[bytes],
    unseen: int | None,
) -> None:
    places = [model.GetParamIds().index(name) for name in order["ids"]]
    operations = order["operations"]
    if order["expression"]:
        model.SetExpression(order["expression"])
    dt, size = float(order["dt"]), 4 * len(places)
    number = 0
    while len(data := rows.read(size) if size else b"") == size:
        row = np.frombuffer(data, np.float32)
        model.LoadParameters()
        if order["motion"] is not None and (number == 0 or model.IsMotionFinished()):
            model.StartMotion(order["motion"][0], order["motion"][1], 3)
        model.UpdateMotion(dt)
        model.SaveParameters()
        model.UpdateExpression(dt)
        for place, operation, value in zip(places, operations, row.tolist(), strict=True):
            if operation == SET:
                model.SetParamByIndex(place, value)
            elif operation == ADD:
                model.AddParamByIndex(place, value)
            else:
                model.SetParamByIndex(place, model.GetParamValueByIndex(place) * value)
        model.UpdatePhysics(dt)
        model.UpdatePose(dt)
        if number % order["every"] == order["first"]:
            if unseen is not None:
                model.SetPartOpacity(unseen, 0.0)
            _clear(live2d, order)
            model.Draw()
            _write(answers, surface.read())
        number += 1


def _clear(live2d: Any, order: Mapping[str, Any]) -> None:
    red, green, blue = (part / 255 for part in order["background"])
    live2d.clearBuffer(red, green, blue, 1.0)


def _write(answers: IO[bytes], data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[answers.write(view) or 0 :]
