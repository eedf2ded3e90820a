"""From speech to expression and head pose: the networks that SadTalker hears with.

Zhang et al., "SadTalker: Learning Realistic 3D Motion Coefficients" (CVPR 2023): ExpNet and the decoder of PoseVAE.
Their audio encoder is Wav2Lip's, down to the names.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.wav2lip.network import AUDIO, Block

EXPRESSIONS: Final = 64
POSE: Final = 6
"""Three angles and three translations."""
BLOCK: Final = 32
"""Pictures whose pose is drawn at once."""
LATENT: Final = 64
STYLES: Final = 46
_HEARD: Final = 512


class _Heard(nn.Module):
    def __init__(self, block: Block) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(block.inputs, block.outputs, block.kernel, block.stride, block.padding),
            nn.BatchNorm2d(block.outputs),
        )
        self._adds = block.kind == "same"

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_block(x)
        return functional.relu(y + x if self._adds else y)


def _encoder() -> nn.Sequential:
    return nn.Sequential(*(_Heard(block) for block in AUDIO))


class Expression(nn.Module):
    """ExpNet: what is heard, the portrait's own expression and the lids give the expression."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = _encoder()
        self.mapping1 = nn.Linear(_HEARD + EXPRESSIONS + 1, EXPRESSIONS)

    def forward(self, heard: Tensor, reference: Tensor, blink: Tensor) -> Tensor:
        """(n, 64).

        Args:
            heard: (n, 1, 80, 16), mel as Wav2Lip's.
            reference: (n, 64), the expression in the portrait.
            blink: (n, 1), 0 with open lids to 1 with closed ones.
        """
        x = self.audio_encoder(heard).flatten(1)
        found: Tensor = self.mapping1(torch.cat((x, reference, blink), dim=1))
        return found


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride, 1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.conv_skip = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv_block(x) + self.conv_skip(x)
        return found


class _Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(channels, channels, (2, 1), (2, 1))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.upsample(x)
        return found


class _ResUnet(nn.Module):
    """A U-net over time alone: 32 pictures become 16, 8, 4 and again 32."""

    def __init__(self) -> None:
        super().__init__()
        down, same = (2, 1), (1, 1)
        self.input_layer = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1)
        )
        self.input_skip = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1))
        self.residual_conv_1 = _Residual(32, 64, down)
        self.residual_conv_2 = _Residual(64, 128, down)
        self.bridge = _Residual(128, 256, down)
        self.upsample_1, self.up_residual_conv1 = _Upsample(256), _Residual(384, 128, same)
        self.upsample_2, self.up_residual_conv2 = _Upsample(128), _Residual(192, 64, same)
        self.upsample_3, self.up_residual_conv3 = _Upsample(64), _Residual(96, 32, same)
        self.output_layer = nn.Sequential(nn.Conv2d(32, 1, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        first = self.input_layer(x) + self.input_skip(x)
        second = self.residual_conv_1(first)
        third = self.residual_conv_2(second)
        x = self.upsample_1(self.bridge(third))
        x = self.upsample_2(self.up_residual_conv1(torch.cat((x, third), dim=1)))
        x = self.upsample_3(self.up_residual_conv2(torch.cat((x, second), dim=1)))
        found: Tensor = self.output_layer(self.up_residual_conv3(torch.cat((x, first), dim=1)))
        return found


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.classbias = nn.Parameter(torch.empty(STYLES, LATENT))
        self.resunet = _ResUnet()
        self.MLP = nn.ModuleDict(
            {"L0": nn.Linear(POSE + LATENT + BLOCK * POSE, 128), "L1": nn.Linear(128, BLOCK * POSE)}
        )
        self.pose_linear = nn.Linear(POSE, POSE)
        self.linear_audio = nn.Linear(_HEARD, POSE)

    def forward(self, latent: Tensor, heard: Tensor, reference: Tensor, style: int) -> Tensor:
        latent = latent + self.classbias[style]
        x = torch.cat((reference, latent, self.linear_audio(heard).flatten(1)), dim=1)
        x = torch.sigmoid(self.MLP["L1"](functional.relu(self.MLP["L0"](x)))).reshape(-1, 1, BLOCK, POSE)
        found: Tensor = self.pose_linear(self.resunet(x)[:, 0])
        return found


class _Variational(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.decoder = _Decoder()


class _Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = _encoder()


class HeadPose(nn.Module):
    """The decoder of PoseVAE: 32 pictures of head motion from speech, a style and chance."""

    def __init__(self) -> None:
        super().__init__()
        self.audio_encoder = _Wrapped()
        self.netG = _Variational()

    def hear(self, heard: Tensor) -> Tensor:
        """(n, 512) of mel (n, 1, 80, 16)."""
        found: Tensor = self.audio_encoder.audio_encoder(heard).flatten(1)
        return found

    def forward(self, latent: Tensor, heard: Tensor, reference: Tensor, style: int) -> Tensor:
        """Pose relative to the reference, (n, 32, 6).

        Args:
            latent: (n, 64), drawn from the normal distribution.
            heard: (n, 32, 512), of :meth:`hear`.
            reference: (n, 6), the portrait's pose.
            style: 0 to 45.
        """
        found: Tensor = self.netG.decoder(latent, heard, reference, style)
        return found
