"""What is done to the marked clips of the benchmark: a change per picture, then an encoder and its CRF.

The rows are those of the published suites (VideoSeal's and OmniSeal's among them) and of what platforms and people do.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

Frame = NDArray[np.uint8]


def _crop(share: float) -> Callable[[Frame], Frame]:
    def cut(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        top, left = int(0.3 * share * height), int(0.6 * share * width)
        return frame[top : top + int((1 - share) * height), left : left + int((1 - share) * width)]

    return cut


def _scale(x: float, y: float) -> Callable[[Frame], Frame]:
    def scaled(frame: Frame) -> Frame:
        size = (int(frame.shape[1] * x) // 2 * 2, int(frame.shape[0] * y) // 2 * 2)
        return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[no-any-return]

    return scaled


def _letterbox(frame: Frame) -> Frame:
    small = _scale(0.7, 0.7)(frame)
    out = np.zeros_like(frame)
    top, left = (out.shape[0] - small.shape[0]) // 2, (out.shape[1] - small.shape[1]) // 3
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def _inset(frame: Frame) -> Frame:
    """Half as large in the corner of another picture."""
    small = _scale(0.5, 0.5)(frame)
    rows, columns = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]]
    out = np.stack([(rows + columns) // 8 % 256, rows // 4 % 256, 90 + 0 * rows], axis=2).astype(np.uint8)
    out[16 : 16 + small.shape[0], 24 : 24 + small.shape[1]] = small
    return out


def _middle(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    return frame[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4]


def _grey(frame: Frame) -> Frame:
    light = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    curve = np.rint(255 * (np.arange(256) / 255) ** 0.7).astype(np.uint8)
    return cv2.cvtColor(cv2.LUT(light, curve), cv2.COLOR_GRAY2BGR)  # type: ignore[return-value]


def _noise(frame: Frame) -> Frame:
    # A new grain per picture, the same in every run.
    rng = np.random.default_rng(int(frame[::16, ::16].sum()))
    noisy = frame + rng.normal(0, 10, frame.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _denoised(frame: Frame) -> Frame:
    return cv2.bilateralFilter(frame, 7, 18, 3)  # type: ignore[no-any-return]


def _shear(frame: Frame) -> Frame:
    matrix = np.array([[1, 0.02, -0.01 * frame.shape[0]], [0, 1, 0]])
    return cv2.warpAffine(frame, matrix, (frame.shape[1], frame.shape[0]))  # type: ignore[no-any-return]


def _turn(degrees: float, zoom: float) -> Callable[[Frame], Frame]:
    def turned(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
        return cv2.warpAffine(frame, matrix, (width, height))  # type: ignore[no-any-return]

    return turned


def _overlay(frame: Frame) -> Frame:
    out = frame.copy()
    height, width = out.shape[:2]
    cv2.rectangle(out, (0, height * 8 // 10), (width, height), (30, 30, 160), -1)
    cv2.putText(out, "BREAKING", (width // 8, height * 93 // 100), 0, height / 350, (255, 255, 255), 3)
    return out


def jpeg(frame: Frame, grade: int) -> Frame:
    """One picture as a screenshot of that JPEG quality."""
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, grade])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[no-any-return]


def _same(frame: Frame) -> Frame:
    return frame


def _perspective(strength: float) -> Callable[[Frame], Frame]:
    """Seen at a slant; 1 moves the corners by some 8 % of the sides."""

    def slanted(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
        inward = strength * np.array([[0.08, 0.05], [-0.02, 0.08], [-0.08, -0.03], [0.03, -0.08]], dtype=np.float32)
        matrix = cv2.getPerspectiveTransform(corners, corners + inward * np.array([width, height], dtype=np.float32))
        return cv2.warpPerspective(frame, matrix, (width, height))  # type: ignore[no-any-return]

    return slanted


def _regenerated(frame: Frame) -> Frame:
    """A stand-in for regeneration by a diffusion model (Zhao et al. 2023): drowned in noise, then denoised."""
    rng = np.random.default_rng(int(frame[::16, ::16].sum()))
    drowned = np.clip(np.rint(frame + rng.normal(0, 25, frame.shape)), 0, 255).astype(np.uint8)
    return cv2.fastNlMeansDenoisingColored(drowned, None, 22, 22, 5, 11)  # type: ignore[no-any-return]


def _bottleneck(frame: Frame) -> Frame:
    """A stand-in for an autoencoder: all that is left of each 8 x 8 block is 6 of 64 cosines, coarsely."""
    height, width = (side // 8 * 8 for side in frame.shape[:2])
    planes = cv2.cvtColor(frame[:height, :width], cv2.COLOR_BGR2YCrCb).astype(np.float32)
    blocks = planes.reshape(height // 8, 8, width // 8, 8, 3)
    kept = (np.add.outer(np.arange(8), np.arange(8)) < 3)[:, None, :, None]
    code = 24 * np.rint(scipy.fft.dctn(blocks, axes=(1, 3), norm="ortho") * kept / 24)
    back = scipy.fft.idctn(code, axes=(1, 3), norm="ortho").reshape(height, width, 3)
    smooth = cv2.bilateralFilter(np.clip(np.rint(back), 0, 255).astype(np.uint8), 9, 20, 4)
    return cv2.cvtColor(smooth, cv2.COLOR_YCrCb2BGR)  # type: ignore[no-any-return]


def _screen(frame: Frame) -> Frame:
    """A stand-in for a camera before a screen: its coloured grid, a slant, blur, grain and a new gamma."""
    height, width = frame.shape[:2]
    large = cv2.resize(frame, (3 * width, 3 * height), interpolation=cv2.INTER_NEAREST)
    grid = np.full((3 * height, 3 * width, 3), 0.35, dtype=np.float32)
    for channel, column in ((2, 0), (1, 1), (0, 2)):
        grid[:, column::3, channel] = 1.0
    grid[2::3] *= 0.6
    lit = np.clip(large * grid * 1.9, 0, 255).astype(np.uint8)
    seen = cv2.resize(_perspective(1)(lit), (round(1.17 * width), round(1.17 * height)), interpolation=cv2.INTER_LINEAR)
    seen = cv2.GaussianBlur(seen, (0, 0), 1.0)[: height // 2 * 2, : width // 2 * 2]
    curve = np.rint(255 * (np.arange(256) / 255) ** 0.85).astype(np.uint8)
    return _noise(cv2.LUT(seen, curve))


ATTACKS: dict[str, tuple[Callable[[Frame], Frame], str, int]] = {
    **{f"x264 CRF {crf}": (_same, "libx264", crf) for crf in (23, 28, 33, 36, 40, 44)},
    "x265 CRF 28": (_same, "libx265", 28),
    "x265 CRF 35": (_same, "libx265", 35),
    "x264 CRF 50": (_same, "libx264", 50),
    "VP9 40": (_same, "libvpx-vp9", 40),
    "VP9 55": (_same, "libvpx-vp9", 55),
    "AV1 40": (_same, "libsvtav1", 40),
    "AV1 55": (_same, "libsvtav1", 55),
    "half size": (_scale(0.5, 0.5), "libx264", 28),
    "third size": (_scale(1 / 3, 1 / 3), "libx264", 28),
    "third size and back": (lambda f: cv2.resize(_scale(1 / 3, 1 / 3)(f), f.shape[1::-1]), "libx264", 28),
    "crop 10 %": (_crop(0.1), "libx264", 28),
    "crop 25 %": (_crop(0.25), "libx264", 28),
    "crop 25 %, scaled back": (lambda f: cv2.resize(_crop(0.25)(f), f.shape[1::-1]), "libx264", 28),
    "middle half": (_middle, "libx264", 28),
    "9:16": (lambda f: f[:, f.shape[1] // 4 : f.shape[1] // 4 + f.shape[0] * 9 // 16], "libx264", 28),
    "mirrored": (lambda f: np.ascontiguousarray(f[:, ::-1]), "libx264", 28),
    "letterbox 0.7": (_letterbox, "libx264", 28),
    "picture in picture 50 %": (_inset, "libx264", 28),
    "stretch 0.85": (_scale(0.85, 1.0), "libx264", 28),
    "turn 1 degree": (_turn(1, 1.0), "libx264", 28),
    "turn 3 degrees": (_turn(3, 1.0), "libx264", 28),
    "turn 5, zoomed": (_turn(-5, 1.12), "libx264", 28),
    "quarter turn": (lambda f: np.ascontiguousarray(np.rot90(f)), "libx264", 28),
    "brighter, flatter": (lambda f: cv2.convertScaleAbs(f, alpha=0.75, beta=35), "libx264", 28),
    "grey, gamma 0.7": (_grey, "libx264", 28),
    "noise 10": (_noise, "libx264", 28),
    "median 5": (lambda f: cv2.medianBlur(f, 5), "libx264", 28),
    "denoised": (_denoised, "libx264", 28),
    "blur 2": (lambda f: cv2.GaussianBlur(f, (0, 0), 2), "libx264", 28),
    "overlay 20 %": (_overlay, "libx264", 28),
    "sheared 2 %": (_shear, "libx264", 28),
    "crop to 0.71, half as bright, CRF 30": (lambda f: cv2.convertScaleAbs(_crop(0.29)(f), alpha=0.5), "libx264", 30),
    "crop to 0.71, half as bright, CRF 40": (lambda f: cv2.convertScaleAbs(_crop(0.29)(f), alpha=0.5), "libx264", 40),
    "half, crop, brighter, CRF 33": (
        lambda f: cv2.convertScaleAbs(_scale(0.5, 0.5)(_crop(0.1)(f)), alpha=0.75, beta=35),
        "libx264",
        33,
    ),
    "mirrored, crop 20 %, half, CRF 36": (lambda f: _scale(0.5, 0.5)(_crop(0.2)(f[:, ::-1])), "libx264", 36),
    "half, crop, CRF 33": (lambda f: _scale(0.5, 0.5)(_crop(0.1)(f)), "libx264", 33),
    "perspective (not claimed)": (_perspective(1), "libx264", 28),
    "strong perspective (not claimed)": (_perspective(2.5), "libx264", 28),
    "screen filmed, simulated (not claimed)": (_screen, "libx264", 23),
    "noise 25, denoised, for regeneration (not claimed)": (_regenerated, "libx264", 28),
    "6 of 64 cosines, for an autoencoder (not claimed)": (_bottleneck, "libx264", 28),
}
REQUIRED = (
    *(f"x264 CRF {crf}" for crf in (28, 33, 36)),
    *("x265 CRF 28", "VP9 40", "AV1 40", "half size", "third size", "crop 25 %", "9:16", "mirrored", "letterbox 0.7"),
    *("stretch 0.85", "turn 3 degrees", "turn 5, zoomed", "brighter, flatter", "blur 2", "overlay 20 %"),
    *("25 to 30 frames a second", "trimmed to the second second", "JPEG 50, one frame"),
)
"""Rows for which a bar is set; chosen by the word ``required``."""
