"""AudioSeal's mark, written and read with the networks that its authors publish, where the user has installed them.

AudioSeal (San Roman et al. 2024, arXiv:2401.17264) hides 16 bits in sound of 16 kHz. 16 bits are no pointer to a
manifest and carry no check: of unmarked sound the message is random. So it stands beside thsafe's own mark, for those
who must read or write it, and never in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from thsafe.core.errors import InputError, MissingError, UsageError
from thsafe.home import Home
from thsafe.models.card import find_card
from thsafe.models.checkpoint import load_tensors
from thsafe.models.fetch import require_weights

RATE: Final = 16000
MESSAGE_BITS: Final = 16
_LEAST_SECONDS: Final = 0.25

Sound = NDArray[np.float32]


class MarkWriter(Protocol):
    """The network that makes a mark; ``audioseal.models.AudioSealWM`` is one."""

    def get_watermark(self, x: Any, sample_rate: int | None, message: Any) -> Any:
        """What to add to ``x``, both (batch, 1, samples); ``message`` (batch, 16) of 0 and 1."""


class MarkReader(Protocol):
    """The network that finds marks; ``audioseal.models.AudioSealDetector`` is one."""

    def detect_watermark(self, x: Any, sample_rate: int | None) -> tuple[Any, Any]:
        """Share of ``x`` that is marked (batch,) and the message (batch, 16), of sound (batch, 1, samples)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioSealReading:
    """What the detector says."""

    share: float
    """Part of the sound that it takes for marked, 0 to 1."""
    message: int
    """0 to 65535; random where nothing is marked."""


class AudioSeal:
    """Writes and reads marks of AudioSeal.

    Args:
        writer: Loaded network, or None where only reading is wanted.
        reader: Loaded network, or None where only writing is wanted.
    """

    def __init__(self, *, writer: MarkWriter | None = None, reader: MarkReader | None = None) -> None:
        self._writer, self._reader = writer, reader

    @classmethod
    def open(cls, home: Home) -> Self:
        """With the weights that ``thsafe models pull`` brought into the home.

        Raises:
            MissingError: ``missing.audioseal`` without the package; ``model.missing`` without the weights.
            InputError: ``model.unreadable`` and its like; ``model.other-network`` for other weights.
        """
        return cls(
            writer=_network(
                "audioseal-generator", "audioseal_wm_16bits", "AudioSealWMConfig", "create_generator", home
            ),
            reader=_network(
                "audioseal-detector", "audioseal_detector_16bits", "AudioSealDetectorConfig", "create_detector", home
            ),
        )

    def mark(self, sound: Sound, sample_rate: int, message: int) -> Sound:
        """Sound with a message in it.

        Args:
            sound: (n,) float32 in [-1, 1], a quarter of a second or more.
            sample_rate: Samples per second; the mark itself lies below 8 kHz.
            message: 0 to 65535.

        Raises:
            UsageError: ``watermark.message`` out of range; ``watermark.no-network`` when only reading was asked for;
                ``watermark.short`` for less sound.
        """
        import soxr
        import torch

        if not 0 <= message < 1 << MESSAGE_BITS:
            raise UsageError(
                "AudioSeal carries 16 bits.",
                code="watermark.message",
                found=str(message),
                rule="0 to 65535",
                next_step="choose a number in that range",
            )
        if self._writer is None:
            raise _unloaded("writing")
        bits = torch.tensor([[message >> place & 1 for place in range(MESSAGE_BITS)]])
        with torch.inference_mode():
            change = self._writer.get_watermark(_wave(sound, sample_rate), RATE, bits)
        own = np.asarray(change[0, 0], dtype=np.float32)
        added = soxr.resample(own, RATE, sample_rate) if sample_rate != RATE else own
        marked = sound.copy()
        count = min(len(marked), len(added))
        marked[:count] += added[:count]
        return np.clip(marked, -1, 1)

    def read(self, sound: Sound, sample_rate: int) -> AudioSealReading:
        """What the detector finds in sound (n,).

        Raises:
            UsageError: ``watermark.no-network`` when only writing was asked for; ``watermark.short``.
        """
        import torch

        if self._reader is None:
            raise _unloaded("reading")
        with torch.inference_mode():
            share, bits = self._reader.detect_watermark(_wave(sound, sample_rate), RATE)
        message = sum(int(bit) << place for place, bit in enumerate(bits[0]))
        return AudioSealReading(share=float(share[0]), message=message)


def _wave(sound: Sound, sample_rate: int) -> Any:
    """(1, 1, samples) at 16 kHz."""
    import soxr
    import torch

    if sound.ndim != 1 or len(sound) < _LEAST_SECONDS * sample_rate:
        raise UsageError(
            "AudioSeal needs a quarter of a second of sound in one channel.",
            code="watermark.short",
            found=f"an array of shape {sound.shape} at {sample_rate} Hz",
            next_step="mix the channels down and give more sound",
        )
    own = soxr.resample(sound, sample_rate, RATE) if sample_rate != RATE else sound
    return torch.from_numpy(np.array(own, dtype=np.float32))[None, None, :]


def _network(card_name: str, settings: str, schema: str, maker: str, home: Home) -> Any:
    """One network with the weights of a card; nothing in the file of weights is run."""
    card = find_card(card_name)
    path = require_weights(card, home)
    try:
        builder, loader = import_module("audioseal.builder"), import_module("audioseal.loader")
    except ImportError as problem:
        raise MissingError(
            "The networks of AudioSeal are not installed.",
            code="missing.audioseal",
            found=str(problem),
            next_step='pip install "thsafe[audioseal]"',
        ) from problem
    tensors = load_tensors(path)
    inner = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    shape = dict(loader.load_local_model_config(settings))
    shape.pop("checkpoint", None)
    network = getattr(builder, maker)(loader.AudioSeal.parse_config(shape, config_type=getattr(builder, schema)))
    try:
        loader.load_state_dict(network, loader.convert_state_dict_for_scriptable_model(inner or tensors))
    except (RuntimeError, AttributeError, AssertionError) as problem:
        raise InputError(
            f"{path.name} does not hold the weights of {card.title}.",
            code="model.other-network",
            found=(str(problem).strip().splitlines() or ["another network"])[0][:300],
            next_step=f"get the file from {card.page}",
        ) from problem
    return network.eval()


def _unloaded(what: str) -> UsageError:
    return UsageError(
        f"This AudioSeal was made without the network for {what}.",
        code="watermark.no-network",
        next_step="open it with AudioSeal.open(home)",
    )
