"""The families of fakes that need no training: swaps, self-blends, pasted mouths, generator up-sampling.

Each takes genuine shots and returns a picture of the same size in which something is false. Our own implementations,
after: FaceForensics++ (Rössler et al., ICCV 2019) for the swap, Self-Blended Images (Shiohara and Yamasaki, CVPR 2022),
Wav2Lip (Prajwal et al., ACM MM 2020) for the mouth, Durall et al. (CVPR 2020) for the traces of up-sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.faceforensics.selfmade.blends import feathered, joined, laid, matched
from detectors.faceforensics.selfmade.shapes import Marks, Mask, Region, face_width, region_mask, softened, warped_to

if TYPE_CHECKING:
    from thsafe.core.types import Frame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """One genuine picture of one face."""

    picture: Frame
    marks: Marks
    """(478, 2) pixels."""


def face_swap(shot: Shot, donor: Shot, random: np.random.Generator) -> Frame:
    """The donor's face on this head: warped by landmarks, colours matched, edges feathered."""
    patch = warped_to(donor.picture, donor.marks, shot.marks, shot.picture.shape)
    mask = region_mask(shot.marks, shot.picture.shape, "face", grow=-float(random.uniform(0.02, 0.06)))
    edge = float(random.uniform(0.01, 0.08)) * face_width(shot.marks)
    return feathered(patch, shot.picture, mask, edge=edge, match=float(random.uniform(0.7, 1.0)))


def gradient_swap(shot: Shot, donor: Shot, random: np.random.Generator) -> Frame:
    """The same swap, joined in the gradient domain."""
    patch = warped_to(donor.picture, donor.marks, shot.marks, shot.picture.shape)
    mask = region_mask(shot.marks, shot.picture.shape, "face", grow=-float(random.uniform(0.03, 0.07)))
    return joined(patch, shot.picture, mask)


def self_blend(shot: Shot, random: np.random.Generator) -> Frame:
    """A picture blended with itself after small changes of place, colour and sharpness: what is left is the seam."""
    import cv2

    picture = shot.picture
    width = face_width(shot.marks)
    regions: tuple[Region, ...] = ("face", "inner", "lower", "mouth")
    region = regions[int(random.choice(4, p=[0.5, 0.15, 0.2, 0.15]))]
    grow = float(random.uniform(-0.04, 0.04)) if region != "mouth" else float(random.uniform(0.04, 0.12))
    mask = _bent(region_mask(shot.marks, picture.shape, region, grow=grow), width, random)
    patch = _altered(picture, random)
    angle, scale = float(random.normal(0, 1.0)), float(random.uniform(0.97, 1.03))
    centre = shot.marks[1]
    move = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, scale)
    move[:, 2] += random.normal(0, 0.012 * width, 2)
    patch = cv2.warpAffine(patch, move, picture.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    scene = picture if random.random() < 0.6 else _altered(picture, random)
    share = softened(mask, float(random.uniform(0.005, 0.09)) * width) * float(random.choice([1, 1, 1, 0.75, 0.5]))
    return laid(patch, scene, share)


def mouth_paste(shot: Shot, mouth: Shot, random: np.random.Generator) -> Frame:
    """Another mouth at a generator's resolution, pasted as dubbing networks do: a soft or hard box or lower face."""
    import cv2

    picture = shot.picture
    patch = warped_to(mouth.picture, mouth.marks, shot.marks, picture.shape)
    face = region_mask(shot.marks, picture.shape, "face", grow=-0.02)
    filled = laid(matched(patch, picture, face), picture, face)
    low, high = shot.marks[:468].min(axis=0), shot.marks[:468].max(axis=0)
    x0, y0 = np.maximum(np.floor(low).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(high).astype(int) + 1, picture.shape[1::-1])
    side = int(random.choice([64, 80, 96, 96, 128]))
    small = cv2.resize(filled[y0:y1, x0:x1], (side, side), interpolation=cv2.INTER_AREA)
    ways = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_LANCZOS4)
    whole = picture.copy()
    whole[y0:y1, x0:x1] = cv2.resize(small, (int(x1 - x0), int(y1 - y0)), interpolation=int(random.choice(ways)))
    width = face_width(shot.marks)
    if random.random() < 0.4:
        box = np.zeros(picture.shape[:2], np.float32)
        top = round(float(shot.marks[1, 1] + random.uniform(0.0, 0.08) * width))
        inset = round(float(random.uniform(0, 0.12)) * width)
        box[top:y1, x0 + inset : x1 - inset] = 1.0
        mask = softened(box, float(random.choice([0.0, 1.5, 4.0, 0.06 * width])))
    else:
        region: Region = "lower" if random.random() < 0.6 else "mouth"
        grow = 0.0 if region == "lower" else float(random.uniform(0.05, 0.12))
        hull = region_mask(shot.marks, picture.shape, region, grow=grow)
        mask = softened(hull, float(random.uniform(0.01, 0.08)) * width)
    return laid(whole, picture, mask)


