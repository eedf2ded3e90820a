"""Wav2Lip's generator: 96 x 96 faces and 0.2 s of mel in, faces with other lips out.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM MM 2020). Written from
the names and shapes of the authors' published weights. Batch normalisation is folded into the convolutions when the
weights are read (w' = w g / sqrt(v + eps), b' = (b - m) g / sqrt(v + eps) + beta), so inference has no trace of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch.nn import functional

from generators.arithmetic import EXACT, Arithmetic
from thsafe.core.errors import InputError

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""

FACE: Final = 96
"""Pixels of a face's side."""
_EPSILON: Final = 1e-5
_STATISTICS: Final = ("weight", "bias", "running_mean", "running_var")
MOST_APART: Final = 2.0
"""Grey levels by which bfloat16 may move a pixel of the probe."""
MEAN_APART: Final = 0.5
"""The same, on average."""
_PROBES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One convolution with what follows it; ``path`` is its name in the weights."""

    path: str
    inputs: int
    outputs: int
    kernel: int = 3
    stride: tuple[int, int] = (1, 1)
    padding: int = 1
    kind: Literal["down", "same", "up", "plain"] = "down"
    """``same`` adds its input before the ReLU; ``up`` is transposed; ``plain`` has neither norm nor ReLU."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each of its tensors."""
        pair = (self.inputs, self.outputs) if self.kind == "up" else (self.outputs, self.inputs)
        weight = (*pair, self.kernel, self.kernel)
        if self.kind == "plain":
            return {f"{self.path}.weight": weight, f"{self.path}.bias": (self.outputs,)}
        named = {f"{self.path}.conv_block.0.weight": weight, f"{self.path}.conv_block.0.bias": (self.outputs,)}
        named |= {f"{self.path}.conv_block.1.{name}": (self.outputs,) for name in _STATISTICS}
        return named | {f"{self.path}.conv_block.1.num_batches_tracked": ()}


