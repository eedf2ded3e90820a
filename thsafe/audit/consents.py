"""Consents then and now: as the log says they stood when a job was permitted, and as they stand at the audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies.engine import PolicyFacts
from policies.logged import from_log
from thsafe.audit.model import AuditedOutput, Standing
from thsafe.core.clock import to_text
from thsafe.core.types import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentLine:
    """One consent and all that was made under it."""

    id: str
    then: tuple[str, ...]
    """Its states when jobs were permitted under it."""
    now: str
    """``active``, ``revoked``, ``suspended``, ``expired``, ``unknown``; ``not looked up`` without a port."""
    valid_until: str
    digests: tuple[str, ...]
    """Of the records that were checked: more than one means that the record was exchanged meanwhile."""
    outputs: tuple[int, ...]
    """Log indices."""


def standings_then(intent: Mapping[str, Json]) -> tuple[Standing, ...]:
    """How each consent of a logged decision stood; ``unknown`` where the entry does not hold its facts."""
    logged = [item for item in intent.get("consents", ()) if item.get("id")]
    try:
        facts: PolicyFacts | None = from_log(intent)
    except ValueError:
        facts = None
    found = [item.consent for item in facts.depictions if item.consent.present] if facts else []
    if facts is None or len(found) != len(logged):
        return tuple(
            Standing(id=str(item["id"]), state="unknown", digest=str(item.get("digest", ""))) for item in logged
        )
    standings = []
    for item, consent in zip(logged, found, strict=True):
        if consent.status.revoked:
            state = "revoked"
        elif consent.status.suspended:
            state = "suspended"
        else:
            state = "active" if consent.valid_from <= facts.now < consent.valid_until else "expired"
        standings.append(
            Standing(
                id=str(item["id"]),
                state=state,
                digest=str(item.get("digest", "")),
                valid_until=to_text(consent.valid_until)[:10],
            )
        )
    return tuple(standings)


def consent_lines(outputs: Iterable[AuditedOutput]) -> tuple[ConsentLine, ...]:
    """Each consent once, in order of its first use."""
    uses: dict[str, list[AuditedOutput]] = {}
    for output in outputs:
        for standing in output.consents_then:
            uses.setdefault(standing.id, []).append(output)
    lines = []
    for name, made in uses.items():
        then = [standing for output in made for standing in output.consents_then if standing.id == name]
        now = next((standing for standing in made[-1].consents if standing.id == name), None)
        lines.append(
            ConsentLine(
                id=name,
                then=tuple(sorted({standing.state for standing in then})),
                now="not looked up" if now is None else now.state,
                valid_until=(now or then[-1]).valid_until or then[-1].valid_until,
                digests=tuple(sorted({standing.digest for standing in then})),
                outputs=tuple(dict.fromkeys(output.record.ledger_index for output in made)),
            )
        )
    return tuple(lines)
