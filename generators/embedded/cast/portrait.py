"""From a person's numbers to a picture and the landmarks it was drawn from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from generators.embedded.cast.person import Person

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from generators.embedded.cast.geometry import FloatArray


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn portrait.

    Attributes:
        picture: BGR ``(size, size, 3)``, uint8.
        landmarks: ``(478, 3)`` float32 in pixels, z away from the viewer on the scale of x: those the picture was
            drawn from, in the order of the usual face mesh.
        matte: ``(size, size)`` float32: how much of each pixel is person, 0 to 1.
    """

    picture: npt.NDArray[np.uint8]
    landmarks: npt.NDArray[np.float32]
    matte: npt.NDArray[np.float32]


def draw(person: Person, *, size: int = 1024) -> Drawn:
    """Draw somebody.

    The same person and size give the same bytes on the same versions of numpy and OpenCV.

    Args:
        person: Who.
        size: Side of the square picture in pixels, at least 128.

    Returns:
        The picture and its landmarks.
    """
    import numpy as np

    from generators.embedded.cast import bust, features, geometry, hair, paint, relief, shading

    frame = geometry.frame(size)
    points = geometry.shape(person)
    u = frame.unit
    canvas = bust.background(person, frame)
    hairs = hair.grow(person, points, frame)

    head = paint.polygon(frame, geometry.head_outline(points))
    head_h = relief.head_relief(person, points, frame)
    ears = [paint.polygon(frame, bust.ear_outline(points, side)) for side in (-1, 1)]
    ear_h = [bust.ear_relief(points, side, frame) for side in (-1, 1)]
    below = bust.body(person, points, frame)
    cloth, cloth_mask, cloth_h = bust.clothe(person, points, frame)
    albedo = features.skin_albedo(person, points, frame)
    lips = features.paint_lips(person, points, frame, albedo)
    front = hairs.front.cover if hairs.front is not None else np.zeros_like(head)
    back = hairs.back.cover if hairs.back is not None else np.zeros_like(head)

    # One relief of everything, for shadows that fall from part to part.
    whole = np.full_like(head, -2.0)
    for mask, height in (
        (below.torso, below.torso_relief),
        (below.neck, below.neck_relief),
        (cloth_mask, below.torso_relief + cloth_h),
        (ears[0], ear_h[0]),
        (ears[1], ear_h[1]),
        (head, head_h),
    ):
        whole = np.where(mask > 0.5, height, whole)
    whole = whole + 0.10 * front * (whole > -1.5)
    shadow = shading.cast_shadow(np.maximum(whole, -1.2).astype(np.float32), frame, shading.KEY)
    under_hair = 1 - 0.45 * paint.blur(front, 0.06 * u)

    if hairs.back is not None:
        paint.over(canvas, hairs.back.colour, hairs.back.cover)

    def lay_skin(mask: FloatArray, height: FloatArray, dim: FloatArray, round_: float) -> None:
        n = shading.normals(height, frame)
        open_ = shading.occlusion(height, frame) * dim
        light = shading.sink(shading.diffuse(n, shadow, open_), mask, frame)
        colour = albedo * light
        shine = 0.032 * shading.gloss(n, 12) + 0.040 * shading.gloss(n, 46)
        colour = colour + (shine * shadow * (1 - 0.5 * lips))[..., None]
        wet = 0.30 * shading.gloss(n, 60) + 0.10 * shading.gloss(n, 18)
        colour = colour + (wet * shadow * lips)[..., None]
        colour = colour + (round_ * shading.rim(n))[..., None] * np.array([0.9, 0.75, 0.68], np.float32)
        paint.over(canvas, colour.astype(np.float32), mask)

    jaw_y = float(points[152, 1])
    _, y = frame.grid()
    near_chin = 1 - 0.55 * paint.smoothstep(y, jaw_y + 0.40, jaw_y - 0.12)
    lay_skin(below.torso, below.torso_relief, near_chin, 0.2)
    lay_skin(below.neck, below.neck_relief, near_chin * (1 - 0.25 * back), 0.2)
    n = shading.normals(below.torso_relief + cloth_h, frame)
    open_ = shading.occlusion(below.torso_relief + cloth_h, frame) * near_chin
    lit = cloth * shading.diffuse(n, shadow, open_) + (0.03 * shading.rim(n))[..., None]
    paint.over(canvas, lit.astype(np.float32), cloth_mask)
    for mask, height in zip(ears, ear_h, strict=True):
        lay_skin(mask, height, under_hair, 0.35)
    lay_skin(head, head_h, under_hair, 0.30)

    whiskers = hair.beard(person, points, frame)
    if whiskers is not None:
        paint.over(canvas, whiskers.colour, whiskers.cover * 0.92)
    features.paint_nostrils(person, points, frame, canvas)
    for eye in geometry.EYES:
        features.paint_eye(person, points, eye, frame, canvas)
        features.paint_brow(person, points, eye, frame, canvas)
    if person.glasses:
        features.paint_glasses(points, frame, canvas)
    features.paint_lip_line(person, points, frame, canvas)

    if hairs.front is not None:
        paint.over(canvas, hairs.front.colour, hairs.front.cover)
    grain = paint.noise(frame, 1.6 / u, person.seed + 99)
    canvas *= (1 + 0.006 * grain)[..., None]
    behind = np.ones_like(head)
    for cover in (back, front, below.torso, below.neck, cloth_mask, *ears, head):
        behind = behind * (1 - cover)
    matte = np.clip(1 - behind, 0, 1).astype(np.float32)
    return Drawn(paint.to_picture(canvas), frame.pixels(points), matte)


def save(person: Person, path: Path, *, size: int = 1024) -> None:
    """Draw somebody into a PNG file; the file appears whole or not at all.

    Args:
        person: Who.
        path: The file to write.
        size: Side of the picture in pixels.
    """
    import cv2

    done, data = cv2.imencode(".png", draw(person, size=size).picture, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    if not done:
        raise AssertionError("OpenCV can always encode a uint8 picture as PNG")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data.tobytes())
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)  # noqa: PTH105 - os.replace is the atomic one by contract
    finally:
        part.unlink(missing_ok=True)
