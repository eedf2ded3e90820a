"""torchvision beside a PyTorch that it was not built for."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch

from thsafe._torch_compat import non_maximum_suppression


def _reference(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    """The definition, box by box."""
    kept: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        for other in kept:
            low = np.maximum(boxes[index, :2], boxes[other, :2])
            high = np.minimum(boxes[index, 2:], boxes[other, 2:])
            shared = np.prod(np.maximum(high - low, 0))
            areas = sum(np.prod(boxes[n, 2:] - boxes[n, :2]) for n in (index, other))
            if shared / (areas - shared) > threshold:
                break
        else:
            kept.append(int(index))
    return kept


def test_suppression_is_that_of_the_definition() -> None:
    random = np.random.default_rng(5)
    for count in (0, 1, 2, 10, 60):
        for threshold in (0.2, 0.5, 0.7):
            corners = random.uniform(0, 50, (count, 2)).astype(np.float32)
            boxes = np.hstack((corners, corners + random.uniform(5, 40, (count, 2)).astype(np.float32)))
            scores = random.uniform(0, 1, count).astype(np.float32)
            found = non_maximum_suppression(torch.from_numpy(boxes), torch.from_numpy(scores), threshold)
            assert found.dtype == torch.int64
            assert found.tolist() == _reference(boxes, scores, threshold)


def test_torchvision_and_the_face_finder_import_and_suppress() -> None:
    """In a process of its own, since an import happens once."""
    code = (
        "from thsafe._torch_compat import prepare_torchvision\n"
        "prepare_torchvision(); prepare_torchvision()\n"
        "import torch, facenet_pytorch\n"
        "from torchvision.ops import nms\n"
        "boxes = torch.tensor([[0., 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])\n"
        "print(nms(boxes, torch.tensor([.5, .9, .1]), .5).tolist())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[1, 2]"
