"""People who do not exist, drawn by this code: pictures to animate that belong to everybody."""

from __future__ import annotations

from generators.embedded.cast.person import CAST, Person
from generators.embedded.cast.portrait import Drawn, draw, save

__all__ = ["CAST", "Drawn", "Person", "draw", "save"]