def up_sampled(shot: Shot, random: np.random.Generator) -> Frame:
    """The face as a generator's last layers leave it: zeros between the pixels, then a kernel that does not fit."""
    import cv2

    picture = shot.picture
    factor = int(random.choice([2, 2, 2, 4]))
    low, high = shot.marks[:468].min(axis=0), shot.marks[:468].max(axis=0)
    grow = float(random.uniform(0.0, 0.5)) * (high - low)
    x0, y0 = np.maximum(np.floor(low - grow).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(high + grow).astype(int) + 1, picture.shape[1::-1])
    columns, rows = int(x1 - x0) // factor, int(y1 - y0) // factor
    if min(columns, rows) < 8:
        return picture.copy()
    small = cv2.resize(picture[y0:y1, x0:x1], (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    wide = np.zeros((rows * factor, columns * factor, 3), np.float32)
    wide[::factor, ::factor] = small
    size = 2 * factor + int(random.choice([-1, 0, 1]))
    taps = np.hanning(size + 2)[1:-1] * (1 + random.normal(0, 0.12, size))
    kernel = np.outer(taps, taps)
    full = cv2.filter2D(wide, -1, kernel / kernel.sum() * factor**2, borderType=cv2.BORDER_REFLECT)
    if random.random() < 0.5:
        soft = cv2.GaussianBlur(full, (0, 0), 1.2)
        full += float(random.uniform(0.2, 0.8)) * (full - soft)
    plain = cv2.resize(small, full.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    full = plain + float(random.uniform(0.08, 0.5)) * (full - plain)
    made = np.clip(np.rint(full), 0, 255).astype(np.uint8)
    made = cv2.resize(made, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_LINEAR)
    whole = picture.copy()
    whole[y0:y1, x0:x1] = made
    if random.random() < 0.5:
        return whole
    mask = region_mask(shot.marks, picture.shape, "face", grow=float(random.uniform(-0.04, 0.1)))
    return laid(whole, picture, softened(mask, float(random.uniform(0.01, 0.08)) * face_width(shot.marks)))


def _altered(picture: Frame, random: np.random.Generator) -> Frame:
    """Small changes of colour and sharpness."""
    import cv2

    hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV).astype(np.float32)
    hsv += random.normal(0, [2.0, 10.0, 8.0]).astype(np.float32)
    hsv[..., 0] %= 180
    changed = cv2.cvtColor(np.clip(hsv, 0, [179, 255, 255]).astype(np.uint8), cv2.COLOR_HSV2BGR)
    gain = random.uniform(0.93, 1.07, 3)
    changed = np.clip(changed.astype(np.float32) * gain, 0, 255).astype(np.uint8)
    way = random.random()
    if way < 0.35:
        factor = float(random.uniform(0.4, 0.9))
        small = cv2.resize(changed, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        changed = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    elif way < 0.6:
        soft = cv2.GaussianBlur(changed, (0, 0), float(random.uniform(0.6, 1.5)))
        sharp = changed.astype(np.float32) + float(random.uniform(0.3, 1.0)) * (changed.astype(np.float32) - soft)
        changed = np.clip(sharp, 0, 255).astype(np.uint8)
    elif way < 0.7:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 90))]
        changed = cv2.imdecode(cv2.imencode(".jpg", changed, quality)[1], cv2.IMREAD_COLOR)
    result: Frame = changed
    return result


def _bent(mask: Mask, width: float, random: np.random.Generator) -> Mask:
    """The mask with an uneven outline."""
    import cv2

    height, columns = mask.shape
    field = random.normal(0, 1, (2, 6, 6)).astype(np.float32)
    rise = 0.03 * width
    flow = [cv2.resize(part, (columns, height), interpolation=cv2.INTER_CUBIC) * rise for part in field]
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(cv2.remap(mask, x + flow[0], y + flow[1], cv2.INTER_LINEAR), np.float32)
