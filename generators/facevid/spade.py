"""From features back to a picture: a decoder that looks at the features in every norm.

Park et al., "Semantic Image Synthesis with Spatially-Adaptive Normalization" (CVPR 2019).
"""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn
from torch.nn import functional

from generators.facevid.layers import SpectralConv2d

_FEATURES: Final = 256
_HIDDEN: Final = 128
_LEAK: Final = 0.2


class _Spade(nn.Module):
    """Instance norm whose scale and shift are drawn from the features, pixel by pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(_FEATURES, _HIDDEN, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(_HIDDEN, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(_HIDDEN, channels, 3, padding=1)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        hidden = self.mlp_shared(functional.interpolate(features, size=x.shape[2:], mode="nearest"))
        found: Tensor = functional.instance_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)
        return found


class _Block(nn.Module):
    """Two convolutions behind adaptive norms, beside a shortcut where the width changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = min(inputs, outputs)
        self.conv_0 = SpectralConv2d(inputs, middle, 3)
        self.conv_1 = SpectralConv2d(middle, outputs, 3)
        self.norm_0 = _Spade(inputs)
        self.norm_1 = _Spade(middle)
        self._changes = inputs != outputs
        if self._changes:
            self.conv_s = SpectralConv2d(inputs, outputs, 1, bias=False)
            self.norm_s = _Spade(inputs)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        beside = self.conv_s(self.norm_s(x, features)) if self._changes else x
        y = self.conv_0(functional.leaky_relu(self.norm_0(x, features), _LEAK))
        y = self.conv_1(functional.leaky_relu(self.norm_1(y, features), _LEAK))
        found: Tensor = beside + y
        return found


class Decoder(nn.Module):
    """A picture four times as large as its features, or eight times with ``upscale`` 2.

    Args:
        upscale: 1, or 2 for a last step that spreads channels over pixels.
    """

    def __init__(self, *, upscale: int = 1) -> None:
        super().__init__()
        self.fc = nn.Conv2d(_FEATURES, 2 * _FEATURES, 3, padding=1)
        for number in range(6):
            self.add_module(f"G_middle_{number}", _Block(2 * _FEATURES, 2 * _FEATURES))
        self.up_0 = _Block(2 * _FEATURES, _FEATURES)
        self.up_1 = _Block(_FEATURES, 64)
        last = nn.Conv2d(64, 3 * upscale**2, 3, padding=1)
        self.conv_img = last if upscale == 1 else nn.Sequential(last, nn.PixelShuffle(upscale))

    def forward(self, features: Tensor) -> Tensor:
        """(n, 256, h, w) to (n, 3, 4 h, 4 w), RGB in [0, 1]."""
        x = self.fc(features)
        for number in range(6):
            x = self.get_submodule(f"G_middle_{number}")(x, features)
        x = self.up_0(functional.interpolate(x, scale_factor=2), features)
        x = self.up_1(functional.interpolate(x, scale_factor=2), features)
        found: Tensor = self.conv_img(functional.leaky_relu(x, _LEAK)).sigmoid()
        return found
