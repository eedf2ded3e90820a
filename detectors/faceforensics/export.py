"""A trained network for use elsewhere: safetensors with a card, and ONNX whose scores are compared with ours."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np

from detectors.faceforensics.recipes import Recipe, build
from detectors.faceforensics.weights import fill_all
from thsafe.core.errors import EngineError, MissingError, UsageError
from thsafe.media.files import write_whole

PARITY: Final = 1e-3
"""Most that a logit of the ONNX file may differ from ours."""
_OPSET: Final = 17


def load(recipe: Recipe, weights: Path) -> Any:
    """The recipe's network with these weights, in evaluation mode.

    Raises:
        InputError: ``model.not-weights``.
    """
    net = build(recipe, scratch=True)
    fill_all(net, weights)
    return net.eval()


def export_safetensors(net: Any, target: Path, *, half: bool = False) -> dict[str, Any]:
    """Write the weights; ``half`` in float16, half as large. Returns bytes and SHA-256."""
    from safetensors.torch import save

    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    if half:
        state = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    data = bytes(save(state))
    write_whole(target, data)
    return {"file": target.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def export_onnx(net: Any, recipe: Recipe, target: Path) -> dict[str, Any]:
    """Write an ONNX file from ``faces`` (n, 3, side, side), prepared as the recipe says, to ``logits`` (n,).

    Returns:
        Bytes, SHA-256 and ``difference``: the largest gap to our own logits on random faces, None where it cannot be
        measured because onnxruntime is not installed.

    Raises:
        MissingError: ``export.onnx``: torch's exporter needs the package onnx.
        UsageError: ``export.network``: the network cannot be written so.
        EngineError: ``export.parity``: the file does not give our scores; nothing was written.
    """
    import torch

    faces = torch.rand(2, 3, recipe.side, recipe.side, generator=torch.Generator().manual_seed(7))
    held = io.BytesIO()
    net = net.to("cpu").eval()
    if recipe.network == "traces":
        raise UsageError(
            "This recipe counts pairs of levels, for which ONNX has no operator.",
            code="export.network",
            found=recipe.name,
            next_step="export it as .safetensors",
        )
    try:
        with warnings.catch_warnings():
            # the older exporter announces its end; the newer one needs one more package
            warnings.simplefilter("ignore")
            _trace(net, faces, held)
    except (ImportError, ModuleNotFoundError, torch.onnx.errors.OnnxExporterError) as problem:
        raise MissingError(
            "Writing ONNX needs the package onnx.",
            code="export.onnx",
            found=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
            next_step='pip install "thsafe[onnx]"',
        ) from problem
    data = held.getvalue()
    gap = _difference(net, data, recipe)
    if gap is not None and gap > PARITY:
        raise EngineError(
            "The ONNX file does not give the scores of the network it was made from.",
            code="export.parity",
            found=f"logits differ by {gap:.4f}",
            rule=f"at most {PARITY}",
            next_step="report this with the recipe's name; use the safetensors file meanwhile",
        )
    write_whole(target, data)
    return {"file": target.name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "difference": gap}


def _trace(net: Any, faces: Any, target: io.BytesIO) -> None:
    import torch

    names = {"faces": {0: "n"}, "logits": {0: "n"}}
    torch.onnx.export(
        net, (faces,), target, input_names=["faces"], output_names=["logits"], opset_version=_OPSET,
        dynamic_axes=names, dynamo=False,
    )  # fmt: skip


def _difference(net: Any, data: bytes, recipe: Recipe) -> float | None:
    import torch

    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    # another number of faces than the file was traced with
    faces = np.random.default_rng(8).random((3, 3, recipe.side, recipe.side), np.float32)
    theirs = session.run(["logits"], {"faces": faces})[0]
    with torch.inference_mode():
        ours = net(torch.from_numpy(faces)).float().numpy()
    return float(np.abs(theirs - ours).max())
