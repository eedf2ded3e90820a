"""The two families that need training: a swap by autoencoder, and a mouth rendered anew from its outline.

Both are small: they are trained within minutes on one core, on the identities of one split, and leave their kind's
traces: lost detail, up-sampling by sub-pixel convolution, a blended patch. After the public "deepfakes" code of 2017,
with one encoder and identities told apart in the decoder, and Deferred Neural Rendering (Thies et al., SIGGRAPH 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor, nn

from detectors.faceforensics.selfmade.blends import feathered
from detectors.faceforensics.selfmade.families import Shot
from detectors.faceforensics.selfmade.shapes import LIPS, Region, alignment, face_width, five_points, region_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame, Progress

SIDE: Final = 64
"""Pixels of a face, as in the first public code for swaps."""
_MARGIN: Final = 1.45
_BATCH: Final = 8


class Swapper(nn.Module):
    """One encoder for all; the decoder is told whom to draw. Input (n, 3, 64, 64) in [0, 1] and identities (n,)."""

    def __init__(self, identities: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_down(3, 48), *_down(48, 96), *_down(96, 160), nn.Conv2d(160, 96, 1), nn.ReLU())
        self.identity = nn.Embedding(identities, 2 * 160)
        # all start as one average person and drift apart
        nn.init.normal_(self.identity.weight, std=0.1)
        self.first = nn.Conv2d(96, 160, 3, padding=1)
        self.decoder = nn.Sequential(*_up(160, 96), *_up(96, 64), *_up(64, 32), nn.Conv2d(32, 3, 3, padding=1))

    def forward(self, faces: Tensor, who: Tensor) -> Tensor:
        """Faces (n, 3, 64, 64) of those people in these expressions."""
        scale, shift = self.identity(who)[:, :, None, None].chunk(2, dim=1)
        latent = torch.relu(self.first(self.encoder(faces)) * (1 + scale) + shift)
        found: Tensor = self.decoder(latent)
        return found


class Renderer(nn.Module):
    """Draws a lower face from what surrounds it and the outline of the lips: (n, 4, 64, 64) to (n, 3, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(4, 32, 3, padding=1), nn.LeakyReLU(0.1))
        self.halved = nn.Sequential(*_down(32, 64))
        self.quartered = nn.Sequential(*_down(64, 96))
        self.lowest = nn.Sequential(*_down(96, 128))
        self.back = nn.Sequential(*_up(128, 96))
        self.wider = nn.Sequential(*_up(192, 64))
        self.widest = nn.Sequential(*_up(128, 32))
        self.last = nn.Conv2d(64, 3, 3, padding=1)

    def forward(self, faces: Tensor) -> Tensor:
        """Faces with a lower half of the network's own."""
        first = self.first(faces)
        half = self.halved(first)
        quarter = self.quartered(half)
        flow = self.back(self.lowest(quarter))
        flow = self.wider(torch.cat([flow, quarter], 1))
        flow = self.widest(torch.cat([flow, half], 1))
        found: Tensor = self.last(torch.cat([flow, first], 1))
        return found


def train_swapper(people: Sequence[Sequence[Shot]], *, steps: int, seed: int, progress: Progress) -> Swapper:
    """Train on the shots of each person; each learns to be drawn from a bent picture of themselves."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    crops = [[aligned(shot)[0] for shot in shots] for shots in people]
    net = Swapper(len(people))
    net.to(memory_format=torch.channels_last)

    def batch() -> tuple[Tensor, Tensor]:
        who = random.integers(0, len(crops), _BATCH)
        goal = np.stack([_varied(crops[person][int(random.integers(len(crops[person])))], random) for person in who])
        bent = np.stack([_bent(face, random) for face in goal])
        found = net(_tensor(bent), torch.from_numpy(who))
        return found, _tensor(goal)

    _fit(net, batch, steps, "autoencoder", progress)
    return net


def train_renderer(shots: Sequence[Shot], *, steps: int, seed: int, progress: Progress) -> Renderer:
    """Train on faces whose lower half is hidden."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    crops = [aligned(shot) for shot in shots]
    net = Renderer()
    net.to(memory_format=torch.channels_last)

    def batch() -> tuple[Tensor, Tensor]:
        chosen = [crops[int(random.integers(len(crops)))] for _ in range(_BATCH)]
        flips = random.random(_BATCH) < 0.5
        goal = np.stack([face[:, ::-1] if flip else face for (face, _), flip in zip(chosen, flips, strict=True)])
        asked = [hidden(face, marks) for face, marks in chosen]
        given = np.stack([face[:, ::-1] if flip else face for face, flip in zip(asked, flips, strict=True)])
        return net(_tensor(given)), _tensor(goal)

    _fit(net, batch, steps, "renderer", progress)
    return net


