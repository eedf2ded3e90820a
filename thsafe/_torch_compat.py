"""Lets torchvision be imported beside a PyTorch that its compiled part was not built for.

PyPI's torchvision is linked against CUDA. Beside a CPU build of PyTorch its library does not load, and the package then
fails to import because it describes two operators (``nms``, ``qnms``) that do not exist. Defining these two is enough;
``nms`` gets an exact kernel, since face finders need it, and every other compiled operator keeps its own clear error.
With matching wheels nothing is changed.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, Final

_SCHEMAS: Final = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_KEPT: Final[list[Any]] = []
"""A definition lives as long as its Library object."""


def prepare_torchvision() -> None:
    """Import torchvision so that it works; to be called before torchvision, timm or facenet_pytorch is imported."""
    if "torchvision" in sys.modules:
        return
    import torch

    if _compiled_part_loads():
        return
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        library.define(schema)
    library.impl("nms", non_maximum_suppression, "CompositeExplicitAutograd")
    _KEPT.append(library)
    from torchvision.ops import boxes

    boxes._assert_has_ops = lambda: None  # noqa: SLF001 - this check alone stands before nms


def _compiled_part_loads() -> bool:
    import torch

    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # not installed: the import itself says so best
    for library in sorted(Path(spec.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(library))
        except (OSError, RuntimeError):
            continue
        return True
    return False


def non_maximum_suppression(boxes: Any, scores: Any, threshold: float) -> Any:
    """Indices of the boxes that no better one overlaps by more than ``threshold``, best first.

    Args:
        boxes: float tensor (n, 4): x0, y0, x1, y1.
        scores: float tensor (n,).
        threshold: intersection over union.

    Returns:
        int64 tensor (kept,).
    """
    import torch

    x0, y0, x1, y1 = boxes.unbind(1)
    areas = (x1 - x0) * (y1 - y0)
    order = scores.argsort(descending=True, stable=True)
    kept = []
    while order.numel():
        best, rest = order[0], order[1:]
        kept.append(best)
        width = (torch.minimum(x1[best], x1[rest]) - torch.maximum(x0[best], x0[rest])).clamp(min=0)
        height = (torch.minimum(y1[best], y1[rest]) - torch.maximum(y0[best], y0[rest])).clamp(min=0)
        shared = width * height
        order = rest[shared / (areas[best] + areas[rest] - shared) <= threshold]
    return torch.stack(kept) if kept else torch.zeros(0, dtype=torch.int64, device=boxes.device)
