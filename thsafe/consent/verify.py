"""From evidence to facts: what holds of a consent, for policy to judge. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from policies.facts import ConsentFacts, StatusFacts
from thsafe.consent import proof
from thsafe.consent.collect import phrase_fits
from thsafe.consent.present import holder_of
from thsafe.consent.record import ConsentRecord
from thsafe.consent.status import StatusFolder
from thsafe.core.types import Json


def consent_facts(
    record: ConsentRecord,
    *,
    presentation: Mapping[str, Json],
    job: str,
    gate: str,
    requester: str,
    collectors: Collection[str],
    media_match: bool,
    uses: int,
    revoked: bool,
    statuses: StatusFolder,
    now: datetime,
) -> ConsentFacts:
    """Check one record and its presentation.

    Args:
        record: the consent, as parsed out of the presentation.
        presentation: the licensee's presentation of it.
        job: the request's digest.
        gate: this gate's DID.
        requester: DID that asks; only its own presentation counts.
        collectors: DIDs of collectors whose countersignature counts; the gate's own counts for itself.
        media_match: whether the input is one the record names, or shows the same face.
        uses: how often the record has been used.
        revoked: whether the log knows of a revocation, whatever the lists say.
        statuses: the status lists on this machine.
        now: the time of the job.
    """
    terms = record.terms
    signers = {item.signer for item in proof.verified(record.document) if item.purpose == proof.ASSERTION}
    # Self-assurance is this installation vouching for its own user; it means nothing from elsewhere.
    trusted = record.collector == gate if record.assurance == "self" else record.collector in {gate, *collectors}
    independent = record.assurance == "self" or record.collector not in {record.issuer, record.subject}
    holder = holder_of(presentation, job=job, gate=gate)
    licensees = {terms.licensee, *(item.did for item in terms.delegates if now < item.until)}
    limit = terms.scope.max_uses
    return ConsentFacts(
        present=True,
        subject_proof=record.issuer in signers,
        collector_proof=trusted and independent and record.collector in signers,
        holder_proof=holder != "" and holder == requester and holder in licensees,
        media_match=media_match,
        evidence=phrase_fits(record),
        licensees=frozenset(licensees),
        valid_from=terms.valid_from,
        valid_until=terms.valid_until,
        modes=frozenset(terms.scope.modes),
        purposes=frozenset(terms.scope.purposes),
        prohibited=frozenset(terms.scope.prohibited),
        languages=frozenset(terms.scope.languages),
        channels=frozenset(terms.scope.channels),
        territories=frozenset(terms.scope.territories),
        # Without a limit one more use is always left; the log enforces the limit in the transaction that counts.
        uses_left=1 if limit is None else max(0, limit - uses),
        uses_described=len(terms.scope.uses_text.split()) >= 3,
        assurance=record.assurance,
        age_class=terms.age_class,
        comes_of_age=terms.comes_of_age or terms.valid_from,
        guardian_proof=terms.guardian is not None and terms.guardian in signers and terms.guardian != record.subject,
        court_reference=bool(terms.court_reference),
        deceased=terms.deceased,
        estate_proof=terms.estate is not None and terms.estate in signers and terms.estate != record.subject,
        status=status_facts(record, statuses, now, revoked=revoked),
    )


def status_facts(record: ConsentRecord, statuses: StatusFolder, now: datetime, *, revoked: bool = False) -> StatusFacts:
    """What the collector's lists say of a record; every part of the answer must come from a list of the collector."""
    lists = {entry.purpose: statuses.read(entry.list_id) for entry in record.status}
    found = {purpose: item for purpose, item in lists.items() if item is not None}
    if len(found) < len(lists):
        return StatusFacts(revoked=revoked)
    marked = {entry.purpose for entry in record.status if found[entry.purpose].is_set(entry.index)}
    return StatusFacts(
        available=True,
        signed=all(
            item.keeper == record.collector and item.purpose == purpose and item.signed
            for purpose, item in found.items()
        ),
        fresh=all(item.fresh(now) for item in found.values()),
        revoked=revoked or "revocation" in marked,
        suspended="suspension" in marked,
    )
