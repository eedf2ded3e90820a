"""A small network of our own that hears mouth classes: trained on synthetic speech with exact labels, run in numpy.

One hundred frames a second: 40 log-mel bands and their slope, a convolution over five frames, four residual blocks of
grouped convolutions (dilation 1, 2, 4, 8) and a linear layer to 14 classes. It sees 0.34 s to either side. What it was
trained on and how well it hears is in ``weights/phones.toml``; ``generators.embedded.training.phones`` makes it anew.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded.listen import BANDS, gated, log_mel
from generators.embedded.visemes import VISEMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.embedded.listen import Sound, Survey

    Weights = dict[str, NDArray[np.float32]]

WIDTH: Final = 96
GROUPS: Final = 8
TAPS: Final = 5
DILATIONS: Final = (1, 2, 4, 8)
RANGE: Final = 9.0
"""Nepers below the voice's loud parts that the network still hears."""
_WEIGHTS: Final = "phones.safetensors"


class Network:
    """Recognises mouth classes with the network; see :class:`generators.embedded.listen.PhoneListener`."""

    def __init__(self, weights: Weights | None = None) -> None:
        """Take the shipped weights, or others of the same shape (see :func:`shapes`)."""
        self._weights = shipped_weights() if weights is None else weights

    def posteriors(self, sound: Sound, survey: Survey) -> NDArray[np.float64]:
        """See :class:`generators.embedded.listen.PhoneListener`."""
        heard = forward(self._weights, features(log_mel(sound), survey))
        return gated(heard.astype(np.float64), sound, survey)


def features(mel: NDArray[np.float64], survey: Survey) -> NDArray[np.float32]:
    """(T, 80): each band against the recording's own mean and spread, and its slope over four frames."""
    floored = np.maximum(mel, survey.loud_band - RANGE)
    bands = (floored - survey.tone[0]) / survey.tone[1]
    padded = np.pad(bands, ((2, 2), (0, 0)), mode="edge")
    slope = (padded[4:] - padded[:-4]) * 0.5 + (padded[3:-1] - padded[1:-3]) * 0.25
    return np.asarray(np.concatenate([bands, slope], axis=1), np.float32)


def forward(weights: Weights, heard: NDArray[np.float32]) -> NDArray[np.float32]:
    """Class probabilities (T, 14) for features (T, 80); beyond the ends there is nothing (zeros)."""
    flow = np.maximum(_taps(heard, 1) @ weights["in.weight"] + weights["in.bias"], 0.0)
    for number, dilation in enumerate(DILATIONS):
        near = _taps(flow, dilation).reshape(len(flow), TAPS, GROUPS, WIDTH // GROUPS)
        grouped = near.transpose(2, 0, 1, 3).reshape(GROUPS, len(flow), -1) @ weights[f"{number}.grouped"]
        mixed = grouped.transpose(1, 0, 2).reshape(len(flow), WIDTH) + weights[f"{number}.grouped_bias"]
        flow = flow + np.maximum(mixed, 0.0) @ weights[f"{number}.mix"] + weights[f"{number}.mix_bias"]
    scores = flow @ weights["out.weight"] + weights["out.bias"]
    scores -= scores.max(axis=1, keepdims=True)
    powers = np.exp(scores)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _taps(flow: NDArray[np.float32], dilation: int) -> NDArray[np.float32]:
    """Five frames ``dilation`` apart around each frame, side by side: (T, 5 * channels)."""
    reach = TAPS // 2 * dilation
    padded = np.pad(flow, ((reach, reach), (0, 0)))
    near = [padded[n * dilation : n * dilation + len(flow)] for n in range(TAPS)]
    return np.asarray(np.concatenate(near, axis=1), np.float32)


def shapes() -> dict[str, tuple[int, ...]]:
    """The arrays of a set of weights."""
    inner = TAPS * WIDTH // GROUPS
    found: dict[str, tuple[int, ...]] = {"in.weight": (TAPS * 2 * BANDS, WIDTH), "in.bias": (WIDTH,)}
    for number in range(len(DILATIONS)):
        found[f"{number}.grouped"] = (GROUPS, inner, WIDTH // GROUPS)
        found[f"{number}.grouped_bias"] = (WIDTH,)
        found[f"{number}.mix"] = (WIDTH, WIDTH)
        found[f"{number}.mix_bias"] = (WIDTH,)
    return found | {"out.weight": (WIDTH, VISEMES), "out.bias": (VISEMES,)}


@cache
def shipped_weights() -> Weights:
    """The weights that come with the package (fp16 in the file), as float32."""
    from safetensors.numpy import load

    packed = (resources.files("generators.embedded") / "weights" / _WEIGHTS).read_bytes()
    return {name: array.astype(np.float32) for name, array in load(packed).items()}
