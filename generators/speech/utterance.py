"""Pieces of what is said: words, how they are said, by whom, and the silence before them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """One piece; see :meth:`generators.speech.espeak.Espeak.speak` for the ranges."""

    text: str
    voice: str = "en-us"
    rate: int = 165
    pitch: int = 50
    pause: float = 0.0
    """Seconds of silence before it."""
    speaker: str = ""
    """Who says it; empty where there is only one."""