def _down(
    path: str, inputs: int, outputs: int, same: int, *, kernel: int = 3, stride: tuple[int, int] = (2, 2)
) -> tuple[Block, ...]:
    """A convolution and ``same`` residual ones at ``path``.0 and on."""
    first = Block(path=f"{path}.0", inputs=inputs, outputs=outputs, kernel=kernel, stride=stride, padding=kernel // 2)
    return (first, *_residual(path, outputs, same))


def _up(path: str, inputs: int, outputs: int, same: int, *, stride: int = 2) -> tuple[Block, ...]:
    """A transposed convolution and ``same`` residual ones; from 1 to 3 pixels at stride 1, else twice the size."""
    padding = 1 if stride == 2 else 0
    first = Block(path=f"{path}.0", inputs=inputs, outputs=outputs, stride=(stride, stride), padding=padding, kind="up")
    return (first, *_residual(path, outputs, same))


def _residual(path: str, channels: int, count: int) -> tuple[Block, ...]:
    return tuple(Block(path=f"{path}.{n}", inputs=channels, outputs=channels, kind="same") for n in range(1, count + 1))


def _point(path: str, inputs: int, outputs: int, *, kernel: int = 1) -> Block:
    return Block(path=path, inputs=inputs, outputs=outputs, kernel=kernel, padding=0)


ENCODER: Final[Sequence[Sequence[Block]]] = (
    _down("face_encoder_blocks.0", 6, 16, 0, kernel=7, stride=(1, 1)),
    _down("face_encoder_blocks.1", 16, 32, 2),
    _down("face_encoder_blocks.2", 32, 64, 3),
    _down("face_encoder_blocks.3", 64, 128, 2),
    _down("face_encoder_blocks.4", 128, 256, 2),
    _down("face_encoder_blocks.5", 256, 512, 1),
    (_point("face_encoder_blocks.6.0", 512, 512, kernel=3), _point("face_encoder_blocks.6.1", 512, 512)),
)
"""96, 48, 24, 12, 6, 3 and 1 pixels; the end of each stage is kept for the decoder."""


def _audio() -> tuple[Block, ...]:
    """80 x 16 mel to one vector of 512; one flat sequence, so the numbers run through."""
    plan = (
        (1, 32, (1, 1), 2),
        (32, 64, (3, 1), 2),
        (64, 128, (3, 3), 2),
        (128, 256, (3, 2), 1),
    )
    blocks: list[Block] = []
    for inputs, outputs, stride, same in plan:
        blocks.append(Block(path=f"audio_encoder.{len(blocks)}", inputs=inputs, outputs=outputs, stride=stride))
        for _ in range(same):
            blocks.append(Block(path=f"audio_encoder.{len(blocks)}", inputs=outputs, outputs=outputs, kind="same"))
    blocks.append(_point(f"audio_encoder.{len(blocks)}", 256, 512, kernel=3))
    blocks.append(_point(f"audio_encoder.{len(blocks)}", 512, 512))
    return tuple(blocks)


AUDIO: Final = _audio()
DECODER: Final[Sequence[Sequence[Block]]] = (
    (_point("face_decoder_blocks.0.0", 512, 512),),
    _up("face_decoder_blocks.1", 1024, 512, 1, stride=1),
    _up("face_decoder_blocks.2", 1024, 512, 2),
    _up("face_decoder_blocks.3", 768, 384, 2),
    _up("face_decoder_blocks.4", 512, 256, 2),
    _up("face_decoder_blocks.5", 320, 128, 2),
    _up("face_decoder_blocks.6", 160, 64, 2),
)
"""Back to 96 pixels; each stage's output is joined with the encoder stage of the same size."""
OUTPUT: Final = (
    Block(path="output_block.0", inputs=80, outputs=32),
    Block(path="output_block.1", inputs=32, outputs=3, kernel=1, padding=0, kind="plain"),
)
_BLOCKS: Final = (
    *(block for stage in ENCODER for block in stage),
    *AUDIO,
    *(block for stage in DECODER for block in stage),
    *OUTPUT,
)


def shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of the weights' 352 tensors, in the order of the authors' files."""
    return {name: shape for block in _BLOCKS for name, shape in block.shapes().items()}


class Network:
    """The generator with one set of weights, ready to run.

    Args:
        weights: name to tensor, as :func:`shapes` lists them; counters may be missing.
        arithmetic: on what and how it runs.

    Raises:
        InputError: ``model.other-network``: names or shapes are those of something else.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, arithmetic: Arithmetic = EXACT) -> None:
        _check(weights)
        self.arithmetic = arithmetic
        self.device = torch.device(arithmetic.device)
        self._numbers = torch.bfloat16 if arithmetic.precision == "bfloat16" else torch.float32
        self._folded = {block.path: self._fold(block, weights) for block in _BLOCKS}
        self._forward = arithmetic.ready(self._through)

    def __call__(self, mel: Tensor, faces: Tensor) -> Tensor:
        """New faces.

        Args:
            mel: float32 (n, 1, 80, 16), as :mod:`generators.wav2lip.mel` makes it.
            faces: float32 (n, 6, 96, 96) in [0, 1], BGR: the face with its lower half black, then the face.

        Returns:
            float32 (n, 3, 96, 96) in [0, 1], BGR.

        Raises:
            EngineError: ``engine.memory`` or ``engine.compiler``.
        """
        count = len(faces)
        if self.arithmetic.compiled:  # for every number of faces it would be compiled anew
            spare = (1 << (count - 1).bit_length()) - count
            mel, faces = (functional.pad(x, (0, 0) * (x.ndim - 1) + (0, spare)) for x in (mel, faces))
        with self.arithmetic.running():
            return self._forward(*(x.to(self.device, self._numbers) for x in (mel, faces)))[:count]

    def _through(self, mel: Tensor, faces: Tensor) -> Tensor:
        x = faces.contiguous(memory_format=torch.channels_last)
        kept = []
        for stage in ENCODER:
            x = self._run(stage, x)
            kept.append(x)
        x = self._run(AUDIO, mel.contiguous(memory_format=torch.channels_last))
        for stage in DECODER:
            x = torch.cat((self._run(stage, x), kept.pop()), 1)
        return torch.sigmoid(self._run(OUTPUT, x).float())

    def _run(self, blocks: Sequence[Block], x: Tensor) -> Tensor:
        for block in blocks:
            weight, bias = self._folded[block.path]
            if block.kind == "up":
                spare = block.stride[0] - 1
                y = functional.conv_transpose2d(x, weight, bias, block.stride, block.padding, spare)
            else:
                y = functional.conv2d(x, weight, bias, block.stride, block.padding)
            if block.kind == "same":
                y += x
            x = y if block.kind == "plain" else y.relu_()
        return x

    def _fold(self, block: Block, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        if block.kind == "plain":
            weight, bias = (weights[f"{block.path}.{name}"].double() for name in ("weight", "bias"))
        else:
            weight, bias = (weights[f"{block.path}.conv_block.0.{name}"].double() for name in ("weight", "bias"))
            gain, shift, mean, variance = (
                weights[f"{block.path}.conv_block.1.{name}"].double() for name in _STATISTICS
            )
            scale = gain / torch.sqrt(variance + _EPSILON)
            weight = weight * scale.reshape((1, -1, 1, 1) if block.kind == "up" else (-1, 1, 1, 1))
            bias = (bias - mean) * scale + shift
        weight = weight.to(self.device, self._numbers).contiguous(memory_format=torch.channels_last)
        return weight, bias.to(self.device, self._numbers)


def suited(weights: Mapping[str, Tensor], *, device: str = "cpu") -> str:
    """The precision for these weights there: bfloat16 where the hardware computes in it and it is exact enough.

    Both are tried on the same few soft pictures; :data:`MOST_APART` and :data:`MEAN_APART` decide.
    """
    if not _in_hardware(device):
        return "float32"
    chance = torch.Generator().manual_seed(1)
    faces = functional.interpolate(torch.rand(_PROBES, 3, 12, 12, generator=chance), size=FACE, mode="bilinear")
    masked = faces.clone()
    masked[:, :, FACE // 2 :] = 0
    mel = functional.interpolate(torch.rand(_PROBES, 1, 20, 4, generator=chance) * 8 - 4, size=(80, 16))
    exact, quick = (
        Network(weights, arithmetic=Arithmetic(device=device, precision=precision))(mel, torch.cat((masked, faces), 1))
        for precision in ("float32", "bfloat16")
    )
    apart = 255 * (exact - quick).abs()
    return "bfloat16" if apart.max() <= MOST_APART and apart.mean() <= MEAN_APART else "float32"


def _in_hardware(device: str) -> bool:
    """Whether bfloat16 is faster there: without the instructions it is emulated, and slower."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False))
    asked = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("amx_tile", "avx512_bf16"))
    return torch.device(device).type == "cpu" and any(ask is not None and ask() for ask in asked)


def _check(weights: Mapping[str, Tensor]) -> None:
    wanted = {name: shape for name, shape in shapes().items() if not name.endswith("num_batches_tracked")}
    missing = [name for name in wanted if name not in weights]
    other = [
        f"{name} {tuple(weights[name].shape)}"
        for name, shape in wanted.items()
        if name in weights and tuple(weights[name].shape) != shape
    ]
    if missing or other:
        first = (missing + other)[0]
        raise InputError(
            "These weights are not Wav2Lip's generator.",
            code="model.other-network",
            found=f"{len(missing)} tensors missing, {len(other)} of another shape; first: {first}",
            rule="352 tensors of the 96-pixel generator",
            next_step="pull the right file: thsafe models pull wav2lip-gan --file PATH --accept-noncommercial",
        )
