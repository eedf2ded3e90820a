"""The consent desk: everything people do with consents at one installation, between files, keys, store and log.

Each party works at a desk of their own: the licensee asks, the person gives, the collector countersigns. What passes
between desks is a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.consent import proof
from thsafe.consent.collect import (
    ConsentRequest,
    countersign,
    missing_signers,
    phrase_of,
    record_consent,
    request_consent,
)
from thsafe.consent.files import malformed, read_object, sha256_of
from thsafe.consent.grant import commit_all, has_subject_key, new_subject_key, subject_key, taken_places
from thsafe.consent.present import present
from thsafe.consent.record import ConsentRecord, Reference, Terms
from thsafe.consent.revoke import withdraw, withdrawn
from thsafe.consent.store import PICTURES, ConsentStore
from thsafe.consent.verify import status_facts
from thsafe.consent.vocabulary import check_minor, check_scope
from thsafe.core.clock import Clock, system_clock
from thsafe.core.errors import ConsentRefused, SigningError, UsageError
from thsafe.core.types import Json
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys.did import public_key_from_did

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


_LISTS: Final = "ThsafeStatusLists"
_MOST_LISTS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One installation's side of consent."""

    home: Home
    clock: Clock = system_clock

    @property
    def store(self) -> ConsentStore:
        """Where consents lie."""
        return ConsentStore(self.home)

    def ask(self, terms: Terms, *, collector: str | None = None, assurance: str = "collector") -> dict[str, Json]:
        """The licensee's request, signed with this installation's key.

        Args:
            terms: what is asked; the licensee is this installation, whatever they say.
            collector: DID of who will countersign; this installation if None.
            assurance: ``collector``, ``wallet`` or ``notary``.

        Raises:
            UsageError: ``consent.scope``: a word that no policy knows; ``consent.minor``.
            SigningError: ``keys.missing``.
        """
        scope = terms.scope
        check_scope(
            modes=scope.modes, purposes=scope.purposes, territories=scope.territories, prohibited=scope.prohibited
        )
        check_minor(terms)
        ring = Installation.open(self.home).ring
        return request_consent(
            replace(terms, licensee=ring.gate_did),
            ring.gate_key(),
            collector=collector or ring.gate_did,
            now=self.clock(),
            assurance=assurance,
            taken=tuple(taken_places(self.store)),
        )

    def give(
        self,
        request: ConsentRequest,
        *,
        portrait: Path | None = None,
        media: Sequence[Path] = (),
        name: str | None = None,
        recording: Path | None = None,
        check_words: bool = False,
        wallet: Path | None = None,
    ) -> ConsentRecord:
        """The person's side: a new key, the terms as they stand, the pictures that are theirs.

        The record is kept here, so that it can be withdrawn here. A guardian or an estate whose key is at this desk
        signs too; otherwise ``sign_beside`` is for their own.

        Raises:
            UsageError: ``consent.picture``: neither the request nor the person names a picture.
            ConsentRefused: ``consent.phrase``: the words were not heard in the recording.
        """
        references = [
            *([Reference(role="portrait", sha256=sha256_of(portrait))] if portrait is not None else []),
            *(Reference(role="media", sha256=sha256_of(path)) for path in media),
        ]
        if not references and not request.terms.references:
            raise UsageError(
                "No picture is named: neither in the request nor by you.",
                code="consent.picture",
                next_step="add --portrait FILE, the very file that may be used",
            )
        heard = _heard(recording, request.phrase) if check_words else None
        commitments, vault = commit_all({"name": name} if name else {})
        keys = [new_subject_key(self.home)]
        keys += [
            subject_key(self.home, did)
            for did in (request.terms.guardian, request.terms.estate)
            if did is not None and has_subject_key(self.home, did)
        ]
        record = ConsentRecord.parse(
            record_consent(
                request,
                keys,
                now=self.clock(),
                references=references,
                commitments=commitments,
                recording=wallet or recording,
                heard=heard,
                wallet=wallet is not None,
            )
        )
        self.store.add(record, vault)
        return record

    def sign_beside(self, document: Mapping[str, Json]) -> ConsentRecord:
        """Sign a record that the person has signed, as the guardian or estate that its terms name.

        Raises:
            ConsentRefused: ``consent.not-asked``: no key at this desk is asked for a signature.
        """
        record = ConsentRecord.parse(document)
        mine = [did for did in sorted(missing_signers(record)) if has_subject_key(self.home, did)]
        if not mine:
            raise ConsentRefused(
                "This record asks for no signature that can be given here.",
                code="consent.not-asked",
                found="still to sign: " + (", ".join(sorted(missing_signers(record))) or "nobody"),
                rule="a guardian or estate signs with the key that the request names",
                next_step="sign where that key was made: thsafe consent key",
            )
        signed = dict(document)
        for did in mine:
            signed = proof.sign(signed, subject_key(self.home, did), created=self.clock())
        record = ConsentRecord.parse(signed)
        self.store.add(record)
        return record

    def countersign(
        self,
        document: Mapping[str, Json],
        *,
        recording: Path | None = None,
        check_words: bool = False,
        portraits: Sequence[Path] = (),
        wallet: Path | None = None,
        issuer_key: Path | None = None,
    ) -> ConsentRecord:
        """The collector's side: check, vouch, keep and log.

        Args:
            document: the record as the person signed it.
            recording: the recording as it came.
            check_words: have the offline recogniser listen too.
            wallet: a wallet's presentation instead of the recording.
            issuer_key: the public key of the credential's issuer, as a JWK.
            portraits: the approved pictures as they came; where they lie is kept in the vault, for comparing faces.

        Raises:
            ConsentRefused: see ``thsafe.consent.collect.countersign``; ``consent.phrase``; ``consent.picture`` for a
                portrait that the record does not name.
        """
        installation = Installation.open(self.home)
        given = ConsentRecord.parse(document)
        places = {sha256_of(path): str(path.absolute()) for path in portraits}
        unknown = [place for sha256, place in places.items() if not given.covers_media(sha256)]
        if unknown:
            raise ConsentRefused(
                "This picture is not among those that the record names.",
                code="consent.picture",
                found=", ".join(unknown),
                rule="the person signs the digest of the very file",
                next_step="ask the person for the file as they signed it",
            )
        record = countersign(
            document,
            installation.ring.gate_key(),
            now=self.clock(),
            recording=wallet or recording,
            taken=tuple(taken_places(self.store, besides=given.id)),
            issuer_key=None if issuer_key is None else read_object(issuer_key, "issuer's key"),
            heard=_heard(recording, phrase_of(given)) if check_words else None,
        )
        self.store.add(record, {PICTURES: places} if places else None)
        self.log_created(record)
        return record

    def log_created(self, record: ConsentRecord) -> None:
        """Write to the audit log that a consent exists: its digests, nothing else."""
        Installation.open(self.home).ledger.append(
            {
                "type": "consent.created",
                "consent": record.id,
                "consent_digest": record.digest,
                "assurance": record.assurance,
            }
        )

    def present(self, record: ConsentRecord, *, job: str, gate: str) -> dict[str, Json]:
        """A presentation for one job of a gate elsewhere, signed with this installation's key.

        Raises:
            UsageError: ``consent.present``: the job or the gate is not named in the right form.
        """
        try:
            public_key_from_did(gate)
            digest = bytes.fromhex(job)
        except ValueError as problem:
            raise _unpresentable(str(problem)) from problem
        if len(digest) != 32:
            raise _unpresentable(f"{len(digest)} bytes of digest")
        ring = Installation.open(self.home).ring
        return present(record, ring.gate_key(), job=job.lower(), gate=gate, created=self.clock())

    def state(self, record: ConsentRecord) -> str:
        """One word: active, revoked, suspended, expired, not-yet, or unknown where the lists are absent or stale."""
        installation = Installation.open_or_none(self.home)
        if installation is not None and installation.ring.gate_did == record.collector:
            installation.gate().renew_statuses()
        # Only now: a list signed a moment after this time would count as not yet valid.
        now = self.clock()
        purposes = {
            item.purpose for item in withdrawn(self.store, record.collector) if item.record.digest == record.digest
        }
        facts = status_facts(record, self.store.statuses, now)
        logged = installation is not None and installation.ledger.uses(f"revoked:{record.id}") > 0
        if facts.revoked or logged or "revocation" in purposes:
            return "revoked"
        if now >= record.terms.valid_until:
            return "expired"
        if facts.suspended or "suspension" in purposes:
            return "suspended"
        if now < record.terms.valid_from:
            return "not-yet"
        return "active" if facts.available and facts.signed and facts.fresh else "unknown"

    def uses(self, record: ConsentRecord) -> int:
        """How often it was used here."""
        installation = Installation.open_or_none(self.home)
        return 0 if installation is None else installation.ledger.uses(record.id)

    def matches(self, record: ConsentRecord) -> dict[str, int]:
        """By which means inputs were found to be covered, and how often."""
        installation = Installation.open_or_none(self.home)
        found: Counter[str] = Counter()
        for entry in installation.ledger.find("intent", consent=record.id) if installation is not None else ():
            found.update(item["match"] for item in entry.event["consents"] if item["id"] == record.id)
        return dict(found)

    def withdraw(self, record: ConsentRecord, *, purpose: str, lift: bool = False) -> dict[str, Json]:
        """Revoke or suspend, in effect from the next question to the gate on; returns the signed statement.

        The key is the person's where it is here, else this installation's as the collector's.

        Raises:
            SigningError: ``keys.subject``: no key that may withdraw it is here.
        """
        key = self._withdrawing_key(record)
        installation = Installation.open_or_none(self.home)
        if installation is None:
            return withdraw(self.store, record, key, now=self.clock(), purpose=purpose, lift=lift)
        return installation.gate().withdraw(record, key, purpose=purpose, lift=lift)

    def accept(self, record: ConsentRecord, statement: Mapping[str, Json]) -> None:
        """Take in a withdrawal that someone who may has signed elsewhere.

        Raises:
            InputError: ``consent.malformed``.
            ConsentRefused: ``consent.not-yours`` or ``consent.older``.
        """
        Installation.open(self.home).gate().accept_withdrawal(record, statement)

    def outputs_under(self, record: ConsentRecord) -> tuple[tuple[str, str], ...]:
        """What was made under a consent: the day, and the path or, where that is not known, the digest."""
        installation = Installation.open_or_none(self.home)
        if installation is None:
            return ()
        ledger = installation.ledger
        jobs = {entry.event["job"] for entry in ledger.find("intent", consent=record.id)}
        made = [entry for entry in ledger.find("output") if entry.event["job"] in jobs]
        found = [(entry, ledger.outputs.by_sha256(str(entry.event["sha256"]))) for entry in made]
        return tuple((entry.at[:10], str(row.path if row else entry.event["sha256"])) for entry, row in found)

    def status_lists(self, record: ConsentRecord) -> dict[str, Json]:
        """The current lists for a record, for a licensee elsewhere; this installation's own are renewed first.

        Raises:
            UsageError: ``status.absent``: they are kept elsewhere and were not imported here.
        """
        installation = Installation.open_or_none(self.home)
        if installation is not None:
            installation.gate().renew_statuses()
        lists = [self.store.statuses.document(entry.list_id) for entry in record.status]
        if any(item is None for item in lists):
            raise UsageError(
                "The status lists of this consent are not here.",
                code="status.absent",
                found=f"kept by {record.collector}",
                next_step="ask the collector: thsafe consent export CONSENT --format status",
            )
        return {"type": _LISTS, "lists": lists}

    def import_status(self, document: Mapping[str, Json]) -> int:
        """Keep status lists that a collector sent, one or many; returns how many.

        Raises:
            InputError: ``consent.malformed``, ``status.signature`` or ``status.older``.
        """
        lists = document.get("lists") if document.get("type") == _LISTS else [document]
        if not isinstance(lists, list) or not lists or not all(isinstance(one, Mapping) for one in lists[:_MOST_LISTS]):
            raise malformed("file of status lists", "it holds no list")
        for one in lists[:_MOST_LISTS]:
            self.store.statuses.put(one)
        return len(lists[:_MOST_LISTS])

    def _withdrawing_key(self, record: ConsentRecord) -> Ed25519PrivateKey:
        for did in (record.issuer, record.subject, record.terms.guardian, record.terms.estate):
            if did is not None and has_subject_key(self.home, did):
                return subject_key(self.home, did)
        installation = Installation.open_or_none(self.home)
        if installation is not None and installation.ring.gate_did == record.collector:
            return installation.ring.gate_key()
        raise SigningError(
            "No key that may withdraw this consent is on this machine.",
            code="keys.subject",
            found=f"the person is {record.subject}",
            rule="a consent is withdrawn by the person, guardian, estate or collector",
            next_step="withdraw it where it was given, or take in their statement: "
            "thsafe consent revoke CONSENT --statement FILE",
        )


def _unpresentable(found: str) -> UsageError:
    return UsageError(
        "A presentation is for one job and one gate.",
        code="consent.present",
        found=found[:200],
        rule="the job is a SHA-256 digest, the gate a did:key",
        next_step="ask the gate's keeper for both: thsafe consent present --help",
    )


def _heard(recording: Path | None, phrase: str) -> tuple[str, ...] | None:
    if recording is None:
        raise UsageError(
            "There is no recording in which words could be checked.",
            code="consent.recording",
            next_step="add --recording FILE",
        )
    from thsafe.consent.transcript import heard_words

    return heard_words(recording, phrase)
