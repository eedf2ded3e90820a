"""A camera before a picture: how a still becomes a genuine clip, with noise that is new in every frame.

A film of a person has noise that stays with the sensor while the picture moves under it. A picture brought to life has
noise, if any, that travels with the pixels. So what is genuine here must have been looked at by something like a
camera, or a detector learns that whatever moves is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from detectors.faceforensics.selfmade.families import Shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.selfmade.shapes import Marks
    from thsafe.core.types import Frame

Clip = Sequence[Shot]
"""Frames that follow each other, 25 a second, all of one size."""
_VIEW = 2.3
"""Side of the view in widths of the face."""
_CLEAN = 0.25
"""Share of cameras whose noise was removed before we saw it, as telephones do."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera:
    """Where it looks frame by frame, in what light, and how it hisses."""

    path: NDArray[np.float64]
    """(n, 2, 3): from the picture to the view."""
    side: int
    gain: NDArray[np.float64]
    """(3,)."""
    curve: float
    noise: float
    """Deviation at middle grey, in levels."""
    grain: float
    """Pixels over which neighbouring noise is alike: colour filters and scalers leave it soft."""
    seed: int

    @classmethod
    def drawn(cls, random: np.random.Generator, marks: Marks, *, count: int, face: tuple[float, float]) -> Self:
        """One by chance: resting, held by hand, panning or nearing.

        Args:
            random: the chance.
            marks: the face in the picture.
            count: frames.
            face: least and most pixels of the face's width in the view; never much enlarged.
        """
        wide = float(np.hypot(*(marks[454, :2] - marks[234, :2])))
        scale = min(float(random.uniform(*face)) / wide, 1.1)
        noise = 0.0 if random.random() < _CLEAN else float(np.exp(random.uniform(np.log(0.7), np.log(5.0))))
        way = int(random.choice(4, p=[0.25 if noise else 0.0, 0.35, 0.25, 0.15 if noise else 0.4]))
        time = np.arange(count)
        drift, zoom, turn = np.zeros((count, 2)), np.ones(count), np.full(count, float(random.normal(0, 5)))
        if way == 1:
            drift = _sway(random, count, 0.5)
            turn = turn + _sway(random, count, 0.05)[:, 0]
        elif way == 2:
            drift = time[:, None] * random.normal(0, 0.8, 2) + _sway(random, count, 0.2)
        elif way == 3:
            zoom = 1 + time * float(random.normal(0, 0.004))
            drift = _sway(random, count, 0.3)
        side = 2 * round(_VIEW * wide * scale / 2)
        middle = marks[1, :2].astype(np.float64)
        path = np.zeros((count, 2, 3))
        for frame in range(count):
            angle, size = np.radians(turn[frame]), scale * zoom[frame]
            rotation = size * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            path[frame, :, :2] = rotation
            path[frame, :, 2] = np.array([side / 2, side * 0.5]) + drift[frame] - rotation @ middle
        return cls(
            path=path,
            side=side,
            gain=np.clip(random.normal(1, 0.06, 3) * random.uniform(0.75, 1.2), 0.5, 1.5),
            curve=float(random.uniform(0.8, 1.25)),
            noise=noise,
            grain=float(random.uniform(0.0, 0.8)),
            seed=int(random.integers(1 << 31)),
        )

    def look(self, picture: Frame, frame: int) -> Frame:
        """What stands before it, in its light, without noise."""
        import cv2

        scale = float(np.hypot(*self.path[frame, 0, :2]))
        softer = cv2.GaussianBlur(picture, (0, 0), 0.45 / scale) if scale < 0.9 else picture
        view = cv2.warpAffine(
            softer, self.path[frame], (self.side, self.side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        levels = 255 * (np.arange(256) / 255) ** self.curve
        table = np.clip(np.rint(levels[:, None] * self.gain), 0, 255).astype(np.uint8)
        found: Frame = cv2.LUT(view, table[:, None, :])
        return found

    def sense(self, view: Frame, frame: int) -> Frame:
        """The view with the noise of this frame: more where there is more light, and some in the dark."""
        import cv2

        if not self.noise:
            return view
        hiss = np.random.default_rng([self.seed, frame]).normal(0, 1, view.shape).astype(np.float32)
        if self.grain > 0.3:
            hiss = cv2.GaussianBlur(hiss, (0, 0), self.grain)
            hiss /= max(float(hiss.std()), 1e-3)
        strength = self.noise * np.sqrt(0.3 + 0.7 * view.astype(np.float32) / 128)
        return np.asarray(np.clip(np.rint(view + strength * hiss), 0, 255), np.uint8)

    def marks(self, marks: Marks, frame: int) -> Marks:
        """Landmarks of the picture in the view."""
        matrix = self.path[frame]
        return np.asarray(marks[:, :2] @ matrix[:, :2].T + matrix[:, 2], np.float32)


def filmed(picture: Frame, marks: Marks, camera: Camera) -> list[Shot]:
    """The still as that camera films it."""
    return [
        Shot(picture=camera.sense(camera.look(picture, frame), frame), marks=camera.marks(marks, frame))
        for frame in range(len(camera.path))
    ]


def _sway(random: np.random.Generator, count: int, strength: float) -> NDArray[np.float64]:
    """A hand's smooth unrest, (count, 2)."""
    steps = random.normal(0, strength, (count + 8, 2))
    smooth = np.apply_along_axis(lambda row: np.convolve(row, np.hanning(7) / 3, "same"), 0, steps)
    return np.asarray(np.cumsum(smooth, axis=0)[4 : count + 4], np.float64)
