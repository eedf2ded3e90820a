"""Meso4, MesoInception-4 and the class-and-mask autoencoder of ClassNSeg, as torch modules.

Written from the papers (Afchar et al., WIFS 2018; Nguyen et al., BTAS 2019) and the shapes of the published weights.
Inputs are (n, 3, 256, 256) float32 RGB. Training is not here.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

SIDE = 256
_KERAS_EPSILON = 1e-3
"""Keras' default for batch normalisation, under which MesoNet was trained; torch's is 1e-5."""


class Meso4(nn.Module):
    """MesoNet's plain network, 27,977 parameters. Input in [0, 1]; output (n,): probability of a genuine face."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(3, 8, kernel=3, pool=2),
            *_block(8, 8, kernel=5, pool=2),
            *_block(8, 16, kernel=5, pool=2),
            *_block(16, 16, kernel=5, pool=4),
        )
        self.head = _head()

    def forward(self, faces: Tensor) -> Tensor:
        """Probability of a genuine face, (n,)."""
        found: Tensor = self.head(self.features(faces))[:, 0]
        return found


class MesoInception4(nn.Module):
    """MesoNet with two inception layers, 28,615 parameters. Input and output as :class:`Meso4`."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            Inception(3, (1, 4, 4, 2)),
            nn.BatchNorm2d(11, eps=_KERAS_EPSILON),
            nn.MaxPool2d(2),
            Inception(11, (2, 4, 4, 2)),
            nn.BatchNorm2d(12, eps=_KERAS_EPSILON),
            nn.MaxPool2d(2),
            *_block(12, 16, kernel=5, pool=2),
            *_block(16, 16, kernel=5, pool=4),
        )
        self.head = _head()

    def forward(self, faces: Tensor) -> Tensor:
        """Probability of a genuine face, (n,)."""
        found: Tensor = self.head(self.features(faces))[:, 0]
        return found


class Inception(nn.Module):
    """Four branches side by side; the last three widen their view by dilation 1, 2 and 3 (MesoNet §II-B)."""

    def __init__(self, channels: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.point = nn.Conv2d(channels, widths[0], 1)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, width, 1),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation),
                nn.ReLU(),
            )
            for dilation, width in enumerate(widths[1:], start=1)
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Concatenate the branches along the channels."""
        return torch.cat([torch.relu(self.point(picture)), *(branch(picture) for branch in self.branches)], dim=1)


class ClassNSeg(nn.Module):
    """Y-shaped autoencoder of ClassNSeg: says whether and where.

    Input is normalised by ImageNet's mean and deviation. ``forward`` gives (genuine (n,), mask (n, 256, 256)): the
    share of latent energy on the genuine side, 0 to 1, and the probability of manipulation per pixel.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *_layer(3, 8), *_layer(8, 8, stride=2), *_layer(8, 16), *_layer(16, 16, stride=2),
            *_layer(16, 32), *_layer(32, 32, stride=2), *_layer(32, 64), *_layer(64, 64, stride=2), *_layer(64, 128),
        )  # fmt: skip
        self.decoder = _Decoder()

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """(genuine, mask)."""
        latent = self.encoder(faces)
        genuine_half, altered_half = latent[:, :64], latent[:, 64:]
        energy = torch.stack([genuine_half.abs().mean((1, 2, 3)), altered_half.abs().mean((1, 2, 3))], dim=1)
        side = energy.argmax(dim=1)
        # Only the active half is decoded, as in training (paper §3.2): the other is silenced.
        chosen = torch.cat(
            [genuine_half * (side == 0).view(-1, 1, 1, 1), altered_half * (side == 1).view(-1, 1, 1, 1)], 1
        )
        return torch.softmax(energy, dim=1)[:, 1], torch.softmax(self.decoder(chosen), dim=1)[:, 1]


class _Decoder(nn.Module):
    """The encoder mirrored, transposed convolutions throughout; the part that rebuilds the picture is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Sequential(*_back(128, 64), *_back(64, 64, stride=2), *_back(64, 32), *_back(32, 32, stride=2))
        self.segmenter = nn.Sequential(
            *_back(32, 16),
            *_back(16, 16, stride=2),
            *_back(16, 8),
            *_back(8, 8, stride=2),
            nn.ConvTranspose2d(8, 2, 3, 1, 1),
        )

    def forward(self, latent: Tensor) -> Tensor:
        found: Tensor = self.segmenter(self.shared(latent))
        return found


def _block(channels: int, width: int, *, kernel: int, pool: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, width, kernel, padding=kernel // 2),
        nn.ReLU(),
        nn.BatchNorm2d(width, eps=_KERAS_EPSILON),
        nn.MaxPool2d(pool),
    ]


def _head() -> nn.Sequential:
    layers = OrderedDict(
        # Keras flattens height, width, channel; torch channel first.
        order=_ChannelsLast(),
        flat=nn.Flatten(),
        dense=nn.Linear(1024, 16),
        leak=nn.LeakyReLU(0.1),
        out=nn.Linear(16, 1),
        probability=nn.Sigmoid(),
    )
    return nn.Sequential(layers)


class _ChannelsLast(nn.Module):
    def forward(self, picture: Tensor) -> Tensor:
        return picture.permute(0, 2, 3, 1)


def _layer(channels: int, width: int, *, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, stride, 1), nn.BatchNorm2d(width), nn.ReLU()]


def _back(channels: int, width: int, *, stride: int = 1) -> list[nn.Module]:
    return [nn.ConvTranspose2d(channels, width, 3, stride, 1, stride - 1), nn.BatchNorm2d(width), nn.ReLU()]
