"""What the engine reads from a request: its numbers and its portrait, each refused in words where it cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from generators.embedded.puppet import Framed
    from thsafe.core.types import Json, MediaRef, Request
    from thsafe.home import Home


def framed(
    request: Request, home: Home | None, *, portrait: MediaRef | None = None, person: str | None = None
) -> Framed:
    """The portrait, cropped and scaled; a drawn one brings its landmarks, so no face has to be found."""
    from generators.embedded.puppet import load_portrait

    portrait = request.input("portrait") if portrait is None else portrait
    short_side = whole(request.params, "short_side", 512)
    if not 128 <= short_side <= 2160:
        raise UsageError(
            "The picture's shorter side must lie between 128 and 2160 pixels.",
            code="engine.size",
            found=str(short_side),
            next_step="choose --size 512",
        )
    if portrait.performer == "synthetic":
        from generators.embedded.cast import CAST
        from generators.embedded.cast.cache import framed_person

        name = str(request.params.get("person", "")) if person is None else person
        if name not in CAST:
            raise UsageError(
                f"There is no drawn person called {name!r}.",
                code="person.unknown",
                found=name,
                next_step="choose one of: " + ", ".join(CAST),
            )
        return framed_person(name, short_side=short_side, home=home)
    if portrait.path is None:
        raise UsageError("The portrait must be a file.", code="engine.portrait", next_step="give --image FILE")
    return load_portrait(portrait.path, short_side=short_side)


def whole(params: Mapping[str, Json], name: str, default: int) -> int:
    """A parameter that is a whole number; raises UsageError ``engine.parameter`` otherwise."""
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(
            f"{name} must be a whole number.", code="engine.parameter", found=repr(value), next_step=f"{name}={default}"
        )
    return value


def frame_rate(params: Mapping[str, Json]) -> Fraction:
    """The frame rate asked for, 25 by default; raises UsageError ``engine.fps`` where it is no number."""
    value = params.get("fps", 25)
    try:
        return Fraction(str(value))  # 25, 29.97 or "30000/1001"
    except (ValueError, ZeroDivisionError) as problem:
        raise UsageError(
            "fps must be a number of frames per second.", code="engine.fps", found=repr(value), next_step="fps=25"
        ) from problem