def swapped(net: Swapper, shot: Shot, who: int, random: np.random.Generator) -> Frame:
    """Person ``who`` in this shot's pose, laid into it."""
    import cv2

    face, _ = aligned(shot)
    with torch.inference_mode():
        made = net(_tensor(face[None]), torch.tensor([who]))
    region: Region = "face" if random.random() < 0.7 else "inner"
    mask = region_mask(shot.marks, shot.picture.shape, region, grow=-0.03)
    way = int(random.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC)))
    patch = _returned(made, shot, way)
    edge = float(random.uniform(0.01, 0.08)) * face_width(shot.marks)
    return feathered(patch, shot.picture, mask, edge=edge, match=float(random.uniform(0.6, 1.0)))


def rendered(net: Renderer, shot: Shot, lips: Shot, random: np.random.Generator) -> Frame:
    """The shot with a lower face rendered for the lips of another shot."""
    import cv2

    face, marks = aligned(shot)
    _, other = aligned(lips)
    asked = marks.copy()
    # the other's outline of the lips, on this face's own middle and width of the mouth
    scale = float(np.hypot(*(marks[61] - marks[291]))) / max(float(np.hypot(*(other[61] - other[291]))), 1.0)
    asked[list(LIPS)] = (other[list(LIPS)] - other[13]) * scale + marks[13]
    with torch.inference_mode():
        made = net(_tensor(hidden(face, marks, outline=asked)[None]))
    mask = region_mask(shot.marks, shot.picture.shape, "lower", grow=-0.01)
    patch = _returned(made, shot, int(random.choice((cv2.INTER_LINEAR, cv2.INTER_CUBIC))))
    return feathered(
        patch, shot.picture, mask, edge=float(random.uniform(0.01, 0.06)) * face_width(shot.marks), match=0.0
    )


def aligned(shot: Shot) -> tuple[Frame, NDArray[np.float32]]:
    """The shot's face in a 64-pixel crop, and its landmarks there."""
    import cv2

    matrix = alignment(five_points(shot.marks), SIDE, _MARGIN)
    shrink = float(np.hypot(*matrix[:, 0]))
    picture = cv2.GaussianBlur(shot.picture, (0, 0), 0.4 / shrink) if shrink < 0.8 else shot.picture
    face = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    marks = shot.marks @ matrix[:, :2].T + matrix[:, 2]
    return face, marks.astype(np.float32)


def hidden(face: Frame, marks: NDArray[np.float32], *, outline: NDArray[np.float32] | None = None) -> Frame:
    """The face with its lower half greyed out, and the outline of the lips as a fourth channel."""
    import cv2

    mask = region_mask(marks, face.shape, "lower") > 0
    covered = face.copy()
    covered[mask] = 128
    drawn = np.zeros(face.shape[:2], np.uint8)
    points = np.rint((marks if outline is None else outline)[list(LIPS)]).astype(np.int32)
    cv2.polylines(drawn, [points], True, 255, 1, cv2.LINE_AA)
    return np.dstack([covered, drawn])


def _fit(net: nn.Module, batch: Callable[[], tuple[Tensor, Tensor]], steps: int, name: str, progress: Progress) -> None:
    """Adam on the mean absolute difference; bfloat16 where the processor has it."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, betas=(0.5, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.5e-3, total_steps=steps)
    progress.start(name, steps)
    for _ in range(steps):
        with torch.autocast("cpu", torch.bfloat16):
            found, goal = batch()
        loss = (found.float() - goal).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.advance()
    net.eval()


def _tensor(faces: Frame) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(faces)).permute(0, 3, 1, 2).float() / 255


def _returned(made: Tensor, shot: Shot, way: int) -> Frame:
    """A made face back in the shot's own pixels."""
    import cv2

    face = np.clip(np.rint(made[0].permute(1, 2, 0).float().numpy() * 255), 0, 255).astype(np.uint8)
    matrix = alignment(five_points(shot.marks), SIDE, _MARGIN)
    inverse = cv2.invertAffineTransform(matrix)
    height, width = shot.picture.shape[:2]
    found: Frame = cv2.warpAffine(face, inverse, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE)
    return found


def _varied(face: Frame, random: np.random.Generator) -> Frame:
    import cv2

    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(random.normal(0, 4)), float(random.uniform(0.95, 1.05)))
    turn[:, 2] += random.normal(0, 1.5, 2)
    moved: Frame = cv2.warpAffine(face, turn, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return moved


def _bent(face: Frame, random: np.random.Generator) -> Frame:
    """Random small displacements on a 5 x 5 grid, as the first public deepfakes code bent its inputs."""
    import cv2

    flow = [cv2.resize(random.normal(0, 2.5, (5, 5)).astype(np.float32), (SIDE, SIDE)) for _ in range(2)]
    x, y = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    moved: Frame = cv2.remap(face, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved


def _down(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 5, stride=2, padding=2), nn.LeakyReLU(0.1)]


def _up(channels: int, width: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, 4 * width, 3, padding=1), nn.LeakyReLU(0.1), nn.PixelShuffle(2)]
