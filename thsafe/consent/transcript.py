"""What words a recording holds, heard offline by pocketsphinx, which chooses for each place of the phrase."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import numpy as np

from thsafe.consent.phrase import WORDS

RATE: Final = 16_000
"""Samples per second of the recogniser's acoustic model."""
_MAX_SECONDS: Final = 120
_DECOYS: Final = 15
_FLOOR: Final = 0.1
"""Noise laid under a recording, relative to it (20 dB down): the recogniser was trained on rooms, and loses its way in
the exact silence between synthetic or gated words."""


def heard_words(recording: Path, expected: str) -> tuple[str, ...]:
    """What the recogniser takes each word of a phrase for, when it may also take it for one of fifteen others.

    Free dictation by a small offline model loses too many words; choosing among sixteen at each place does not ask
    for more than is needed: speech that is not the phrase is heard as one of the fifteen nearly always. Measured with
    an espeak-ng voice on twenty phrases: of the words of the right phrase 97 % were heard (91 % at 10 dB of noise), of
    a wrong one 7 %. It was not measured on people; the collector listens in any case.

    Args:
        recording: sound or film.
        expected: the phrase.

    Raises:
        InputError: no sound in it, or longer than two minutes.
        MissingError: pocketsphinx is not installed.
    """
    from thsafe.core.errors import InputError, MissingError
    from thsafe.media.sound import load_sound

    try:
        from pocketsphinx import Decoder, get_model_path
    except ImportError as problem:
        raise MissingError(
            "The offline speech recogniser is not installed.",
            code="missing.pocketsphinx",
            found=str(problem),
            next_step='pip install "pocketsphinx>=5.1,<6"',
        ) from problem
    samples = load_sound(recording, rate=RATE)
    if samples.size > _MAX_SECONDS * RATE:
        raise InputError(
            "The recording is longer than two minutes.",
            code="consent.recording",
            found=f"{samples.size / RATE:.0f} s",
            next_step="record the six words alone",
        )
    model = Path(get_model_path()) / "en-us"
    decoder = Decoder(
        hmm=str(model / "en-us"),
        dict=str(model / "cmudict-en-us.dict"),
        lm=None,
        # a second search over what the first kept often finds no path through the whole grammar, and hears nothing
        bestpath=False,
        loglevel="FATAL",
    )
    decoder.add_jsgf_string("words", _grammar(expected))
    decoder.activate_search("words")
    decoder.start_utt()
    floor = np.random.default_rng(0).normal(0.0, _FLOOR * float(samples.std()), samples.size)
    sound = np.clip(samples.reshape(-1) + floor, -1.0, 1.0)
    decoder.process_raw((sound * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return tuple(found.hypstr.split()) if found is not None else ()


def _grammar(expected: str) -> str:
    """One place per word of the phrase, each with fifteen decoys that follow from the phrase."""
    wanted = expected.split()
    others = sorted(
        (word for word in WORDS if word not in wanted),
        key=lambda word: hashlib.sha256(f"{expected}:{word}".encode()).digest(),
    )
    places = (
        f"( {' | '.join((word, *others[_DECOYS * place : _DECOYS * (place + 1)]))} )"
        for place, word in enumerate(wanted)
    )
    return f"#JSGF V1.0; grammar words; public <words> = {' '.join(places)};"
