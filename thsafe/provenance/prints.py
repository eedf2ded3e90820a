"""What a file looks and sounds like: its perceptual fingerprints together, as the store keeps them in one text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_SOUND = "VFMB"
"""How the text of every fingerprint of sound begins: base64 of its first three bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """The fingerprints of one file; None for what it does not have."""

    picture: str | None = None
    """Text of ``thsafe.provenance.fingerprint``."""
    sound: str | None = None
    """Text of ``thsafe.provenance.soundprint``."""

    @classmethod
    def of_text(cls, text: str | None) -> Prints:
        """From the text that the store keeps; texts of unknown kinds count as pictures, which compare them no further.

        Texts of versions before sound had one are a picture's alone.
        """
        parts = (text or "").split(" ")
        return cls(
            picture=next((part for part in parts if part and not part.startswith(_SOUND)), None),
            sound=next((part for part in parts if part.startswith(_SOUND)), None),
        )

    @property
    def text(self) -> str | None:
        """For the store: the texts with a space between; None where there are none."""
        return " ".join(part for part in (self.picture, self.sound) if part) or None


def sounds(known: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """(id, fingerprint of the sound) of stored texts that have one."""
    for name, text in known:
        if (sound := Prints.of_text(text).sound) is not None:
            yield name, sound
