"""Is this the person who consented? Exact bytes always; faces where a matcher is installed. Nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from thsafe.consent.record import ConsentRecord
from thsafe.core.types import Json, MediaRef

EXACT: Final = "exact-media"
TRANSIENT: Final = "transient"
"""The word of a record's ``biometric.use`` that lets a face be compared in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaMatch:
    """Whether an input is covered, and by which means."""

    matches: bool
    method: str
    """``exact-media``, or the name of the face matcher that compared."""
    score: float | None = None
    """Similarity found by the matcher; None where bytes were compared."""
    enough: float | None = None
    """Similarity that was wanted."""

    def facts(self) -> dict[str, Json]:
        """What the log keeps: means, score and what was wanted; no measurement of a face."""
        if self.score is None:
            return {"match": self.method}
        return {"match": self.method, "score": f"{self.score:.3f}", "enough": f"{self.enough:.3f}"}

    def in_words(self) -> str:
        """The comparison of faces in a sentence part; empty where bytes were compared."""
        if self.score is None:
            return ""
        return f"faces compared with {self.method}: similarity {self.score:.2f}, {self.enough:.2f} is wanted"


class FaceMatcher(Protocol):
    """Compares the face of an input with the approved pictures of a record, in memory only."""

    @property
    def name(self) -> str:
        """Its name and the digest of its weights, for the log."""

    @property
    def enough(self) -> float:
        """The similarity from which on two faces are one person's."""

    def same_person(self, ref: MediaRef, record: ConsentRecord) -> tuple[bool, float] | None:
        """Whether the input shows the person of the record, and the similarity found; None where it cannot tell."""


def match_media(ref: MediaRef, record: ConsentRecord, matcher: FaceMatcher | None) -> MediaMatch:
    """Compare an input with what a record names.

    The face is looked at only where the bytes differ, a matcher is installed and the record lets it be.
    """
    if record.covers_media(ref.sha256):
        return MediaMatch(matches=True, method=EXACT)
    found = None
    if matcher is not None and record.terms.biometric.get("use") == TRANSIENT:
        found = matcher.same_person(ref, record)
    if matcher is None or found is None:
        return MediaMatch(matches=False, method=EXACT)
    same, score = found
    return MediaMatch(matches=same, method=matcher.name, score=score, enough=matcher.enough)
