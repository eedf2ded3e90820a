"""The shipped weights at work without torch: the same sums as what they were fitted with, and the same scores as ever."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from detectors.faceforensics import default
from detectors.faceforensics.cooccurrence import _KERNELS, _REGIONS, _SCALES, FEATURES, co_occurrences
from detectors.faceforensics.own import grid
from detectors.faceforensics.own.scorer import Scorer
from detectors.faceforensics.own.temporal import NAMES
from detectors.faceforensics.own.whole import Whole
from detectors.faceforensics.weights import fill_all
from thsafe.media.image import write_png
from thsafe.registry import draw_person

SCORES = (-1.0295, -1.933)
AFTER = {"half-size": -1.6851, "jpeg-75": -1.3599}
"""Of :func:`clip`."""


def clip() -> list[list[tuple[float, np.ndarray]]]:
    """Two stretches of a drawn person that moves, with noise of a camera in the second."""
    portrait = draw_person("mei", 320)
    moved = [
        cv2.warpAffine(portrait, np.float32([[1, 0, place * 0.7], [0, 1, place * 0.4]]), (320, 320), borderMode=1)
        for place in range(6)
    ]
    random = np.random.default_rng(5)
    noisy = [np.clip(frame + random.normal(0, 3, frame.shape), 0, 255).astype(np.uint8) for frame in moved]
    return [[(start + place / 25, frame) for place, frame in enumerate(run)] for start, run in ((1, moved), (3, noisy))]


def test_the_sums_are_those_of_the_network() -> None:
    net = Whole()
    fill_all(net, default.weights_path())
    net.eval()
    random = np.random.default_rng(1)
    measured = [
        {
            "traces": np.sqrt(random.dirichlet(np.ones(25), FEATURES // 25)).ravel().astype(np.float32),
            "temporal": (2 * random.normal(size=len(NAMES))).astype(np.float32),
            "grid": random.normal(size=grid.FEATURES).astype(np.float32),
        }
        for _ in range(4)
    ]
    scorer = Scorer.load(default.weights_path())
    for moving in (True, False):
        with torch.inference_mode():
            expected = net(measured, moving=moving).numpy()
        assert scorer.scores(measured, moving=moving) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("shape", [(97, 97), (160, 131)])
def test_pairs_of_levels_are_counted_as_by_convolution(shape) -> None:
    drawn = cv2.resize(draw_person("ada", 320), shape[::-1], interpolation=cv2.INTER_AREA)
    faces = np.stack([drawn, drawn[:, ::-1]])[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    grey = (torch.from_numpy(faces) * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True) * 255
    kernels = torch.tensor(_KERNELS)[:, None] / torch.tensor(_SCALES).view(-1, 1, 1, 1)
    residuals = torch.nn.functional.conv2d(grey, kernels, padding=2).numpy()
    height, width = shape
    rows = []
    for picture in residuals:
        row = []
        for step in (1.0, 4.0):
            levels = np.clip(np.round(picture / step), -2, 2).astype(int) + 2
            for left, top, right, bottom in _REGIONS:
                part = levels[
                    :, round(top * height) : round(bottom * height), round(left * width) : round(right * width)
                ]
                for first, second in ((part[..., :-1], part[..., 1:]), (part[:, :-1], part[:, 1:])):
                    row += [
                        float(((a == one) & (b == other)).mean())
                        for a, b in zip(first, second, strict=True)
                        for one in range(5)
                        for other in range(5)
                    ]
        rows.append(row)
    found = co_occurrences(faces)
    assert found.shape == (2, FEATURES)
    # a residual halfway between two levels may fall the other way where convolutions are summed in another order
    assert np.abs(found.astype(np.float64) ** 2 - np.array(rows)).max() < 0.01
    assert np.abs(found.astype(np.float64) ** 2 - np.array(rows)).mean() < 2e-4


def test_a_small_clip_is_scored_as_ever() -> None:
    """Numbers of the weights that are shipped; landmarks vary a little by machine."""
    found = default.examine(clip(), moving=True)
    assert found.detail["people"][0]["scores"] == pytest.approx(list(SCORES), abs=0.1)
    assert found.detail["score"] == pytest.approx(float(np.mean(SCORES)), abs=0.1)
    after = {name: said["score"] for name, said in found.detail["after_changes"].items()}
    assert after == pytest.approx(AFTER, abs=0.15)


def test_neither_torch_nor_plots_are_loaded_to_score_a_face(home, tmp_path) -> None:
    picture = tmp_path / "face.png"
    write_png(picture, draw_person("mei", 320))
    code = (
        "import sys; from thsafe.verification import verify; "
        f"report = verify({str(picture)!r}); "
        "print([item.code for item in report.evidence if item.check == 'detector.small'][0], "
        "*(name in sys.modules for name in ('torch', 'matplotlib', 'mediapipe')))\n"
        # who draws with mediapipe has the real thing
        "from mediapipe.python.solutions import drawing_utils; print(callable(drawing_utils.plt.figure))\n"
        "import matplotlib.pyplot; print(drawing_utils.plt.figure is matplotlib.pyplot.figure)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1:] == ["False", "False", "True", "True", "True"]
    assert done.stdout.split()[0] in {"EXPERIMENTAL", "UNSTABLE"}
