"""The port that every voice stands behind, and which voice a name means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from generators.speech.espeak import Speech
    from thsafe.home import Home


class Speaker(Protocol):
    """Speaks text and says when each sound and word is heard."""

    def iter_speech(self, text: str, *, voice: str, rate: int, pitch: int, range: int) -> Iterator[Speech]:  # noqa: A002
        """Sentence by sentence; see :meth:`generators.speech.espeak.Espeak.iter_speech`."""


class Voices:
    """The voices of one job; each model is loaded once.

    Args:
        home: where Piper's voices are.
    """

    def __init__(self, home: Home | None = None) -> None:
        self._home = home
        self._known: dict[str, Speaker] = {}

    def __getitem__(self, name: str) -> Speaker:
        """The voice of that name: ``piper:…``, or one of espeak-ng's.

        Raises:
            InputError: ``speech.piper-voice``.
        """
        from generators.speech.espeak import Espeak
        from generators.speech.piper import PREFIX, Piper
        from thsafe.home import Home

        if name not in self._known:
            self._known[name] = Piper(name, self._home or Home.default()) if name.startswith(PREFIX) else Espeak()
        return self._known[name]
