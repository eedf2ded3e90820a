"""Train the phone network: synthetic speech in eighteen languages, with exact labels, bent and dirtied.

No recording of any person is used. The voice is espeak-ng, which says to the sample when each sound begins; the words
are drawn from the public-domain CMU dictionary that comes with pocketsphinx, read by voices of other languages too,
so that their sounds are heard. Run it with ``thsafe models train phones``; torch is needed here and nowhere else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generators.embedded.listen import BANDS, RATE, log_mel, survey
from generators.embedded.phonenet import DILATIONS, GROUPS, TAPS, WIDTH, features, forward, shapes
from generators.embedded.visemes import VISEMES, Viseme, posteriors
from generators.speech.espeak import SAMPLE_RATE, Espeak
from thsafe.core.errors import InputError
from thsafe.core.types import Progress, Silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]
    Example = tuple[NDArray[np.float32], NDArray[np.float32]]
    """Features (T, 80) and labels (T, 14)."""

LANGUAGES: Final = (
    *("en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "fr-fr", "de", "es", "it", "pt-br"),
    *("nl", "sv", "pl", "cs", "tr", "fi", "ro", "id", "da"),
)
"""English three times over: its words are what the dictionary holds."""
HELD_OUT: Final = ("f3", "m5", "klatt2", "Annie", "whisper")
"""Variants that are never trained on."""
STRANGE: Final = ("robosoft", "UniRobot", "anikaRobot", "Demonic", "Tweaky", "croak", "fast")
SENTENCES: Final = {
    "en-us": "The old farmer bought five big sheep before the summer. We think she should measure the water again.",
    "en-us+f3": "My brother put both papers above the fireplace. Please give them a chance to catch the yellow bus.",
    "en-us+m5": "Every Wednesday morning people walk up the hill. Their voices were very loud, but nobody was afraid.",
    "en-us+klatt2": "A blue bird flew over the roof of the house. Could you pass me the pepper and the milk?",
    "en-us+Annie": "Many of them moved to the village in March. What a wonderful view from this window!",
    "en-us+whisper": "Perhaps we may meet him at the market. The judge shook his head and opened the book.",
    "en-gb-x-rp": "I'd rather have a cup of tea with my mother. Half of the garden was covered with leaves.",
    "fr-fr": "Bonjour, je voudrais une pomme et un peu de beurre. Ma mère habite près de la vieille église.",
    "de": "Guten Morgen, wir fahren heute mit dem Zug nach Bremen. Meine Brüder spielen oft im Park.",
    "es": "Buenos días, vamos a comprar pan y mantequilla. La familia vive muy cerca del puerto.",
}
"""What is measured after training: sentences that no training text holds, by voices partly held out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much training."""

    utterances: int = 1600
    epochs: int = 14
    seed: int = 7
    threads: int = 1


def train(
    folder: Path | None = None, *, effort: Effort | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Make speech, train, measure, and write ``phones.safetensors`` and ``phones.toml`` into ``folder``.

    Args:
        folder: where they go; the package's own weights by default.
        effort: how much speech and how many rounds.
        progress: told how far it is.

    Returns:
        What was measured, as in the card.
    """
    effort = effort or Effort()
    progress = progress or Silent()
    random = np.random.default_rng(effort.seed)
    progress.start("speaking", effort.utterances)
    examples: list[Example] = []
    for example in _examples(random, effort.utterances):
        examples.append(example)
        progress.advance()
    weights = _fit(examples, random, effort, progress)
    weights = {name: array.astype(np.float16).astype(np.float32) for name, array in weights.items()}
    report = measure(weights)
    hours = sum(len(labels) for _, labels in examples) / 360_000
    _write(folder or Path(__file__).parent.parent / "weights", weights, report, hours, effort)
    return report


