"""Giving consent in one step: a person at this machine for their own picture."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from thsafe.consent import proof
from thsafe.consent.files import sha256_of, write_private
from thsafe.consent.record import ConsentRecord, Reference, Scope, Terms, build, commit
from thsafe.consent.status import new_entries
from thsafe.consent.store import PICTURES, ConsentStore
from thsafe.consent.vocabulary import check_scope
from thsafe.core.clock import Clock, system_clock
from thsafe.core.errors import SigningError, UsageError
from thsafe.core.types import Json, Task
from thsafe.home import Home
from thsafe.keys.did import did_from_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SELF_PURPOSES: Final = ("demonstration", "personal", "education", "training-video", "testing")
SELF_MODES: Final = (Task.SAY, Task.ANIMATE, Task.LIPSYNC, Task.DRIVE, Task.PUPPET, Task.LABEL)
SELF_DAYS: Final = 366
"""Longest term of self-assurance; ``policies/10-consent.cedar`` @id ``consent.assurance`` holds the same number."""


class GateKeys(Protocol):
    """The part of the key ring that consent needs."""

    def gate_key(self) -> Ed25519PrivateKey:
        """The installation's key: it countersigns, presents and keeps the status lists."""

    @property
    def gate_did(self) -> str:
        """Its did:key."""


def create_self_consent(
    home: Home,
    *,
    portrait: Path,
    name: str | None = None,
    purposes: Sequence[str] = SELF_PURPOSES,
    modes: Sequence[str] = SELF_MODES,
    languages: Sequence[str] = ("*",),
    territories: Sequence[str] = ("WORLD",),
    channels: Sequence[str] = ("any",),
    days: int = 365,
    uses: str = "",
    max_uses: int | None = None,
    media: Sequence[Path] = (),
    keys: GateKeys | None = None,
    clock: Clock = system_clock,
) -> ConsentRecord:
    """Consent of the person at this machine to their own picture, with assurance ``self``.

    The person's key is made and kept in ``subjects/`` of the home folder; the installation's key countersigns. This
    proves who pressed the button, not whose face it is: policy opens little for it.

    Args:
        home: the installation.
        portrait: the person's own picture.
        name: kept in the vault behind a salted commitment; never in the record.
        purposes: what for; see ``policies/20-use.cedar``.
        modes: words of ``Task``.
        languages: language ranges; ``*`` is all.
        territories: ISO 3166 codes, ``EU`` or ``WORLD``.
        channels: where it may be published; ``any`` is all.
        days: term, at most 366.
        uses: the intended uses in words; made from purposes and modes if empty.
        max_uses: how many outputs, or None.
        media: more files of the same person that may be used, such as a film to be dubbed.
        keys: the installation's keys; opened, or made where there are none yet.
        clock: the time.

    Raises:
        UsageError: ``consent.term`` for a term outside 1..366 days; ``consent.scope`` for an unknown word.
        InputError: the portrait cannot be read.
    """
    if not 1 <= days <= SELF_DAYS:
        raise UsageError(
            "Self-assured consent runs for 1 to 366 days.",
            code="consent.term",
            found=f"{days} days",
            rule="policies/10-consent.cedar @id consent.assurance",
            next_step="choose --days between 1 and 366",
        )
    check_scope(modes=modes, purposes=purposes, territories=territories)
    ring = keys or _ring(home)
    now = clock().replace(microsecond=0)
    references = (
        Reference(role="portrait", sha256=sha256_of(portrait)),
        *(Reference(role="media", sha256=sha256_of(path)) for path in media),
    )
    commitments, vault = commit_all({"name": name} if name else {})
    terms = Terms(
        licensee=ring.gate_did,
        scope=Scope(
            modes=tuple(str(mode) for mode in modes),
            purposes=tuple(purposes),
            uses_text=uses or f"Videos of my own face ({', '.join(modes)}) for: {', '.join(purposes)}.",
            languages=tuple(languages),
            territories=tuple(territories),
            channels=tuple(channels),
            max_uses=max_uses,
        ),
        references=references,
        valid_from=now,
        valid_until=now + timedelta(days=days),
        commitments=commitments,
    )
    key = new_subject_key(home)
    store = ConsentStore(home)
    document = build(
        terms,
        subject=did_from_public_key(key.public_key()),
        collector=ring.gate_did,
        assurance="self",
        status=new_entries(ring.gate_did, taken_places(store)),
    )
    document = proof.sign(document, key, created=now)
    document = proof.sign(document, ring.gate_key(), created=now)
    record = ConsentRecord.parse(document)
    store.add(record, {**vault, PICTURES: {references[0].sha256: str(portrait.absolute())}})
    return record


def new_subject_key(home: Home) -> Ed25519PrivateKey:
    """A new key for a person, kept in ``subjects/`` under the digest of its did:key, mode 0600."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(subject_key_path(home, did_from_public_key(key.public_key())), pem)
    return key


def subject_key_path(home: Home, did: str) -> Path:
    """Where a person's key lies."""
    return home.path / "subjects" / f"{hashlib.sha256(did.encode()).hexdigest()[:32]}.pem"


def has_subject_key(home: Home, did: str) -> bool:
    """Whether the key of that person is on this machine."""
    return subject_key_path(home, did).is_file()


def subject_key(home: Home, did: str) -> Ed25519PrivateKey:
    """The key of a person who consented on this machine.

    Raises:
        SigningError: ``keys.subject`` where it is not here.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = subject_key_path(home, did)
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as problem:
        raise SigningError(
            "The key of the person who gave this consent is not on this machine.",
            code="keys.subject",
            found=str(problem),
            next_step="sign on the machine where the consent was given",
        ) from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningError("The person's key is not an Ed25519 key.", code="keys.subject", found=path.name)
    return key


def commit_all(values: dict[str, str]) -> tuple[dict[str, str], dict[str, Json]]:
    """Salted commitments for a record, and the values with their salts for the vault."""
    commitments: dict[str, str] = {}
    vault: dict[str, Json] = {}
    for name, value in values.items():
        commitments[name], salt = commit(value)
        vault[name] = {"value": value, "salt": salt}
    return commitments, vault


def taken_places(store: ConsentStore, *, besides: str = "") -> set[int]:
    """Places in status lists that records here have, but for one record's own."""
    return {entry.index for record in store.list() if record.id != besides for entry in record.status}


def _ring(home: Home) -> GateKeys:
    from thsafe.keys.ring import KeyRing

    return KeyRing.open(home) if home.keys.exists() else KeyRing.create(home)
