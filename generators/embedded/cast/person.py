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
        skin=(238, 192, 162),
        undertone=0.1,
        hair="bob",
        hair_colour=(104, 48, 24),
        eye_colour=(72, 112, 78),
        lip_colour=(202, 98, 94),
        brow=0.8,
        lashes=1.2,
        age=0.1,
        freckles=0.5,
        clothes="turtleneck",
        cloth_colour=(38, 98, 104),
        background=(196, 178, 156),
        jaw=-1.0,
        face_length=-0.6,
        eye_size=1.2,
        nose_width=-0.6,
        lip_fullness=0.5,
        smile=0.9,
        seed=11,
    ),
    Person(
        name="kofi",
        skin=(112, 70, 48),
        undertone=0.2,
        hair="crop",
        hair_colour=(30, 24, 22),
        eye_colour=(66, 40, 24),
        lip_colour=(128, 70, 64),
        brow=1.2,
        lashes=0.5,
        age=0.3,
        beard=0.0,
        moustache=0.0,
        clothes="collar",
        cloth_colour=(214, 178, 92),
        background=(92, 128, 132),
        jaw=1.3,
        chin=0.8,
        face_width=0.6,
        eye_size=-0.5,
        nose_width=1.6,
        lip_fullness=1.4,
        smile=0.8,
        brow_height=-1.0,
        face_length=0.4,
        seed=12,
    ),
    Person(
        name="mei",
        skin=(238, 196, 164),
        undertone=0.4,
        hair="long",
        hair_colour=(34, 26, 26),
        eye_colour=(62, 40, 28),
        lip_colour=(206, 92, 100),
        brow=0.8,
        lashes=1.0,
        age=0.1,
        clothes="vneck",
        cloth_colour=(176, 72, 84),
        background=(158, 170, 186),
        jaw=-1.1,
        face_length=-0.7,
        face_width=0.4,
        eye_size=0.5,
        eye_tilt=0.9,
        nose_width=0.2,
        lip_fullness=0.3,
        smile=0.7,
        nose_length=-0.3,
        mouth_width=-0.6,
        seed=13,
    ),
    Person(
        name="omar",
        skin=(200, 146, 108),
        undertone=0.5,
        hair="short",
        hair_colour=(38, 28, 24),
        eye_colour=(92, 62, 34),
        lip_colour=(176, 100, 88),
        brow=1.35,
        lashes=0.45,
        age=0.3,
        beard=0.85,
        moustache=0.8,
        clothes="collar",
        cloth_colour=(232, 234, 236),
        background=(116, 136, 116),
        jaw=1.2,
        chin=0.6,
        face_length=0.5,
        eye_size=-0.6,
        nose_width=0.2,
        nose_length=0.5,
        lip_fullness=-0.4,
        smile=0.6,
        brow_height=-1.2,
        seed=14,
    ),
    Person(
        name="ines",
        skin=(160, 104, 72),
        undertone=0.3,
        hair="curly",
        hair_length=0.8,
        hair_colour=(46, 30, 24),
        eye_colour=(110, 72, 34),
        lip_colour=(170, 76, 74),
        brow=0.8,
        lashes=1.2,
        age=0.15,
        freckles=0.3,
        clothes="crew",
        cloth_colour=(222, 160, 52),
        background=(128, 112, 140),
        jaw=-0.3,
        face_length=-0.5,
        eye_size=1.0,
        nose_width=1.1,
        lip_fullness=1.5,
        smile=1.0,
        face_width=0.8,
        mouth_width=0.6,
        eye_tilt=0.4,
        nose_length=-0.4,
        seed=15,
    ),
    Person(
        name="bruno",
        skin=(228, 178, 152),
        undertone=-0.4,
        hair="short",
        hair_colour=(104, 98, 94),
        hair_length=0.8,
        grey=0.75,
        eye_colour=(92, 122, 150),
        lip_colour=(186, 112, 104),
        brow=1.2,
        lashes=0.35,
        age=1.0,
        moustache=1.0,
        clothes="blazer",
        cloth_colour=(48, 56, 78),
        background=(150, 128, 110),
        jaw=1.3,
        face_width=0.5,
        face_length=0.3,
        eye_size=-0.9,
        nose_width=0.7,
        nose_length=1.0,
        lip_fullness=-0.8,
        smile=0.5,
        brow_height=-1.0,
        chin=0.8,
        eye_tilt=-0.8,
        mouth_width=0.5,
        seed=16,
    ),
    Person(
        name="greta",
        skin=(230, 188, 166),
        undertone=-0.2,
        hair="bun",
        hair_colour=(150, 146, 142),
        grey=0.5,
        eye_colour=(84, 104, 124),
        lip_colour=(190, 96, 98),
        brow=0.6,
        lashes=0.6,
        age=0.9,
        clothes="crew",
        cloth_colour=(106, 76, 122),
        background=(172, 178, 160),
        glasses=True,
        jaw=-0.2,
        eye_size=0.4,
        nose_width=-0.1,
        nose_length=0.6,
        lip_fullness=-0.6,
        smile=0.8,
        face_length=0.2,
        face_width=-0.2,
        chin=0.3,
        mouth_width=-0.4,
        seed=17,
    ),
    Person(
        name="tariq",
        skin=(176, 118, 84),
        undertone=0.3,
        hair="bald",
        hair_colour=(36, 28, 24),
        eye_colour=(70, 46, 28),
        lip_colour=(160, 90, 80),
        brow=1.2,
        lashes=0.45,
        age=0.45,
        beard=0.9,
        moustache=0.8,
        clothes="crew",
        cloth_colour=(60, 66, 74),
        background=(178, 150, 120),
        jaw=1.3,
        chin=0.4,
        face_width=0.4,
        eye_size=-0.6,
        nose_width=0.6,
        lip_fullness=-0.1,
        smile=0.7,
        brow_height=-1.2,
        nose_length=0.2,
        face_length=0.1,
        seed=18,
    ),
    Person(
        name="sol",
        skin=(238, 194, 166),
        undertone=0.0,
        hair="short",
        hair_colour=(206, 164, 104),
        hair_length=1.25,
        eye_colour=(88, 132, 160),
        lip_colour=(206, 120, 112),
        brow=0.75,
        lashes=0.6,
        age=0.05,
        freckles=0.2,
        clothes="crew",
        cloth_colour=(226, 96, 74),
        background=(120, 150, 168),
        jaw=0.5,
        eye_size=0.5,
        nose_width=-0.3,
        lip_fullness=0.2,
        smile=1.0,
        brow_height=-0.4,
        face_length=-0.2,
        chin=0.5,
        nose_length=-0.5,
        mouth_width=0.7,
        seed=19,
    ),
    Person(
        name="priya",
        skin=(186, 128, 92),
        undertone=0.5,
        hair="bun",
        hair_colour=(32, 24, 24),
        eye_colour=(74, 46, 28),
        lip_colour=(178, 70, 80),
        brow=0.85,
        lashes=1.3,
        age=0.25,
        clothes="blazer",
        cloth_colour=(122, 44, 66),
        background=(132, 146, 150),
        jaw=-1.0,
        eye_size=0.9,
        nose_width=0.1,
        nose_length=0.9,
        lip_fullness=0.8,
        smile=0.8,
        face_length=0.5,
        eye_tilt=0.5,
        brow_height=0.3,
        face_width=-0.5,
        seed=20,
    ),
)

CAST: Mapping[str, Person] = MappingProxyType({person.name: person for person in _EVERYONE})
"""Everyone who can be drawn, by name."""
