"""Piper voices: a neural voice from two files that the user brings, with the time of every sound.

A voice is ``NAME.onnx`` with ``NAME.onnx.json`` beside it, in ``models/piper`` of the home folder; it is asked for as
``piper:NAME``, or ``piper:NAME#SPEAKER`` where it has several. Its sounds are those of espeak-ng, its times what its
own duration predictor says: how many steps of sound each symbol takes (Kim et al. 2021, VITS, the rounded-up output).
Format: the voices' JSON of Piper 1.x; model inputs ``input``, ``input_lengths``, ``scales``, perhaps ``sid``.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from generators.speech import text as texts
from generators.speech.espeak import SAMPLE_RATE, Espeak, Speech
from generators.speech.library import Session
from generators.speech.timing import SILENCE, Phone, joined, spread_words
from thsafe.core.errors import InputError, MissingError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thsafe.home import Home

PREFIX: Final = "piper:"
_BEGIN, _END, _PAD = "^", "$", "_"
_HOP: Final = 256
"""Samples per step of the duration predictor."""
_LARGEST_JSON: Final = 1 << 20
_USUAL_RATE: Final = 165
"""Words a minute at the voice's own speed; espeak-ng's default here, so that a rate means the same for both."""
_HELD: Final = frozenset("ːˑˈˌ˞ʲʰʷˤ̧̩̯̪̃")
"""Marks that belong to the sound beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manual:
    """What a voice's JSON says."""

    language: str
    """An espeak-ng voice."""
    rate: int
    ids: Mapping[str, tuple[int, ...]]
    scales: tuple[float, float, float]
    """Noise, length, noise of the durations."""
    hop: int
    speakers: Mapping[str, int]


class Piper:
    """One voice; its model is loaded when it first speaks.

    Raises:
        InputError: ``speech.piper-voice``: there is no such voice, or its files cannot be used.
    """

    def __init__(self, name: str, home: Home) -> None:
        self._name, _, self._speaker = name.removeprefix(PREFIX).partition("#")
        folder = home.models / "piper"
        self._path = folder / f"{self._name}.onnx"
        if "/" in self._name or not self._name or not self._path.is_file():
            there = sorted(file.stem for file in folder.glob("*.onnx"))
            raise InputError(
                f"There is no Piper voice {self._name!r} here.",
                code="speech.piper-voice",
                found=", ".join(there) or f"no voice in {folder}",
                rule="a voice is two files, NAME.onnx and NAME.onnx.json",
                next_step=f"put both into {folder}",
            )
        self._manual = _manual(self._path)
        if self._speaker and self._speaker not in self._manual.speakers:
            raise UsageError(
                f"The voice {self._name!r} has no speaker {self._speaker!r}.",
                code="speech.voice",
                found=", ".join(list(self._manual.speakers)[:12]) or "one speaker without a name",
                next_step=f"--voice {PREFIX}{self._name}",
            )

    def iter_speech(
        self,
        text: str,
        *,
        voice: str = "",
        rate: int = _USUAL_RATE,
        pitch: int = 50,
        range: int = 50,  # noqa: A002 - the port's word
    ) -> Iterator[Speech]:
        """See :meth:`generators.speech.espeak.Espeak.iter_speech`; pitch and its range are the voice's own."""
        # espeak-ng checks the words and the numbers, as they are its language's
        Espeak().iter_speech(text, voice=self._manual.language, rate=rate, pitch=pitch, range=range)
        del voice
        cleaned = texts.clean(text)
        return self._spoken(cleaned, rate)

    def _spoken(self, text: str, rate: int) -> Iterator[Speech]:
        told = False
        pieces = list(texts.sentences(text))
        for number, piece in enumerate(pieces):
            symbols = self._symbols(piece)
            if not any(char.isalpha() for char in symbols):
                continue
            told = True
            last = number + 1 == len(pieces)
            pause = 0.0 if last else texts.pause_after(piece) * _USUAL_RATE / rate
            yield self._sentence(piece, symbols, rate, pause)
        if not told:
            raise InputError(
                f"The voice {PREFIX}{self._name} knows no sound for this text.",
                code="speech.unspoken",
                found=f"{len(text)} characters, none of them spoken",
                next_step="choose a voice of the text's language with --voice",
            )

    def _symbols(self, sentence: str) -> str:
        """The sentence's sounds as single symbols that the voice has."""
        identifier = Espeak().identifier(self._manual.language)
        with Session() as session:
            clauses = session.phonemes(sentence, identifier)
        written = " ".join(ipa + end for ipa, end in clauses)
        return "".join(char for char in unicodedata.normalize("NFD", written) if char in self._manual.ids)

    def _sentence(self, sentence: str, symbols: str, rate: int, pause: float) -> Speech:
        import numpy as np
        import soxr

        manual = self._manual
        pad = manual.ids[_PAD]
        groups = [manual.ids[symbol] + pad for symbol in (_BEGIN, *symbols)] + [manual.ids[_END]]
        ids = np.array([[number for group in groups for number in group]], np.int64)
        noise, length, wobble = manual.scales
        given: dict[str, Any] = {
            "input": ids,
            "input_lengths": np.array([ids.shape[1]], np.int64),
            "scales": np.array([noise, length * _USUAL_RATE / rate, wobble], np.float32),
        }
        if len(manual.speakers) > 1:
            speaker = self._speaker or next(iter(manual.speakers))
            given["sid"] = np.array([manual.speakers[speaker]], np.int64)
        sound, *steps = self._model.run(None, given)
        samples = np.clip(np.asarray(sound, np.float32).reshape(-1), -1.0, 1.0)
        counts = np.array([len(group) for group in groups])
        if steps and steps[0].size == ids.shape[1]:
            each = np.asarray(steps[0], np.float64).reshape(-1) * manual.hop
            lengths = np.add.reduceat(each, np.cumsum(counts) - counts)
        else:
            lengths = _guessed(symbols)
        seconds = lengths / max(float(lengths.sum()), 1e-9) * len(samples) / manual.rate
        resampled = np.asarray(soxr.resample(samples, manual.rate, SAMPLE_RATE), np.float32)
        whole = np.concatenate([resampled, np.zeros(round(pause * SAMPLE_RATE), np.float32)])
        end = len(whole) / SAMPLE_RATE
        phones, words = _told((_BEGIN, *symbols, _END), seconds, end)
        return Speech(samples=whole, phones=joined(phones, end), words=spread_words(sentence, words))

    @cached_property
    def _model(self) -> Any:
        try:
            import onnxruntime
        except ImportError as problem:
            raise MissingError(
                "Piper voices need onnxruntime, which is not installed.",
                code="speech.piper",
                found=str(problem),
                next_step='pip install "thsafe[piper]"',
            ) from problem
        onnxruntime.set_seed(0)  # the noise that the models draw: the same words sound the same every time
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(_with_durations(self._path), options, ["CPUExecutionProvider"])
        except Exception as problem:
            raise _unusable(self._path, str(problem).splitlines()[0][:200]) from problem


