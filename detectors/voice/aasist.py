"""AASIST: sound as a graph over frequency and one over time, read together.

Jung et al., "AASIST: Audio Anti-Spoofing using Integrated Spectro-Temporal Graph Attention Networks" (ICASSP 2022).
Written anew after reading the authors' published code (MIT), which settled the axis of one softmax; the scores that the
tests expect are recorded from this network, not the authors'. Two things of theirs are kept although the paper reads
otherwise: a block's first normalisation is computed and not used, and the first filters are no weights but a fixed
bank of 70 windowed sincs between points of the mel scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from thsafe.core.errors import InputError

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""

RATE: Final = 16000
SAMPLES: Final = 64600
"""What the network hears at once: 4.04 s."""
_FILTERS, _TAPS = 70, 129
_HEAT_ALONE, _HEAT_TOGETHER = 2.0, 100.0
"""Temperatures of the attention within one graph, and across both."""
_SIZES: Final = {"AASIST": ((32, 64, 64), 64, (0.5, 0.7)), "AASIST-L": ((32, 24, 24), 24, (0.4, 0.5))}
"""Channels of the blocks, of the graphs, and the shares of nodes kept: over frequency, over time."""
_KEPT_TOGETHER: Final = {"AASIST": 0.5, "AASIST-L": 0.7}
_JOINT: Final = 32


def load_aasist(path: Path) -> Aasist:
    """The network with the authors' weights; which of the two it is, their shapes say.

    Raises:
        InputError: ``model.other-network`` or ``model.unreadable``.
    """
    from thsafe.models.checkpoint import load_tensors

    given: Mapping[str, Tensor] = load_tensors(path)
    graph = given["out_layer.weight"].shape if "out_layer.weight" in given else None
    for name in _SIZES:
        net = Aasist(name)
        wanted = {key: tuple(value.shape) for key, value in net.state_dict().items()}
        if wanted == {key: tuple(value.shape) for key, value in given.items()}:
            net.load_state_dict(given)
            net.eval()
            return net
    raise InputError(
        "These are not the weights of AASIST or AASIST-L.",
        code="model.other-network",
        found=f"{len(given)} tensors, the last layer {graph}",
        next_step="thsafe models pull aasist-l",
    )


class Aasist(nn.Module):
    """The network; attributes are named as the authors' tensors are.

    Args:
        name: ``AASIST`` or ``AASIST-L``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        channels, graph, kept = _SIZES[name]
        joint = _KEPT_TOGETHER[name]
        self._bank = torch.from_numpy(_sinc_bank())
        self.first_bn = nn.BatchNorm2d(1)
        widths = (1, channels[0], *channels, channels[2], channels[2])
        self.encoder = nn.Sequential(
            *(nn.Sequential(_Block(widths[i], widths[i + 1], first=i == 0)) for i in range(6)),
        )
        self.pos_S = nn.Parameter(torch.zeros(1, 23, channels[2]))
        self.master1 = nn.Parameter(torch.zeros(1, 1, graph))
        self.master2 = nn.Parameter(torch.zeros(1, 1, graph))
        self.GAT_layer_S = _Attention(channels[2], graph)
        self.GAT_layer_T = _Attention(channels[2], graph)
        self.HtrgGAT_layer_ST11 = _JointAttention(graph, _JOINT)
        self.HtrgGAT_layer_ST12 = _JointAttention(_JOINT, _JOINT)
        self.HtrgGAT_layer_ST21 = _JointAttention(graph, _JOINT)
        self.HtrgGAT_layer_ST22 = _JointAttention(_JOINT, _JOINT)
        self.pool_S, self.pool_T = _Pool(kept[0], graph), _Pool(kept[1], graph)
        self.pool_hS1, self.pool_hT1 = _Pool(joint, _JOINT), _Pool(joint, _JOINT)
        self.pool_hS2, self.pool_hT2 = _Pool(joint, _JOINT), _Pool(joint, _JOINT)
        self.out_layer = nn.Linear(5 * _JOINT, 2)

    def forward(self, sound: Tensor) -> Tensor:
        """Sound (batch, 64600) at 16 kHz to (batch, 2): logits of spoofed and bona fide, in this order."""
        spectrum = functional.conv1d(sound[:, None], self._bank[:, None]).abs()
        x = functional.selu(self.first_bn(functional.max_pool2d(spectrum[:, None], 3)))
        found = self.encoder(x).abs()  # (batch, channels, 23 bands, 29 moments)
        over_bands = self.pool_S(self.GAT_layer_S(found.amax(dim=3).transpose(1, 2) + self.pos_S))
        over_time = self.pool_T(self.GAT_layer_T(found.amax(dim=2).transpose(1, 2)))
        ways = []
        for number, master in ((1, self.master1), (2, self.master2)):
            part = self._way(number, over_time, over_bands, master.expand(len(sound), -1, -1))
            ways.append(part)
        time, bands, master = (torch.maximum(one, two) for one, two in zip(*ways, strict=True))
        both = (time.abs().amax(1), time.mean(1), bands.abs().amax(1), bands.mean(1), master[:, 0])
        return self.out_layer(torch.cat(both, dim=1))

    def _way(self, number: int, time: Tensor, bands: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, second = getattr(self, f"HtrgGAT_layer_ST{number}1"), getattr(self, f"HtrgGAT_layer_ST{number}2")
        time, bands, master = first(time, bands, master)
        bands, time = getattr(self, f"pool_hS{number}")(bands), getattr(self, f"pool_hT{number}")(time)
        more_time, more_bands, more_master = second(time, bands, master)
        return time + more_time, bands + more_bands, master + more_master


class _Block(nn.Module):
    """Two convolutions, bands by time, beside a way around them; a third of the moments remains."""

    def __init__(self, before: int, after: int, *, first: bool) -> None:
        super().__init__()
        if not first:
            self.bn1 = nn.BatchNorm2d(before)  # its weights are in the file; its output was never used
        self.conv1 = nn.Conv2d(before, after, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, (2, 3), padding=(0, 1))
        self.conv_downsample = nn.Conv2d(before, after, (1, 3), padding=(0, 1)) if before != after else None

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.conv_downsample is None else self.conv_downsample(x)
        x = self.conv2(functional.selu(self.bn2(self.conv1(x))))
        return functional.max_pool2d(x + around, (1, 3))


class _Attention(nn.Module):
    """Attention among the nodes of one graph: each pair is weighed by the product of both."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.att_proj = nn.Linear(before, after)
        self.att_weight = nn.Parameter(torch.zeros(after, 1))
        self.proj_with_att, self.proj_without_att = nn.Linear(before, after), nn.Linear(before, after)
        self.bn = nn.BatchNorm1d(after)

    def forward(self, x: Tensor) -> Tensor:
        pairs = torch.tanh(self.att_proj(x[:, :, None] * x[:, None])) @ self.att_weight
        share = torch.softmax(pairs[..., 0] / _HEAT_ALONE, dim=2)
        return _settled(self, share, x)


class _JointAttention(nn.Module):
    """Attention among the nodes of both graphs, each kind of pair with weights of its own, and a master node."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.proj_type1, self.proj_type2 = nn.Linear(before, before), nn.Linear(before, before)
        self.att_proj, self.att_projM = nn.Linear(before, after), nn.Linear(before, after)
        for pair in ("11", "22", "12", "M"):
            setattr(self, f"att_weight{pair}", nn.Parameter(torch.zeros(after, 1)))
        self.proj_with_att, self.proj_without_att = nn.Linear(before, after), nn.Linear(before, after)
        self.proj_with_attM, self.proj_without_attM = nn.Linear(before, after), nn.Linear(before, after)
        self.bn = nn.BatchNorm1d(after)

    def forward(self, one: Tensor, two: Tensor, master: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count = one.shape[1]
        x = torch.cat([self.proj_type1(one), self.proj_type2(two)], dim=1)
        pairs = torch.tanh(self.att_proj(x[:, :, None] * x[:, None]))
        within_one, within_two, across = (pairs @ getattr(self, f"att_weight{kind}") for kind in ("11", "22", "12"))
        board = across[..., 0].clone()
        board[:, :count, :count] = within_one[:, :count, :count, 0]
        board[:, count:, count:] = within_two[:, count:, count:, 0]
        share = torch.softmax(board / _HEAT_TOGETHER, dim=2)
        heard = torch.tanh(self.att_projM(x * master)) @ self.att_weightM
        heard = torch.softmax(heard[..., 0] / _HEAT_TOGETHER, dim=1)
        master = self.proj_with_attM(heard[:, None] @ x) + self.proj_without_attM(master)
        x = _settled(self, share, x)
        return x[:, :count], x[:, count:], master


def _settled(layer: Any, share: Tensor, x: Tensor) -> Tensor:
    """Every node from all nodes by their shares, and from itself; normalised."""
    x = layer.proj_with_att(share @ x) + layer.proj_without_att(x)
    return functional.selu(layer.bn(x.flatten(0, 1)).view(x.shape))


class _Pool(nn.Module):
    """Keeps the share of nodes that score highest, each times its score, the best first."""

    def __init__(self, share: float, width: int) -> None:
        super().__init__()
        self._share = share
        self.proj = nn.Linear(width, 1)

    def forward(self, nodes: Tensor) -> Tensor:
        scores = torch.sigmoid(self.proj(nodes))
        best = scores.topk(max(int(nodes.shape[1] * self._share), 1), dim=1).indices
        return (nodes * scores).gather(1, best.expand(-1, -1, nodes.shape[2]))


def _sinc_bank() -> np.ndarray[Any, np.dtype[np.float32]]:
    """(70, 129): band passes between neighbouring points of the mel scale from 0 to 8 kHz, under a Hamming window."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, _FILTERS + 1) / 2595) - 1)
    places = np.arange(_TAPS) - (_TAPS - 1) / 2
    low_pass = (2 * edges / RATE)[:, None] * np.sinc((2 * edges / RATE)[:, None] * places)
    bank = (low_pass[1:] - low_pass[:-1]).astype(np.float32) * np.hamming(_TAPS).astype(np.float32)
    whole: np.ndarray[Any, np.dtype[np.float32]] = bank.astype(np.float32)
    return whole
