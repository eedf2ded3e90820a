"""Taking consent back: a signed statement that sets a bit in the collector's status list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.consent import proof
from thsafe.consent.files import malformed, read_object, write_json
from thsafe.consent.record import ConsentRecord
from thsafe.consent.status import PURPOSES
from thsafe.consent.store import ConsentStore
from thsafe.core.clock import from_text, to_text
from thsafe.core.errors import ConsentRefused, InputError, ThsafeError
from thsafe.core.types import Json
from thsafe.keys.did import did_from_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_TYPE: Final = "ThsafeWithdrawal"


def withdraw(
    store: ConsentStore,
    record: ConsentRecord,
    key: Ed25519PrivateKey,
    *,
    now: datetime,
    purpose: str = "revocation",
    lift: bool = False,
) -> dict[str, Json]:
    """Revoke or suspend a consent, or lift a suspension; as easy as giving it (GDPR Art. 7(3)).

    The statement is kept beside the record; the list's keeper sets the bit when it next signs its list, which this
    installation does at the next question to its gate. Send the statement to the collector if that is someone else.

    Args:
        store: where consents lie.
        record: the consent.
        key: of the person, guardian, estate or collector.
        now: the time.
        purpose: ``revocation`` (for good) or ``suspension``.
        lift: end a suspension.

    Raises:
        ConsentRefused: ``consent.not-yours``: the key is none of those that may; ``consent.final``: a revocation
            cannot be lifted.
    """
    if lift and purpose == "revocation":
        raise ConsentRefused(
            "A revoked consent stays revoked.",
            code="consent.final",
            found=record.id,
            next_step="ask the person for a new consent: thsafe consent request",
        )
    document: dict[str, Json] = {
        "type": _TYPE,
        "consent": record.id,
        "purpose": purpose,
        "lift": lift,
        "at": to_text(now),
    }
    signed = proof.sign(document, key, created=now)
    accept(store, record, signed)
    return signed


def accept(store: ConsentStore, record: ConsentRecord, statement: Mapping[str, Json]) -> None:
    """Keep a withdrawal that was made here or sent by someone who may.

    Raises:
        InputError: ``consent.malformed``.
        ConsentRefused: ``consent.not-yours``, or ``consent.older`` when a newer statement is here.
    """
    if not _fits(statement, record):
        raise malformed("withdrawal", f"not a withdrawal of {record.id}")
    if not _signed_by_right(statement, record):
        raise ConsentRefused(
            "This key may not withdraw the consent.",
            code="consent.not-yours",
            found=", ".join(item.signer for item in proof.verified(statement)) or "no valid signature",
            rule="a consent is withdrawn by the person, guardian, estate or collector",
            next_step="sign with the key that the consent was signed with",
        )
    name = f"{record.id.removeprefix('urn:uuid:')}.{statement['purpose']}.json"
    before = _statement(store.withdrawals / name)
    # An old "lift" that somebody kept must not end a later suspension.
    if before and _fits(before, record) and from_text(statement["at"]) < from_text(before["at"]):
        raise ConsentRefused(
            "A newer statement about this consent is already here.",
            code="consent.older",
            found=f"{statement['at']}, have {before['at']}",
            next_step="sign a new statement: thsafe consent suspend",
        )
    # The keeper needs the record to know which bit is meant, wherever the record came from.
    store.add(record)
    write_json(store.withdrawals / name, dict(statement))


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """One consent that a statement on this machine withdraws or suspends."""

    record: ConsentRecord
    purpose: str
    index: int


def withdrawn(store: ConsentStore, keeper: str) -> tuple[Withdrawn, ...]:
    """What the statements on this machine say of the consents whose list this keeper keeps."""
    found = []
    for path in sorted(store.withdrawals.glob("*.json")):
        name, _, purpose = path.stem.partition(".")
        try:
            record = store.get(f"urn:uuid:{name}")
        except ThsafeError:
            continue
        if record.collector == keeper and _stands(_statement(path), record):
            found += [
                Withdrawn(record=record, purpose=purpose, index=entry.index)
                for entry in record.status
                if entry.purpose == purpose
            ]
    return tuple(found)


def marked_bits(store: ConsentStore, keeper: str) -> dict[str, set[int]]:
    """For each purpose, the bits that the keeper must set in its lists."""
    marked: dict[str, set[int]] = {purpose: set() for purpose in PURPOSES}
    for item in withdrawn(store, keeper):
        marked[item.purpose].add(item.index)
    return marked


def _statement(path: Path) -> Mapping[str, Json]:
    try:
        return read_object(path, "withdrawal")
    except InputError:
        return {}


def _stands(statement: Mapping[str, Json], record: ConsentRecord) -> bool:
    # A damaged statement still marks: who breaks the file must not get the consent back.
    if not statement or not _fits(statement, record) or not _signed_by_right(statement, record):
        return True
    return not statement["lift"]


def _fits(statement: Mapping[str, Json], record: ConsentRecord) -> bool:
    return (
        statement.get("type") == _TYPE
        and statement.get("consent") == record.id
        and statement.get("purpose") in PURPOSES
        and isinstance(statement.get("lift"), bool)
        and _is_moment(statement.get("at"))
        and not (statement["lift"] and statement["purpose"] == "revocation")
    )


def _is_moment(value: Json) -> bool:
    try:
        from_text(value)
    except (ValueError, TypeError):
        return False
    return True


def _signed_by_right(statement: Mapping[str, Json], record: ConsentRecord) -> bool:
    entitled = {record.issuer, record.subject, record.collector, record.terms.guardian, record.terms.estate}
    return any(item.signer in entitled and item.purpose == proof.ASSERTION for item in proof.verified(statement))


def may_withdraw(record: ConsentRecord, key: Ed25519PrivateKey) -> bool:
    """Whether a key is one of those that may withdraw a consent."""
    did = did_from_public_key(key.public_key())
    return did in {record.issuer, record.subject, record.collector, record.terms.guardian, record.terms.estate}