def _with_durations(path: Path) -> bytes:
    """The model with its rounded-up durations as a second output, where it has them inside."""
    data = path.read_bytes()
    try:
        import onnx
    except ImportError:
        return data
    model = onnx.load_model_from_string(data)
    rounded = [node.output[0] for node in model.graph.node if node.op_type == "Ceil"]
    if len(model.graph.output) == 1 and len(rounded) == 1:
        model.graph.output.append(onnx.helper.make_tensor_value_info(rounded[0], onnx.TensorProto.FLOAT, None))
        data = model.SerializeToString()
    return data


def _manual(path: Path) -> _Manual:
    described = path.with_name(path.name + ".json")
    try:
        if described.stat().st_size > _LARGEST_JSON:
            raise _unusable(described, "more than a megabyte")
        found = json.loads(described.read_text(encoding="utf-8"))
        if found.get("phoneme_type", "espeak") != "espeak":
            raise _unusable(described, f"sounds of the kind {found['phoneme_type']!r}, not espeak")
        ids = {str(key): tuple(int(number) for number in value) for key, value in found["phoneme_id_map"].items()}
        scales = found.get("inference", {})
        manual = _Manual(
            language=str(found["espeak"]["voice"]),
            rate=int(found["audio"]["sample_rate"]),
            ids=ids,
            scales=(
                float(scales.get("noise_scale", 0.667)),
                float(scales.get("length_scale", 1.0)),
                float(scales.get("noise_w", 0.8)),
            ),
            hop=int(found.get("hop_length", _HOP)),
            speakers={str(key): int(value) for key, value in (found.get("speaker_id_map") or {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise _unusable(described, str(problem) or type(problem).__name__) from problem
    if not {_BEGIN, _END, _PAD} <= set(ids) or not 8000 <= manual.rate <= 48000:
        raise _unusable(described, "no ids for begin, end and pause, or a strange sample rate")
    return manual


def _unusable(path: Path, found: str) -> InputError:
    return InputError(
        f"The Piper voice {path.name} cannot be used.",
        code="speech.piper-voice",
        found=found,
        rule="a voice is two files, NAME.onnx and NAME.onnx.json, as Piper 1.x writes them",
        next_step="fetch both files anew, or choose another voice",
    )


def _guessed(symbols: str) -> NDArray[np.float64]:
    """How long each symbol probably lasts, begin and end with it, where the model does not tell."""
    import numpy as np

    def weight(symbol: str) -> float:
        if symbol in _HELD:
            return 0.3
        return 1.6 if symbol in ".!?;:," else 0.2 if symbol == " " else 1.0

    return np.array([1.0, *map(weight, symbols), 1.0])


def _told(
    symbols: tuple[str, ...], seconds: NDArray[np.float64], end: float
) -> tuple[list[Phone], list[tuple[float, float]]]:
    """Phones, and when each word is heard; marks count to the sound beside them."""
    phones: list[Phone] = []
    words: list[tuple[float, float]] = []
    at, held, begun = 0.0, 0.0, -1.0
    for symbol, length in zip(symbols, seconds, strict=True):
        stop = at + float(length)
        if symbol.isalpha() and symbol not in _HELD:
            phones.append(Phone(start=at - held, end=stop, ipa=symbol))
            begun, held = (at - held if begun < 0 else begun), 0.0
        elif symbol in "ˈˌ":
            held += float(length)
        elif symbol in _HELD and phones:
            last = phones.pop()
            phones.append(Phone(start=last.start, end=stop, ipa=last.ipa))
        else:
            if begun >= 0:
                words.append((begun, at))
                begun = -1.0
            if symbol == " " and length < 0.06 and phones:
                last = phones.pop()
                phones.append(Phone(start=last.start, end=stop, ipa=last.ipa))
            else:
                phones.append(Phone(start=at, end=stop, ipa=SILENCE))
        at = stop
    if begun >= 0:
        words.append((begun, at))
    if at < end:
        phones.append(Phone(start=at, end=end, ipa=SILENCE))
    return phones, words
