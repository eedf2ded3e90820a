"""What words a recording holds, heard offline by pocketsphinx with the phrase's own small vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from thsafe.consent.phrase import WORDS

RATE: Final = 16_000
"""Samples per second of the recogniser's acoustic model."""
_MAX_SECONDS: Final = 120


def heard_words(recording: Path) -> tuple[str, ...]:
    """The vocabulary's words in a recording of sound or film, in order.

    A grammar of the 256 words alone makes six words reliable where free dictation would not be; it also means that
    any speech is heard as some of them, so only the order against the expected phrase tells something.

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
        loglevel="FATAL",
    )
    decoder.add_jsgf_string("words", f"#JSGF V1.0; grammar words; public <words> = ( {' | '.join(WORDS)} )*;")
    decoder.activate_search("words")
    decoder.start_utt()
    sound = np.clip(samples.reshape(-1), -1.0, 1.0)
    decoder.process_raw((sound * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return tuple(found.hypstr.split()) if found is not None else ()
