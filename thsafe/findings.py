"""Credentials and recoveries as evidence for a report: one status, one code, one sentence, the facts under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thsafe.core.types import Evidence, Json, Status

if TYPE_CHECKING:
    from thsafe.provenance.read import Credentials
    from thsafe.provenance.recover import Recovery
    from thsafe.store.outputs import OutputRecord


def credentials_evidence(credentials: Credentials) -> Evidence:
    """The manifest that the file carries."""
    state = credentials.state
    if state.intact:
        status = Status.CONFLICT if credentials.history_broken else Status.FOUND
    else:
        status = {"BROKEN": Status.CONFLICT, "NONE": Status.ABSENT}.get(state.value, Status.NOT_EVALUATED)
    return Evidence(
        check="credentials",
        status=status,
        code=state.value,
        summary=_sentence("; ".join(credentials.reasons)),
        detail=_facts(credentials),
    )


def recovery_evidence(recovery: Recovery, record: OutputRecord, credentials: Credentials) -> Evidence:
    """The stored manifest that a watermark led to."""
    state = recovery.state
    if state.value in {"RECOVERED-IDENTICAL", "RECOVERED-SIMILAR"} or state.intact:
        status = Status.FOUND
    else:
        status = Status.NOT_EVALUATED if state.value == "NOT-EVALUATED" else Status.CONFLICT
    facts: dict[str, Json] = {**_facts(credentials), "published": record.created_at, "log_entry": record.ledger_index}
    if recovery.match is not None:
        facts["fingerprint"] = f"{recovery.match.share:.0%} of {recovery.match.frames} frames agree"
    if recovery.sound is not None:
        facts["sound_fingerprint"] = f"{recovery.sound.share:.0%} of {recovery.sound.frames} stretches agree"
    return Evidence(
        check="recovery", status=status, code=state.value, summary=_sentence("; ".join(recovery.reasons)), detail=facts
    )


def _facts(credentials: Credentials) -> dict[str, Json]:
    from thsafe.watermark import ALGORITHM

    signer = credentials.signer
    facts: dict[str, Json] = {
        "manifest": credentials.active_label,
        "signer": signer.name if signer else None,
        "issuer": signer.issuer if signer else None,
        "signed_at": credentials.signed_at,
        "time_stamped": credentials.time_stamped,
        "made_by": credentials.claim_generator,
        "actions": [action.name for action in credentials.actions],
        "digital_source_types": list(credentials.digital_source_types),
        "watermark_id": credentials.soft_bindings.get(ALGORITHM),
        "history_broken": credentials.history_broken,
        "failures": list(credentials.codes.failure),
    }
    return {name: value for name, value in facts.items() if value not in (None, "", [])}


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") if text else ""
