"""The people of the cast: what each one looks like, as numbers. None of them exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Colour = tuple[int, int, int]
"""Red, green, blue, 0..255, sRGB."""

HairStyle = Literal["short", "crop", "bob", "long", "curly", "bun", "shaved", "bald"]
ClothesStyle = Literal["crew", "collar", "turtleneck", "blazer", "vneck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Everything that decides how somebody is drawn; the same values always give the same picture.

    Shape offsets are in units of what varies among people: 0 is the mean face, about -1.5..1.5 stays human.

    Attributes:
        name: Key in the cast.
        skin: Skin colour in even light.
        undertone: -1 cool and rosy .. 1 warm and golden.
        hair: Style of the hair.
        hair_colour: Its colour in even light.
        hair_length: 0.5..1.5, scales the style's own length.
        grey: Share of grey strands, 0..1.
        eye_colour: Colour of the iris.
        lip_colour: Colour of the lips.
        brow: Thickness of the eyebrows, 1 is usual.
        lashes: Length of the lashes, 1 is usual.
        age: 0 young .. 1 old: folds, lines and softer skin.
        beard: 0 none .. 1 full.
        moustache: 0 none .. 1 full.
        freckles: 0 none .. 1 many.
        clothes: Style of the clothes.
        cloth_colour: Their colour.
        background: Colour of the room in the light; it falls off towards the corners.
        glasses: Whether spectacles are worn.
        face_width, face_length, jaw, chin, eye_size, eye_tilt, nose_width, nose_length, lip_fullness, mouth_width,
            smile, brow_height: Shape offsets.
        seed: Decides the strands of hair, the pores and the streaks of the iris.
    """

    name: str
    skin: Colour
    undertone: float = 0.0
    hair: HairStyle = "short"
    hair_colour: Colour = (60, 40, 28)
    hair_length: float = 1.0
    grey: float = 0.0
    eye_colour: Colour = (96, 66, 40)
    lip_colour: Colour = (190, 100, 95)
    brow: float = 1.0
    lashes: float = 1.0
    age: float = 0.2
    beard: float = 0.0
    moustache: float = 0.0
    freckles: float = 0.0
    clothes: ClothesStyle = "crew"
    cloth_colour: Colour = (60, 80, 110)
    background: Colour = (150, 160, 170)
    glasses: bool = False
    face_width: float = 0.0
    face_length: float = 0.0
    jaw: float = 0.0
    chin: float = 0.0
    eye_size: float = 0.0
    eye_tilt: float = 0.0
    nose_width: float = 0.0
    nose_length: float = 0.0
    lip_fullness: float = 0.0
    mouth_width: float = 0.0
    smile: float = 0.5
    brow_height: float = 0.0
    seed: int = 1


_EVERYONE = (
    Person(
        name="ada",
        skin=(236, 190, 160),
        undertone=0.1,
        hair="bob",
        hair_colour=(112, 58, 30),
        eye_colour=(72, 112, 78),
        lip_colour=(200, 96, 92),
        brow=0.9,
        lashes=1.2,
        age=0.15,
        freckles=0.5,
        clothes="turtleneck",
        cloth_colour=(38, 98, 104),
        background=(196, 178, 156),
        jaw=-0.9,
        face_length=-0.5,
        eye_size=1.0,
        nose_width=-0.6,
        lip_fullness=0.5,
        seed=11,
    ),
)

CAST: Mapping[str, Person] = MappingProxyType({person.name: person for person in _EVERYONE})
"""Everyone who can be drawn, by name."""
