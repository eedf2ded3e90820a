"""A refusal that a person can act on: what was found, every rule that failed, what to do about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from policies.engine import Depiction, Reason
from thsafe.consent.find import VARIABLE, Candidate
from thsafe.consent.match import MediaMatch
from thsafe.core.errors import ConsentRefused, PolicyRefused, Refused
from thsafe.core.types import MediaRef

_CONSENT_RULES: Final = ("consent.", "status.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One input that shows somebody, and the best consent for it."""

    ref: MediaRef
    depiction: Depiction
    candidate: Candidate | None
    match: MediaMatch | None


def name_of(ref: MediaRef) -> str:
    """What to call an input in a sentence."""
    return ref.path.name if ref.path is not None else f"the {ref.role}"


def refusal(reasons: Sequence[Reason], findings: Sequence[Finding], *, log: str) -> Refused:
    """The error for a refused job; its code is the first reason's id, its text names all."""
    ordered = sorted(reasons, key=_rank)
    first = ordered[0]
    kind: type[Refused] = ConsentRefused if first.id.startswith(_CONSENT_RULES) else PolicyRefused
    return kind(
        first.words,
        code=first.id,
        found="\n".join(_describe(finding) for finding in findings),
        rule="\n".join(_cite(reason, alone=len(ordered) == 1) for reason in ordered),
        # Where a use is closed, mending the consent would lead nowhere.
        next_step="\n".join(dict.fromkeys(item.next_step for item in ordered if _rank(first) or not _rank(item))),
        log=log,
    )


def _describe(finding: Finding) -> str:
    media = finding.depiction.media
    if finding.ref.performer != "person":
        return f"{media}: declared {finding.ref.performer}"
    if finding.candidate is None:
        stem = finding.ref.path.stem if finding.ref.path is not None else finding.ref.role
        return f"no {stem}.consent.json beside {media}, none in {VARIABLE} or the consent store"
    compared = finding.match.in_words() if finding.match is not None else ""
    return f"{finding.candidate.origin}: {finding.candidate.record.summary()}" + (f"; {compared}" if compared else "")


def _cite(reason: Reason, *, alone: bool) -> str:
    where = f"policies/{reason.file} @id {reason.id}" if reason.file else f"@id {reason.id}"
    return where if alone else f"{where}: {reason.words}"


def _rank(reason: Reason) -> int:
    """Closed uses first, then consent, then what a better word in the call would mend."""
    if reason.id in {"use.purpose", "use.territory"}:
        return 2
    return 1 if reason.id.startswith(_CONSENT_RULES) else 0
