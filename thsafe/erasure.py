"""Erasing a person: what can go goes for good, proofs stay valid, and what must stay is named with the reason.

The log and the signed consents hold digests, ids and salted commitments only (EDPB Guidelines 02/2025: keep personal
data off the chain, plan deletion from the start). Erasing therefore means deleting what makes them speak: names and
salts in the vault, personal fields with their key, pictures kept for reports, stored manifests with the thumbnails of
inputs in them, and the words of batch jobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from thsafe.consent.record import ConsentRecord
    from thsafe.installation import Installation


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Something that stays, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What erasing a person came to."""

    subject: str
    """DID, as the consents name the person."""
    consents: tuple[str, ...]
    vault_files: int
    """Names, birth dates and the salts behind the commitments in the consents."""
    personal_fields: int
    """Log entries whose personal fields are unreadable from now on."""
    thumbnails: int
    """Pictures of outputs, kept for reports."""
    manifests: int
    """Stored credentials of outputs, with the small pictures of inputs in them, and fingerprints."""
    batch_jobs: int
    """Jobs of batches whose words (texts, paths, options) are gone."""
    key_deleted: bool
    """Whether the person's own signing key, kept on this machine, is gone."""
    entry: int
    """Where the log says that it was done."""
    still_active: tuple[str, ...]
    """Consents that still allow new videos: erasing does not withdraw them."""
    kept: tuple[Kept, ...]


def consents_of(installation: Installation, name: str) -> tuple[ConsentRecord, ...]:
    """The consents of a person, named by a DID or by the id of one of the consents.

    Raises:
        UsageError: ``erase.unknown``: nothing here is of that name.
    """
    from thsafe.consent.store import ConsentStore

    records = ConsentStore(installation.home).list()
    subject = next((record.subject for record in records if name in {record.id, record.id[9:]}), name)
    found = tuple(record for record in records if record.subject == subject)
    if not found:
        raise UsageError(
            "No consent of that person or with that id is kept here.",
            code="erase.unknown",
            found=name[:80],
            next_step="thsafe consent list",
        )
    return found


def erase_person(installation: Installation, records: Sequence[ConsentRecord], *, with_key: bool = False) -> Erasure:
    """Erase everything personal behind some consents of one person; may be repeated after an interruption.

    Args:
        installation: whose vault, log and store.
        records: all of one subject, from ``consents_of``.
        with_key: delete the person's own signing key too, where it lies on this machine. Without it the person can
            withdraw or agree to nothing here any more; so it is only done when asked for.

    Raises:
        StoreError: the disk or the database refuses; what was erased until then stays erased.
    """
    from thsafe.batch.forgetting import forget_jobs
    from thsafe.consent.grant import subject_key_path
    from thsafe.consent.store import ConsentStore
    from thsafe.core.clock import system_clock
    from thsafe.unfinished import forget_unfinished

    store = ConsentStore(installation.home)
    subject, ids = records[0].subject, tuple(record.id for record in records)
    vault_files = sum(store.forget(name) for name in ids)
    key = subject_key_path(installation.home, subject)
    key_deleted = with_key and key.is_file()
    if key_deleted:
        key.unlink()
    forget_unfinished(installation.home)
    batch_jobs = forget_jobs(installation, records)
    # The log comes last: its entry says that all of it is gone.
    entry = installation.ledger.erase(
        subject,
        consents=ids,
        counts={"vault": vault_files, "subject_keys": int(key_deleted), "batch_jobs": batch_jobs},
    )
    still_active = _active(installation, ids, system_clock())
    return Erasure(
        subject=subject,
        consents=ids,
        vault_files=vault_files,
        personal_fields=len(entry.event["entries"]),
        thumbnails=int(entry.event["thumbnails"]),
        manifests=len(entry.event["manifests"]),
        batch_jobs=batch_jobs,
        key_deleted=key_deleted,
        entry=entry.index,
        still_active=still_active,
        kept=_kept(installation, ids, key_left=key.is_file()),
    )


def _active(installation: Installation, ids: Sequence[str], now: datetime) -> tuple[str, ...]:
    from thsafe.measurement import Standings

    standing = Standings(installation)
    return tuple(name for name in ids if standing(name, now).state == "active")


def _kept(installation: Installation, ids: Sequence[str], *, key_left: bool) -> tuple[Kept, ...]:
    uses = sum(installation.ledger.uses(name) for name in ids)
    kept = [
        Kept(
            what=f"signed consent records ({len(ids)}): terms and digests, without the names behind them",
            why="proof that a licence existed (GDPR Art. 17(3)(e), legal claims); the commitments are salted and the "
            "salts are gone",
        ),
        Kept(
            what="log entries",
            why="digests and ids only; without them no proof of any other entry would hold",
        ),
        Kept(
            what="withdrawals and places in status lists",
            why="a withdrawn consent must stay withdrawn",
        ),
    ]
    if uses:
        kept.append(
            Kept(
                what=f"the videos of permitted jobs ({uses}), with the manifests and watermarks in them",
                why="thsafe does not know where they were shown: take them down there, then delete the files; a copy "
                "is still recognised as published here, but its credentials are not given out any more",
            )
        )
    if key_left:
        kept.append(
            Kept(
                what="the person's own signing key on this machine",
                why="only with it can the person withdraw; delete it with --with-key once nothing is left to withdraw",
            )
        )
    return tuple(kept)
