"""What happens to pictures on their way to us, done to genuine and manipulated crops alike.

A fake and its genuine twin are given the same sequence with the same numbers, so that nothing but the manipulation
tells them apart: not sharpness, not compression, not size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thsafe.core.types import Frame

Codec = Literal["none", "jpeg", "h264"]

QUALITIES: Final[dict[str, tuple[Codec, int, float]]] = {
    "as-is": ("none", 0, 1.0),
    "c23": ("h264", 23, 1.0),
    "c40": ("h264", 40, 1.0),
    "jpeg-75": ("jpeg", 75, 1.0),
    "half-size": ("h264", 23, 0.5),
    "blur": ("none", 0, 1.0),
}
"""Name, codec and its number, scale: the conditions under which figures are given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One sequence of what happens to a crop, in numbers."""

    matrix: tuple[float, float, float, float, float, float]
    """From the crop to the view, row by row."""
    side: int
    """Pixels of the view in which the codec sees the face."""
    flip: bool = False
    smooth: bool = True
    """Whether shrinking averages, or takes single pixels as cheap scalers do."""
    blur: float = 0.0
    noise: float = 0.0
    seed: int = 0
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: float = 0.0
    codec: Codec = "none"
    quality: int = 0

    @classmethod
    def fixed(cls, quality: str, *, crop: int, margin: float, wanted: float, face: float) -> Fate:
        """A named condition: the middle of the crop, ``wanted`` faces wide, its face ``face`` pixels wide."""
        codec, number, scale = QUALITIES[quality]
        part = crop * wanted / margin
        side = 2 * round(face * scale * wanted / 2)
        zoom = side / part
        corner = (crop - part) / 2
        return cls(
            matrix=(zoom, 0.0, -corner * zoom, 0.0, zoom, -corner * zoom),
            side=side,
            blur=1.5 if quality == "blur" else 0.0,
            codec=codec,
            quality=number,
        )

    @classmethod
    def drawn(cls, random: np.random.Generator, *, crop: int, margin: float, severity: float = 1.0) -> Fate:
        """One by chance.

        Args:
            random: the chance.
            crop: pixels of the crop's side.
            margin: of the crop, in faces.
            severity: 0 leaves nearly everything as it is, 1 is the whole range.
        """
        wanted = float(random.uniform(1.2, 1.45))
        part = crop * wanted / margin
        face = float(np.exp(random.uniform(np.log(110 - 54 * severity), np.log(190))))
        side = 2 * round(face * wanted / 2)
        zoom = side / part
        angle = np.radians(float(random.normal(0, 3)))
        cosine, sine = zoom * float(np.cos(angle)), zoom * float(np.sin(angle))
        x, y = crop / 2 + random.normal(0, 0.02 * crop, 2)
        chances: tuple[Codec, ...] = ("none", "jpeg", "h264")
        codec = chances[int(random.choice(3, p=[0.7 - 0.5 * severity, 0.15 + 0.1 * severity, 0.15 + 0.4 * severity]))]
        return cls(
            matrix=(
                *(cosine, -sine, side / 2 - cosine * float(x) + sine * float(y)),
                *(sine, cosine, side / 2 - sine * float(x) - cosine * float(y)),
            ),
            side=side,
            flip=bool(random.random() < 0.5),
            smooth=bool(random.random() < 0.8),
            blur=float(random.uniform(0.3, 1.5)) if random.random() < 0.15 * severity else 0.0,
            noise=float(random.uniform(0.5, 5)) if random.random() < 0.2 * severity else 0.0,
            seed=int(random.integers(1 << 31)),
            gain=_triple(np.clip(random.normal(1, 0.05, 3) * random.uniform(0.85, 1.15), 0.5, 1.5)),
            offset=float(random.normal(0, 6)),
            codec=codec,
            quality=round(float(random.uniform(90 - 55 * severity, 98)))
            if codec == "jpeg"
            else round(float(random.uniform(17, 21 + 19 * severity))),
        )

    def befall(self, crop: Frame, side: int) -> Frame:
        """The crop after all that, BGR ``uint8`` (side, side, 3)."""
        import cv2

        matrix = np.array(self.matrix, np.float64).reshape(2, 3)
        zoom = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        picture = crop[:, ::-1] if self.flip else crop
        if zoom < 0.85 and self.smooth:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.42 / zoom)
        view: Frame = cv2.warpAffine(
            picture, matrix, (self.side, self.side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        )
        if self.blur:
            view = cv2.GaussianBlur(view, (0, 0), self.blur)
        if self.noise or self.offset or self.gain != (1.0, 1.0, 1.0):
            changed = view.astype(np.float32) * np.array(self.gain, np.float32) + self.offset
            if self.noise:
                changed += np.random.default_rng(self.seed).normal(0, self.noise, view.shape).astype(np.float32)
            view = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
        view = self._coded(view)
        if view.shape[0] == side:
            return view
        way = cv2.INTER_AREA if view.shape[0] > side else cv2.INTER_LINEAR
        found: Frame = cv2.resize(view, (side, side), interpolation=way)
        return found

    def _coded(self, view: Frame) -> Frame:
        import cv2

        if self.codec == "jpeg":
            found: Frame = cv2.imdecode(
                cv2.imencode(".jpg", view, [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1], cv2.IMREAD_COLOR
            )
            return found
        if self.codec == "h264":
            from thsafe.media.roundtrip import through_h264

            # the third picture of a moving clip: most pictures of a film are predicted ones
            moves = ((-1.0, 0.0), (0.0, -0.6), (0.0, 0.0))
            clip = [
                cv2.warpAffine(
                    view, np.array([[1, 0, x], [0, 1, y]]), view.shape[1::-1], borderMode=cv2.BORDER_REPLICATE
                )
                for x, y in moves[:2]
            ]
            return through_h264([*clip, view], crf=self.quality)[-1]
        return view


def _triple(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFate:
    """The same for frames that follow each other, which are coded together and keep their own pixels as a rule."""

    scale: float = 1.0
    blur: float = 0.0
    noise: float = 0.0
    seed: int = 0
    codec: Codec = "none"
    quality: int = 0
    preset: str = "veryfast"

    @classmethod
    def fixed(cls, quality: str, *, face: float, least: float) -> ClipFate:
        """A named condition; a face of ``face`` pixels is not made smaller than ``least``."""
        codec, number, scale = QUALITIES[quality]
        return cls(
            scale=min(1.0, max(scale, least / face)),
            blur=1.5 if quality == "blur" else 0.0,
            codec=codec,
            quality=number,
        )

    @classmethod
    def drawn(cls, random: np.random.Generator, *, face: float, least: float) -> ClipFate:
        """One by chance: half keep their size, a quarter their pixels."""
        scale = 1.0 if random.random() < 0.55 else float(random.uniform(0.5, 1.0))
        chances: tuple[Codec, ...] = ("none", "jpeg", "h264")
        codec = chances[int(random.choice(3, p=[0.2, 0.2, 0.6]))]
        return cls(
            scale=min(1.0, max(scale, least / face)),
            blur=float(random.uniform(0.3, 1.2)) if random.random() < 0.1 else 0.0,
            noise=float(random.uniform(0.5, 4)) if random.random() < 0.1 else 0.0,
            seed=int(random.integers(1 << 31)),
            codec=codec,
            quality=int(random.integers(60, 98)) if codec == "jpeg" else int(random.integers(16, 38)),
            preset=str(random.choice(["ultrafast", "veryfast", "medium"])),
        )

    def befall(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames after all that, ``scale`` times as large."""
        return self._coded([self._handled(frame, place) for place, frame in enumerate(frames)])

    def _handled(self, frame: Frame, place: int) -> Frame:
        import cv2

        if self.scale < 1:
            side = 2 * round(frame.shape[0] * self.scale / 2)
            frame = cv2.resize(frame, (side, side), interpolation=cv2.INTER_AREA)
        if self.blur:
            frame = cv2.GaussianBlur(frame, (0, 0), self.blur)
        if self.noise:
            hiss = np.random.default_rng([self.seed, place]).normal(0, self.noise, frame.shape)
            frame = np.clip(np.rint(frame + hiss), 0, 255).astype(np.uint8)
        return frame

    def _coded(self, frames: list[Frame]) -> list[Frame]:
        import cv2

        if self.codec == "jpeg":
            setting = [cv2.IMWRITE_JPEG_QUALITY, self.quality]
            return [cv2.imdecode(cv2.imencode(".jpg", frame, setting)[1], cv2.IMREAD_COLOR) for frame in frames]
        if self.codec == "h264":
            from thsafe.media.roundtrip import through_h264

            return through_h264(frames, crf=self.quality, preset=self.preset)
        return frames
