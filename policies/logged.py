"""Facts as the audit log keeps them, and back: enough to ask the same question again, and nothing about a person.

Only digests, ids, moments, truth values and words of closed vocabularies are kept. The day on which a child comes of
age tells a birthday, so the log holds only whether the consent ends by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from policies.facts import ConsentFacts, Declaration, Depiction, PolicyFacts, StatusFacts
from thsafe.core.clock import from_text, to_text
from thsafe.core.form import misfit
from thsafe.core.types import Json

_MOST_WORDS: Final = 400
_LONGEST: Final = 200
"""Cuts what no vocabulary holds: a cut word is as unknown to every rule as the whole one was."""

_TRUTHS: Final = (
    "present", "subject_proof", "collector_proof", "holder_proof", "media_match", "evidence", "uses_described",
    "guardian_proof", "court_reference", "deceased", "estate_proof",
)  # fmt: skip
_SETS: Final = ("licensees", "modes", "purposes", "prohibited", "languages", "channels", "territories")
_WORDS: Final = ("assurance", "age_class")
_STATUS: Final = ("available", "signed", "fresh", "revoked", "suspended")
_DECLARED: Final = ("sexual", "fraud", "election", "celebrity")

_CONSENT: Final = {
    **dict.fromkeys((*_TRUTHS, "ends_by_majority"), bool),
    **{name: [str] for name in _SETS},
    **dict.fromkeys((*_WORDS, "valid_from", "valid_until"), str),
    "uses_left": int,
    "status": dict.fromkeys(_STATUS, bool),
}
ASKED: Final[Mapping[str, object]] = {
    **dict.fromkeys(("task", "requester", "request", "purpose"), str),
    "territories": [str],
    "declared": dict.fromkeys((*_DECLARED, "explicit"), bool),
}
"""The form (``thsafe.core.form``) of a decision's own fields, which say what was asked."""

_FORM: Final = {
    **ASKED,
    "facts": {
        **dict.fromkeys(("language", "channel", "media", "now", "last_logged"), str),
        **dict.fromkeys(("media_intact", "named_model"), bool),
        "screened_out": [str],
        "depictions": [{"performer": str, "synthetic_proof": bool, "lends_voice": bool, "consent": (None, _CONSENT)}],
    },
}


def to_log(facts: PolicyFacts) -> dict[str, Json]:
    """The facts of a decision as a field of its log entry.

    The entry's own fields say the rest: task, requester, request (the job's digest), purpose, territories, declared.
    """
    return {
        "now": to_text(facts.now),
        "last_logged": to_text(facts.last_logged),
        "language": facts.language[:_LONGEST],
        "channel": facts.channel[:_LONGEST],
        "media": facts.media,
        "media_intact": facts.media_intact,
        "named_model": facts.named_model,
        "screened_out": sorted(facts.screened_out),
        "depictions": [
            {
                "performer": depiction.performer[:_LONGEST],
                "synthetic_proof": depiction.synthetic_proof,
                "lends_voice": depiction.lends_voice,
                "consent": _consent_to_log(depiction.consent) if depiction.consent != ConsentFacts() else None,
            }
            for depiction in facts.depictions
        ],
    }


def from_log(event: Mapping[str, Json]) -> PolicyFacts:
    """The facts that a logged decision was made on.

    Args:
        event: an ``intent`` or ``refusal`` entry.

    Raises:
        ValueError: the entry does not hold them all.
    """
    if place := misfit(event, _FORM):
        raise ValueError(f"the entry does not hold the facts of its decision: {place}")
    try:
        kept = event["facts"]
        return PolicyFacts(
            task=event["task"],
            requester=event["requester"],
            job=event["request"],
            purpose=event["purpose"],
            territories=tuple(event["territories"]),
            language=kept["language"],
            channel=kept["channel"],
            media=kept["media"],
            now=from_text(kept["now"]),
            last_logged=from_text(kept["last_logged"]),
            media_intact=kept["media_intact"],
            named_model=kept["named_model"],
            screened_out=frozenset(kept["screened_out"]),
            declared=Declaration(**{name: event["declared"][name] for name in _DECLARED}),
            depictions=tuple(
                Depiction(
                    media=f"input {number}",
                    performer=item["performer"],
                    synthetic_proof=item["synthetic_proof"],
                    lends_voice=item["lends_voice"],
                    consent=ConsentFacts() if item["consent"] is None else _consent_from_log(item["consent"]),
                )
                for number, item in enumerate(kept["depictions"])
            ),
        )
    except KeyError as problem:
        raise ValueError(f"the entry does not hold the facts of its decision: {problem}") from problem


def _consent_to_log(consent: ConsentFacts) -> dict[str, Json]:
    return {
        **{name: getattr(consent, name) for name in (*_TRUTHS, *_WORDS)},
        **{name: sorted(word[:_LONGEST] for word in getattr(consent, name))[:_MOST_WORDS] for name in _SETS},
        "valid_from": to_text(consent.valid_from),
        "valid_until": to_text(consent.valid_until),
        "ends_by_majority": consent.valid_until <= consent.comes_of_age,
        "uses_left": consent.uses_left,
        "status": {name: getattr(consent.status, name) for name in _STATUS},
    }


def _consent_from_log(kept: Mapping[str, Json]) -> ConsentFacts:
    until = from_text(kept["valid_until"])
    fields: dict[str, Json] = {name: kept[name] for name in (*_TRUTHS, *_WORDS)}
    fields |= {name: frozenset(kept[name]) for name in _SETS}
    return ConsentFacts(
        **fields,
        valid_from=from_text(kept["valid_from"]),
        valid_until=until,
        comes_of_age=until if kept["ends_by_majority"] else until - timedelta(days=1),
        uses_left=kept["uses_left"],
        status=StatusFacts(**{name: kept["status"][name] for name in _STATUS}),
    )
