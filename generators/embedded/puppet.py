"""One portrait that moves: a picture and its landmarks in, a frame for every pose out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from generators.embedded.basis import JAW_GAIN, mouth_scale
from generators.embedded.expression import ExpressionFields
from generators.embedded.eyes import Eyes
from generators.embedded.flow import Field, Lattice, node_index
from generators.embedded.folds import Folds
from generators.embedded.framing import Framed, frame_portrait, load_portrait
from generators.embedded.head import HeadField
from generators.embedded.landmarks import LOWER_OUTER, UPPER_OUTER, FaceFrame
from generators.embedded.matte import compose_layers, refined, split_layers
from generators.embedded.mouth import Inside, Mouth
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.seam import find_seam

if TYPE_CHECKING:
    from thsafe.core.types import Frame

__all__ = ["Framed", "Puppet", "frame_portrait", "load_portrait"]

_JAW, _PRESS, _FTUCK, _LDROP, _TONGUE = map(CHANNELS.index, ("jaw", "press", "ftuck", "ldrop", "tongue"))
_PUCKER = CHANNELS.index("pucker")
_SPEECH = slice(CHANNELS.index("jaw"), CHANNELS.index("ldrop") + 1)


class Puppet:
    """Draws poses of one portrait.

    Everything that depends on the picture alone is computed once; a frame then costs two small inversions, one
    ``cv2.remap`` of the picture and one composite of the mouth. Memory does not grow with frames. One instance serves
    one thread: blinks are drawn into a working copy of the picture.

    Args:
        picture: BGR ``uint8`` (height, width, 3), framed by ``frame_portrait``.
        landmarks: (478, 3) in its pixels.
        size: (height, width) of the frames, even; None for the picture's own.
        matte: how much of each pixel is person, float32 (height, width) in 0 to 1, exact; None to look for it.
    """

    def __init__(
        self,
        picture: Frame,
        landmarks: NDArray[np.float32],
        *,
        size: tuple[int, int] | None = None,
        matte: NDArray[np.float32] | None = None,
    ) -> None:
        picture, landmarks = _fitted(picture, landmarks, size)
        self._picture = picture
        self._height, self._width = picture.shape[:2]
        face = FaceFrame.of(landmarks)
        self._face = face
        self._seam = find_seam(picture, face)
        self._lattice = Lattice.over(self._width, self._height, max(round(face.unit / 26.0), 2))
        self._nodes = node_index(self._lattice.rows, self._lattice.columns)
        self._expression = ExpressionFields(face, self._seam, self._lattice)
        self._layers = split_layers(picture, _alpha(picture, matte, face), face)
        layered = self._layers is not None
        self._there = None if self._layers is None else self._near_person(self._layers.person[..., 3])
        self._head = HeadField(face, self._lattice, (self._height, self._width), layered=layered)
        self._scale = mouth_scale(face)
        self._mouth = Mouth(picture, face, self._seam)
        self._eyes = Eyes(picture, face)
        self._folds = Folds(picture, face)
        self._source = picture.copy() if self._layers is None else self._layers.person.copy()
        self._identity = node_index(self._height, self._width)
        self._marks = np.asarray(landmarks, np.float64)[:, :2]
        self._edge = self._seam_side()
        lips = sorted({*UPPER_OUTER, *LOWER_OUTER})
        self._lips = self._marks[lips]
        self._lips_move = face.turn_to_pixels(self._expression.basis[:, lips]).reshape(len(CHANNELS), -1)

    @property
    def face_box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 of the face as shares of the frame's width and height."""
        low, high = self._marks[:468].min(axis=0), self._marks[:468].max(axis=0)
        x0, x1 = np.clip([low[0] / self._width, high[0] / self._width], 0.0, 1.0)
        y0, y1 = np.clip([low[1] / self._height, high[1] / self._height], 0.0, 1.0)
        return float(x0), float(y0), float(x1), float(y1)

    @property
    def eye_distance(self) -> float:
        """u: the distance between the outer eye corners, in pixels."""
        return self._face.unit

    def render(self, pose: Pose) -> Frame:
        """Draw one pose, clamped to what shows without tears: a new BGR ``uint8`` frame (height, width, 3)."""
        import cv2

        pose = pose.clamped()
        self._draw_eyes(pose)
        self._folds.draw(self._picture, self._source, pose.expression)
        expression = self._with_closure(pose.expression)
        skull = self._head.backward(pose)
        upper, lower = self._compose(skull, expression)
        total = upper + (lower - upper) * self._mix(upper)
        left, top, right, bottom = self._moving_box(total)
        dense = self._lattice.spread(total, left, top, right - left, bottom - top)
        dense = cv2.subtract(self._identity[top:bottom, left:right], dense)
        part = cv2.remap(self._source, dense, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        x0, y0, x1, y1 = self._mouth_box(expression, skull)
        x0, y0, x1, y1 = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
        if x1 > x0 and y1 > y0:
            pixels = self._identity[y0:y1, x0:x1]
            from_upper, from_lower, from_skull = (
                pixels - self._lattice.spread(field, x0, y0, x1 - x0, y1 - y0) for field in (upper, lower, skull)
            )
            inside = Inside(
                jaw=float(expression[_JAW]) * self._scale * JAW_GAIN,
                tongue=float(expression[_TONGUE]),
                rounding=float(expression[_PUCKER]) * self._scale,
                speaking=_speaking(pose.expression),
            )
            mouth = self._mouth.compose(self._source, from_upper, from_lower, from_skull, inside)
            part[y0 - top : y1 - top, x0 - left : x1 - left] = mouth
        if self._layers is None:
            whole: Frame = part
            return whole
        frame = self._layers.background.copy()
        frame[top:bottom, left:right] = compose_layers(part, frame[top:bottom, left:right])
        return frame

    def _near_person(self, opacity: NDArray[np.uint8]) -> Field:
        """Per node 1 where the person, or their edge, is in its block or the next one, else 0."""
        import cv2

        cell = self._lattice.cell
        grown = np.zeros((self._lattice.rows * cell, self._lattice.columns * cell), np.uint8)
        grown[: self._height, : self._width] = opacity > 0
        blocks = grown.reshape(self._lattice.rows, cell, self._lattice.columns, cell).max(axis=(1, 3))
        near: Field = cv2.dilate(blocks, np.ones((3, 3), np.uint8)).astype(np.float32)
        return near

    def _moving_box(self, total: Field) -> tuple[int, int, int, int]:
        """The rectangle that the moved person fills, in pixels: around it is background, which stays."""
        import cv2

        if self._there is None:
            return 0, 0, self._width, self._height
        where = self._nodes - total / np.float32(self._lattice.cell)
        there = cv2.remap(self._there, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) > 0
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        cell = self._lattice.cell
        return (
            max(int(columns[0] - 1) * cell, 0),
            max(int(rows[0] - 1) * cell, 0),
            min(int(columns[-1] + 2) * cell, self._width),
            min(int(rows[-1] + 2) * cell, self._height),
        )

    def _draw_eyes(self, pose: Pose) -> None:
        """Put both eyes into the working copy of the picture."""
        gaze = (pose.gaze_x, pose.gaze_y)
        for eye, blink in ((self._eyes.right, pose.blink_right), (self._eyes.left, pose.blink_left)):
            x0, y0, x1, y1 = eye.rect
            self._source[y0:y1, x0:x1, :3] = eye.draw(self._picture, blink=blink, gaze=gaze)

    def _with_closure(self, expression: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take the gap of a mouth open in the picture off what the channels ask for.

        At rest the picture stays as it is. A speaking mouth gives up half of the gap and opens to the greater of
        what is left and the jaw, rounded off: (rest^3 + jaw^3)^(1/3). For p, b, m, f and v the lower lip rises by all
        of the gap, so that they close.
        """
        if not self._seam.is_open:
            return expression
        gap = self._seam.gap / self._scale
        shut = float(np.clip(max(expression[_PRESS] / 0.03, expression[_FTUCK] / 0.028), 0.0, 1.0))
        jaw = max(float(expression[_JAW]), 0.0)
        rest = gap * (1.0 - 0.5 * _speaking(expression))
        opening = float(np.cbrt(rest**3 + jaw**3))
        changed = expression.copy()
        changed[_JAW] = np.float32(max(opening - gap, 0.0)) + min(expression[_JAW], np.float32(0.0))
        changed[_LDROP] += np.float32(min(opening - gap, 0.0) * (1.0 - shut) - shut * gap)
        return changed

    def _compose(self, skull: Field, expression: NDArray[np.float32]) -> tuple[Field, Field]:
        """Node displacements of the upper and the lower map: the expression where the turned head has it."""
        import cv2

        part = self._expression
        upper, lower = part.backward(expression)
        turned = self._nodes - skull / np.float32(self._lattice.cell)
        turned -= np.array([part.column, part.row], np.float32)
        fields = [
            skull + cv2.remap(field, turned, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
            for field in (upper, lower)
        ]
        return fields[0], fields[1]

    def _seam_side(self) -> Field:
        """Signed distance to the middle of the seam at every node, in cells; positive below."""
        where = self._face.to_face(self._lattice.pixels())
        middle = (self._seam.upper_at(where[..., 0]) + self._seam.lower_at(where[..., 0])) / 2
        side: Field = ((where[..., 1] - middle) * self._face.unit / self._lattice.cell).astype(np.float32)
        return side

    def _mix(self, upper: Field) -> Field:
        """Share of the lower map at every node: the mouth's own rectangle is drawn apart, around it both agree."""
        import cv2

        where = self._nodes - upper / np.float32(self._lattice.cell)
        side = cv2.remap(self._edge, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        share: Field = np.clip(0.5 + side / 2.0, 0.0, 1.0)[..., None]
        return share

    def _mouth_box(self, expression: NDArray[np.float32], skull: Field) -> tuple[int, int, int, int]:
        """The rectangle that holds the moved lips, in pixels of the frame."""
        points = self._lips + (expression @ self._lips_move).reshape(-1, 2)
        turn = self._head_shift(points, skull)
        points = points + turn
        margin = 0.09 * self._face.unit + 2
        x0, y0 = np.floor(points.min(axis=0) - margin).astype(int)
        x1, y1 = np.ceil(points.max(axis=0) + margin).astype(int)
        return max(int(x0), 0), max(int(y0), 0), min(int(x1), self._width), min(int(y1), self._height)

    def _head_shift(self, points: NDArray[np.float64], skull: Field) -> NDArray[np.float64]:
        """How far the head's turn carries some points, to about a cell."""
        cell = self._lattice.cell
        shift = np.zeros_like(points)
        for _ in range(2):
            index = np.rint((points + shift - self._lattice.left) / cell).astype(int)
            column = np.clip(index[:, 0], 0, self._lattice.columns - 1)
            row = np.clip(index[:, 1], 0, self._lattice.rows - 1)
            shift = skull[row, column].astype(np.float64)
        return shift


def _speaking(expression: NDArray[np.float32]) -> float:
    """How far the mouth has left its rest, 0 to 1, by the channels of speech."""
    return float(np.clip(np.abs(expression[_SPEECH]).sum() / 0.025, 0.0, 1.0))


def _alpha(picture: Frame, matte: NDArray[np.float32] | None, face: FaceFrame) -> NDArray[np.float32] | None:
    """The matte that came along, or what a finder makes of the picture."""
    if matte is not None and matte.shape == picture.shape[:2]:
        return matte
    from thsafe.media.faces import person_matte

    return refined(picture, person_matte(picture), face)


def _fitted(
    picture: Frame, landmarks: NDArray[np.float32], size: tuple[int, int] | None
) -> tuple[Frame, NDArray[np.float32]]:
    """The picture at the frames' size, with even sides."""
    import cv2

    height, width = picture.shape[:2]
    rows, columns = size if size is not None else (height - height % 2, width - width % 2)
    if size is None:
        return np.ascontiguousarray(picture[:rows, :columns]), np.asarray(landmarks, np.float32)
    if (rows, columns) == (height, width):
        return np.ascontiguousarray(picture), np.asarray(landmarks, np.float32)
    shrinking = rows < height or columns < width
    method = cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, (columns, rows), interpolation=method)
    factor = np.array([columns / width, rows / height, columns / width], np.float32)
    return scaled, np.asarray(landmarks, np.float32) * factor