def retrain(folder: Path, *, rounds: int, seed: int, progress: Progress) -> dict[str, Any]:
    """What ``thsafe models train phones`` does: :func:`train` with the usual speech and this many rounds over it."""
    report = train(folder, effort=Effort(epochs=rounds, seed=seed), progress=progress)
    return report | {"worth": f"{report['accuracy']:.0%} of 10 ms frames right on unseen sentences"}


def measure(weights: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
    """Share of frames whose class is right, silence included: overall, per voice and per class, on new sentences."""
    right = np.zeros(VISEMES)
    total = np.zeros(VISEMES)
    voices: dict[str, float] = {}
    for voice, text in SENTENCES.items():
        sound, labels = spoken(text, voice=voice)
        found = forward(weights, features(log_mel(sound), survey([sound]))).argmax(axis=1)
        true = labels.argmax(axis=1)
        for viseme in Viseme:
            total[viseme] += (true == viseme).sum()
            right[viseme] += ((true == viseme) & (found == true)).sum()
        voices[voice] = round(float((found == true).mean()), 3)
    return {
        "accuracy": round(float(np.mean(list(voices.values()))), 3),
        "voices": voices,
        "classes": {v.name.lower(): round(float(right[v] / max(total[v], 1)), 3) for v in Viseme},
    }


def spoken(text: str, *, voice: str, rate: int = 165, pitch: int = 50) -> tuple[Sound, NDArray[np.float64]]:
    """Sound (n,) at 16 kHz, and its true classes (ceil(n / 160), 14)."""
    import soxr

    speech = Espeak().speak(text, voice=voice, rate=rate, pitch=pitch)
    sound = np.asarray(soxr.resample(speech.samples, SAMPLE_RATE, RATE), np.float32)
    return sound, posteriors(speech.phones, seconds=len(sound) / RATE)


def dictionary() -> list[str]:
    """The words of the public-domain CMU dictionary that comes with pocketsphinx."""
    from pocketsphinx import get_model_path

    lines = Path(str(get_model_path("en-us/cmudict-en-us.dict"))).read_text(encoding="utf-8").splitlines()
    return [word for word in (line.split(" ", 1)[0] for line in lines) if word.isalpha() and 2 <= len(word) <= 12]


def _examples(random: np.random.Generator, count: int) -> Iterator[Example]:
    from generators.speech.library import find_package, installed_voices

    _, variants = installed_voices(find_package()[1])
    usable = [name for name in sorted(variants) if name not in HELD_OUT and not name.startswith(STRANGE)]
    words = dictionary()
    while count > 0:
        chosen = random.choice(words, int(random.integers(5, 12)))
        # commas make the pauses and the closed mouths that running speech has
        text = " ".join(word + ("," if random.random() < 0.15 else "") for word in chosen) + "."
        voice = str(random.choice(LANGUAGES))
        if random.random() < 0.8:
            voice += "+" + str(random.choice(usable))
        try:
            sound, labels = spoken(
                text, voice=voice, rate=int(random.integers(130, 261)), pitch=int(random.integers(15, 90))
            )
        except InputError:  # a voice that knows no sound for these words
            continue
        if labels[:, Viseme.SIL].mean() > 0.6:
            continue
        bent, labels = _stretched(sound, labels, float(random.uniform(0.88, 1.15)))
        dirty = _dirtied(bent, random)
        try:
            surveyed = survey([dirty])
        except InputError:
            continue
        yield features(log_mel(dirty), surveyed), labels.astype(np.float32)
        count -= 1


def _stretched(sound: Sound, labels: NDArray[np.float64], factor: float) -> tuple[Sound, NDArray[np.float64]]:
    """Played slower or faster, pitch and formants with it: other throats."""
    import soxr

    bent = np.asarray(soxr.resample(sound, RATE, RATE * factor), np.float32)
    frames = -(-len(bent) // 160)
    rows = np.clip(((np.arange(frames) + 0.5) / factor).astype(int), 0, len(labels) - 1)
    return bent, labels[rows]


def _dirtied(sound: Sound, random: np.random.Generator) -> Sound:
    """Another room, another microphone: reverberation, equaliser, band limit, noise, rests before and after."""
    from scipy.signal import fftconvolve

    signal = sound.astype(np.float64)
    if random.random() < 0.5:
        length = round(float(random.uniform(0.08, 0.5)) * RATE)
        tail = random.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
        tail *= random.uniform(0.1, 0.7) / np.linalg.norm(tail)
        tail[0] += 1.0
        signal = fftconvolve(signal, tail)[: len(sound)]
    spectrum = np.fft.rfft(signal)
    hertz = np.fft.rfftfreq(len(signal), 1 / RATE)
    marks = np.geomspace(80, 7800, 8)
    curve = np.interp(np.log(np.maximum(hertz, 40)), np.log(marks), random.uniform(-8, 8, 8))
    curve += random.uniform(-3, 3) * np.log2(np.maximum(hertz, 100) / 1000)
    if random.random() < 0.25:
        curve -= 6.0 * np.maximum(np.log2(np.maximum(hertz, 1) / random.uniform(3000, 6000)), 0) * 6
    signal = np.fft.irfft(spectrum * 10 ** (curve / 20), len(signal))
    signal /= np.abs(signal).max() + 1e-9
    colour = np.fft.rfft(random.standard_normal(len(signal)))
    colour *= np.maximum(hertz, 60) ** (-random.uniform(0, 1))
    noise = np.fft.irfft(colour, len(signal))
    ratio = 10 ** (random.uniform(8, 45) / 20)
    noise *= np.sqrt(np.mean(signal**2)) / ratio / (np.sqrt(np.mean(noise**2)) + 1e-12)
    return np.asarray((signal + noise) * random.uniform(0.1, 0.9), np.float32)


def _fit(
    examples: Sequence[Example], random: np.random.Generator, effort: Effort, progress: Progress
) -> dict[str, NDArray[np.float32]]:
    import torch

    torch.manual_seed(effort.seed)
    torch.set_num_threads(effort.threads)
    network = _network()
    crop, batch = 400, 24
    frequency = np.sum([labels.sum(axis=0) for _, labels in examples], axis=0)
    weight = (frequency.mean() / np.maximum(frequency, 1)) ** 0.5
    loss_of = torch.nn.CrossEntropyLoss(weight=torch.tensor(weight, dtype=torch.float32), label_smoothing=0.05)
    steps = max(1, round(sum(len(labels) for _, labels in examples) / crop / batch))
    optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps * effort.epochs)
    lengths = np.array([len(labels) for _, labels in examples], float)
    progress.start("training", steps * effort.epochs)
    for _ in range(steps * effort.epochs):
        inputs = np.zeros((batch, crop, 2 * BANDS), np.float32)
        targets = np.zeros((batch, crop, VISEMES), np.float32)
        targets[..., Viseme.SIL] = 1.0
        for row, index in enumerate(random.choice(len(examples), batch, p=lengths / lengths.sum())):
            heard, labels = examples[index]
            begin = int(random.integers(0, max(len(heard) - crop, 0) + 1))
            part = slice(begin, begin + crop)
            inputs[row, : len(heard[part])] = heard[part]
            targets[row, : len(heard[part])] = labels[part]
        scores = network(torch.from_numpy(inputs).transpose(1, 2))
        loss = loss_of(scores, torch.from_numpy(targets).transpose(1, 2))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.advance()
    network.eval()
    return _exported(network)


def _network() -> Any:
    """The network of ``phonenet.forward`` in torch, with batch normalisation that is folded away afterwards."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, dilation: int) -> None:
            super().__init__()
            reach = TAPS // 2 * dilation
            self.grouped = nn.Conv1d(WIDTH, WIDTH, TAPS, padding=reach, dilation=dilation, groups=GROUPS, bias=False)
            self.first = nn.BatchNorm1d(WIDTH)
            self.mix = nn.Conv1d(WIDTH, WIDTH, 1, bias=False)
            self.second = nn.BatchNorm1d(WIDTH)

        def forward(self, flow: Any) -> Any:
            return flow + self.second(self.mix(self.first(self.grouped(flow)).relu()))

    return nn.Sequential(
        nn.Conv1d(2 * BANDS, WIDTH, TAPS, padding=TAPS // 2, bias=False),
        nn.BatchNorm1d(WIDTH),
        nn.ReLU(),
        *(Block(dilation) for dilation in DILATIONS),
        nn.Conv1d(WIDTH, VISEMES, 1),
    )


def _exported(network: Any) -> dict[str, NDArray[np.float32]]:
    """Every normalisation folded into the convolution before it, in the layout of ``phonenet.shapes``."""

    def folded(convolution: Any, normalisation: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        scale = (normalisation.weight / (normalisation.running_var + normalisation.eps).sqrt()).detach().numpy()
        bias = normalisation.bias.detach().numpy() - normalisation.running_mean.numpy() * scale
        return convolution.weight.detach().numpy() * scale[:, None, None], bias

    kernel, bias = folded(network[0], network[1])
    weights = {"in.weight": kernel.transpose(2, 1, 0).reshape(-1, WIDTH), "in.bias": bias}
    for number in range(len(DILATIONS)):
        block = network[3 + number]
        kernel, bias = folded(block.grouped, block.first)
        shaped = kernel.reshape(GROUPS, WIDTH // GROUPS, WIDTH // GROUPS, TAPS)
        weights[f"{number}.grouped"] = shaped.transpose(0, 3, 2, 1).reshape(GROUPS, -1, WIDTH // GROUPS)
        weights[f"{number}.grouped_bias"] = bias
        kernel, bias = folded(block.mix, block.second)
        weights[f"{number}.mix"], weights[f"{number}.mix_bias"] = kernel[:, :, 0].T, bias
    last = network[3 + len(DILATIONS)]
    weights["out.weight"] = last.weight.detach().numpy()[:, :, 0].T
    weights["out.bias"] = last.bias.detach().numpy()
    return {name: np.ascontiguousarray(weights[name], dtype=np.float32) for name in shapes()}


def _write(
    folder: Path, weights: dict[str, NDArray[np.float32]], report: dict[str, Any], hours: float, effort: Effort
) -> None:
    import hashlib
    import os

    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    packed = save({name: array.astype(np.float16) for name, array in weights.items()}, metadata={"format": "np"})
    parameters = sum(array.size for array in weights.values())

    def table(values: dict[str, float]) -> str:
        return "\n".join(f'"{name}" = {value}' for name, value in values.items())

    card = f"""name = "phones"
title = "Mouth classes from speech"
file = "phones.safetensors"
sha256 = "{hashlib.sha256(packed).hexdigest()}"
parameters = {parameters}
licence = "Apache-2.0"
trained_on = "{hours:.2f} hours of synthetic speech (espeak-ng), made on the spot; no recording of any person"
recipe = "thsafe models train phones --rounds {effort.epochs} --seed {effort.seed}"
utterances = {effort.utterances}
words = "drawn at random from the CMU Pronouncing Dictionary that comes with pocketsphinx (BSD)"
languages = {len(set(LANGUAGES))}
is_not = "a speech recogniser: 14 classes of mouth shape; a speaker recogniser; measured on synthetic voices only"
accuracy = {report["accuracy"]}
measured_on = "unseen sentences; share of 10 ms frames with the right class of 14, silence included"
held_out_voices = {list(HELD_OUT)}

[voices]
{table(report["voices"])}

[classes]
{table(report["classes"])}
""".replace("'", '"')
    for name, data in (("phones.safetensors", packed), ("phones.toml", card.encode())):
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).chmod(0o644)
        Path(file.name).replace(folder / name)
