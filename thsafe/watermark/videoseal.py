"""VideoSeal's mark, written and read with the network that its authors publish, where the user has installed it.

VideoSeal (Fernandez et al. 2024, arXiv:2412.09492) hides 256 bits in each picture. It has no key and no check: anyone
reads and writes it, and of an unmarked picture the message is random. So it stands beside thsafe's own mark, for those
who must read or write it, and never in its place. The authors' scripted network (``docs/using_wam_jit.md``) takes and
gives pictures (batch, 3, height, width) of RGB in 0 to 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np

from thsafe.core.errors import InputError, UsageError
from thsafe.models.card import find_card
from thsafe.models.fetch import require_weights

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.home import Home

MESSAGE_BITS: Final = 256
_CARD: Final = "videoseal-256"


class Network(Protocol):
    """The authors' scripted network."""

    def embed(self, imgs: Any, msgs: Any) -> Any:
        """Marked pictures; ``imgs`` (batch, 3, height, width), ``msgs`` (batch, 256) of 0 and 1, all float."""

    def detect(self, imgs: Any) -> Any:
        """(batch, 257): a channel that is not used here, then a logit per bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSealReading:
    """What the network hears in a set of pictures."""

    message: str
    """64 hexadecimal digits; random where nothing is marked."""
    certainty: float
    """Mean distance of the bits' probabilities from a half, 0 to 1; low where nothing is marked."""
    frames_read: int


class VideoSeal:
    """Writes and reads marks of VideoSeal.

    Args:
        network: The loaded network.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    @classmethod
    def open(cls, home: Home) -> Self:
        """With the scripted network that ``thsafe models pull videoseal-256 --file PATH`` brought into the home.

        The file holds operations as well as numbers; PyTorch runs them in its own interpreter, without Python.

        Raises:
            MissingError: ``model.missing``.
            InputError: ``model.unreadable``: not a scripted network; ``model.other-network``: another one.
        """
        import torch

        card = find_card(_CARD)
        path = require_weights(card, home)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PyTorch calls its own scripting outdated
                network = torch.jit.load(str(path), map_location="cpu").eval()
        except (RuntimeError, ValueError, OSError) as problem:
            raise InputError(
                f"{path.name} is not a scripted network.",
                code="model.unreadable",
                found=(str(problem).strip().splitlines() or ["unreadable"])[0][:300],
                next_step=f"get the .jit file from {card.page}",
            ) from problem
        if not all(callable(getattr(network, name, None)) for name in ("embed", "detect")):
            raise InputError(
                f"{path.name} is not the network of {card.title}.",
                code="model.other-network",
                found="no methods embed and detect",
                next_step=f"get the .jit file from {card.page}",
            )
        return cls(network)

    def mark(self, frames: Iterable[Frame], message: str) -> Iterator[Frame]:
        """The frames with a message in each, one at a time.

        Args:
            frames: BGR (height, width, 3).
            message: 64 hexadecimal digits.

        Raises:
            UsageError: ``watermark.message`` for another message.
        """
        import torch

        bits = torch.tensor([_bits(message)], dtype=torch.float32)
        for frame in frames:
            with torch.inference_mode():
                marked = self._network.embed(_batch(frame), bits)
            rgb = np.clip(np.rint(np.asarray(marked[0]) * 255), 0, 255).astype(np.uint8)
            yield np.ascontiguousarray(rgb.transpose(1, 2, 0)[..., ::-1])

    def read(self, frames: Iterable[Frame]) -> VideoSealReading:
        """What the frames say together: logits are averaged over frames, as the authors do.

        Args:
            frames: BGR (height, width, 3), one or more.

        Raises:
            UsageError: ``watermark.no-frames`` without a frame.
            InputError: ``model.other-network`` when the network hears another number of bits.
        """
        import torch

        total, count = np.zeros(MESSAGE_BITS), 0
        for frame in frames:
            with torch.inference_mode():
                heard = np.asarray(self._network.detect(_batch(frame)), dtype=np.float64)
            if heard.shape != (1, MESSAGE_BITS + 1):
                raise InputError(
                    "The network hears another number of bits.",
                    code="model.other-network",
                    found=f"an answer of shape {heard.shape}",
                    rule=f"(1, {MESSAGE_BITS + 1})",
                    next_step=f"get the file from {find_card(_CARD).page}",
                )
            total += heard[0, 1:]
            count += 1
        if not count:
            raise UsageError(
                "There is no picture to read.", code="watermark.no-frames", next_step="give one frame at least"
            )
        mean = total / count
        certainty = float(np.mean(np.abs(np.tanh(mean / 2))))
        message = np.packbits((mean > 0).astype(np.uint8)).tobytes().hex()
        return VideoSealReading(message=message, certainty=certainty, frames_read=count)


def _bits(message: str) -> list[int]:
    try:
        raw = bytes.fromhex(message)
    except ValueError:
        raw = b""
    if len(raw) * 8 != MESSAGE_BITS or len(message) * 4 != MESSAGE_BITS:
        raise UsageError(
            "VideoSeal carries 256 bits.",
            code="watermark.message",
            found=repr(message),
            rule="64 hexadecimal digits",
            next_step="pad a shorter message with zeros",
        )
    return [int(bit) for bit in np.unpackbits(np.frombuffer(raw, dtype=np.uint8))]


def _batch(frame: Frame) -> Any:
    """(1, 3, height, width), RGB in 0 to 1."""
    import torch

    rgb = np.ascontiguousarray(frame[..., ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb)[None].to(torch.float32) / 255
