"""Networks of others with one face: (n, 3, side, side) in, logits (n,) out, higher for a manipulation."""

from __future__ import annotations

from torch import Tensor, nn

from detectors.faceforensics.nets import Meso4
from thsafe._torch_compat import prepare_torchvision


class Timm(nn.Module):
    """A backbone of timm with one output."""

    def __init__(self, name: str, *, pretrained: bool) -> None:
        super().__init__()
        prepare_torchvision()
        import timm

        self.net = timm.create_model(name, pretrained=pretrained, num_classes=1)

    def forward(self, faces: Tensor) -> Tensor:
        """Logits (n,)."""
        logits: Tensor = self.net(faces)[:, 0]
        return logits


class Meso(nn.Module):
    """Meso4 for training: its probability of a genuine face turned into a logit for a manipulated one."""

    def __init__(self) -> None:
        super().__init__()
        self.net = Meso4()

    def forward(self, faces: Tensor) -> Tensor:
        """Logits (n,)."""
        head = self.net.head
        flow = head.leak(head.dense(head.flat(head.order(self.net.features(faces)))))
        genuine: Tensor = head.out(flow)[:, 0]
        return -genuine
