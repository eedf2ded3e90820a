"""How far a marked picture lies from the plain one: RGB-PSNR, PSNR-Y, SSIM, CIEDE2000 and VMAF.

Luma-only measures overlook a chroma mark, so RGB-PSNR and CIEDE2000 stand beside them. VMAF comes from the ffmpeg that
``imageio-ffmpeg`` carries; without it the figure is left out.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
Floats = NDArray[np.float64]


def quality(plain: list[Frame], marked: list[Frame], rate: int) -> dict[str, float]:
    """All measures over BGR frames of one clip; every twelfth frame but for VMAF, which sees all."""
    pairs = list(zip(plain[::12], marked[::12], strict=True))
    luma = [[cv2.cvtColor(frame, cv2.COLOR_BGR2YUV)[..., 0].astype(np.float64) for frame in pair] for pair in pairs]
    found = {
        "rgb psnr": psnr([a.astype(float) for a, _ in pairs], [b.astype(float) for _, b in pairs]),
        "psnr-y": psnr([a for a, _ in luma], [b for _, b in luma]),
        "ssim": float(np.mean([ssim(a, b) for a, b in luma])),
        "ciede2000 mean": float(np.mean([ciede2000(a, b).mean() for a, b in pairs])),
        "ciede2000 p95": float(np.mean([np.percentile(ciede2000(a, b), 95) for a, b in pairs])),
    }
    score = vmaf(plain, marked, rate)
    return {name: round(value, 3) for name, value in found.items()} | ({} if score is None else {"vmaf": score})


def psnr(before: list[Floats], after: list[Floats]) -> float:
    """Over all samples of all frames, peak 255."""
    return float(10 * np.log10(255**2 / np.mean([np.mean((a - b) ** 2) for a, b in zip(before, after, strict=True)])))


def ssim(a: Floats, b: Floats) -> float:
    """Wang et al. 2004: 11 x 11 Gaussian window of deviation 1.5, K = 0.01 and 0.03."""

    def blur(picture: Floats) -> Floats:
        return cv2.GaussianBlur(picture, (11, 11), 1.5)  # type: ignore[return-value]

    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    shared = blur(a * b) - mean_a * mean_b
    first, second = 6.5025, 58.5225
    above = (2 * mean_a * mean_b + first) * (2 * shared + second)
    below = (mean_a**2 + mean_b**2 + first) * (var_a + var_b + second)
    return float(np.mean(above / below))


def ciede2000(a: Frame, b: Frame) -> Floats:
    """Colour difference of each pixel (Sharma, Wu, Dalal 2005), BGR in; 1 is about a just noticeable difference."""
    one, two = (cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_BGR2LAB).astype(np.float64) for frame in (a, b))
    return lab_difference(one, two)


def lab_difference(one: Floats, two: Floats) -> Floats:
    """CIEDE2000 of CIELAB colours, (..., 3) each."""
    chroma_mean = (np.hypot(one[..., 1], one[..., 2]) + np.hypot(two[..., 1], two[..., 2])) / 2
    grey = 0.5 * (1 - np.sqrt(chroma_mean**7 / (chroma_mean**7 + 25.0**7)))
    a1, a2 = (1 + grey) * one[..., 1], (1 + grey) * two[..., 1]
    c1, c2 = np.hypot(a1, one[..., 2]), np.hypot(a2, two[..., 2])
    h1, h2 = np.degrees(np.arctan2(one[..., 2], a1)) % 360, np.degrees(np.arctan2(two[..., 2], a2)) % 360
    colourless = c1 * c2 == 0
    turn = np.where(colourless, 0, (h2 - h1 + 180) % 360 - 180)
    light, chroma = two[..., 0] - one[..., 0], c2 - c1
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    l_mean, c_mean = (one[..., 0] + two[..., 0]) / 2, (c1 + c2) / 2
    far = np.abs(h1 - h2) > 180
    h_mean = np.where(colourless, h1 + h2, np.where(far, (h1 + h2 + 360) / 2 % 360, (h1 + h2) / 2))
    cosines = [np.cos(np.radians(k * h_mean + shift)) for k, shift in ((1, -30), (2, 0), (3, 6), (4, -63))]
    t = 1 - 0.17 * cosines[0] + 0.24 * cosines[1] + 0.32 * cosines[2] - 0.20 * cosines[3]
    s_l = 1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c_mean, 1 + 0.015 * c_mean * t
    around = 30 * np.exp(-(((h_mean - 275) / 25) ** 2))
    rotation = -2 * np.sqrt(c_mean**7 / (c_mean**7 + 25.0**7)) * np.sin(np.radians(2 * around))
    parts = (light / s_l) ** 2 + (chroma / s_c) ** 2 + (hue / s_h) ** 2 + rotation * chroma / s_c * hue / s_h
    difference: Floats = np.sqrt(np.maximum(parts, 0))
    return difference


def vmaf(plain: list[Frame], marked: list[Frame], rate: int) -> float | None:
    """Mean VMAF of the marked frames against the plain ones; None without an ffmpeg that has libvmaf."""
    try:
        import imageio_ffmpeg
    except ImportError:
        return None
    height, width = plain[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        inputs: list[str] = []
        for name, frames in (("marked", marked), ("plain", plain)):
            path = Path(folder) / name
            with path.open("wb") as file:
                for frame in frames:
                    file.write(frame.tobytes())
            shape = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}", "-r", str(rate)]
            inputs += [*shape, "-i", str(path)]
        log = Path(folder) / "log.json"
        both = "[0:v]format=yuv420p[a];[1:v]format=yuv420p[b];[a][b]"
        measure = f"{both}libvmaf=n_threads=2:log_fmt=json:log_path={log}"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *inputs, "-lavfi", measure, "-f", "null", "-"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return None
        return round(float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"]), 2)
