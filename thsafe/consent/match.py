"""Is this the person who consented? Exact bytes always; faces where a matcher is installed. Nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from thsafe.consent.record import ConsentRecord
from thsafe.core.types import MediaRef

EXACT: Final = "exact-media"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaMatch:
    """Whether an input is covered, and by which means."""

    matches: bool
    method: str
    """``exact-media``, or the name of the face matcher that was asked."""
    score: float | None = None


class FaceMatcher(Protocol):
    """Compares the face of an input with the reference pictures of a record, in memory only."""

    @property
    def name(self) -> str:
        """Its name and the digest of its weights, for the log."""

    def same_person(self, ref: MediaRef, record: ConsentRecord) -> tuple[bool, float]:
        """Whether the input shows the person of the record, and the similarity found."""


def match_media(ref: MediaRef, record: ConsentRecord, matcher: FaceMatcher | None) -> MediaMatch:
    """Compare an input with what a record names; the face is looked at only where the bytes differ."""
    if record.covers_media(ref.sha256):
        return MediaMatch(matches=True, method=EXACT)
    if matcher is None:
        return MediaMatch(matches=False, method=EXACT)
    same, score = matcher.same_person(ref, record)
    return MediaMatch(matches=same, method=matcher.name, score=score)
