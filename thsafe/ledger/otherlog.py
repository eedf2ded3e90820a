"""Another thsafe log as witness: it takes checkpoints of ours as entries of its own, and signs them too.

To rewrite our log unseen, both logs would have to be rewritten, and whatever witnesses the other one. The other log
takes a checkpoint only if it extends the one it took before, under the same key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import make_url

from thsafe.core.clock import system_clock
from thsafe.core.errors import InputError, LedgerBroken, StoreError
from thsafe.core.types import Json
from thsafe.ledger.entry import Entry
from thsafe.ledger.log import Ledger
from thsafe.ledger.note import Checkpoint, Verifier, cosign, parse_checkpoint
from thsafe.ledger.proof import InclusionProof
from thsafe.ledger.transfer import standing
from thsafe.ledger.witness import check_extends, read_checkpoints
from thsafe.store.engine import open_engine
from thsafe.store.failures import shown

_DATABASE = "thsafe.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """What another log says of ours."""

    checkpoint: Checkpoint
    """Ours, with the other log's signature beside our own where its key was at hand."""
    cosigned: bool
    entry: Entry
    """Where it stands in the other log."""
    proof: InclusionProof
    """That it does."""
    other: str
    """The other log's checkpoint that the proof leads to, or its root alone where it was opened without its key."""
    origin: str
    """The other log's name."""

    def as_dict(self) -> dict[str, Json]:
        """For JSON: all that somebody else needs to check it."""
        return {
            "note": self.checkpoint.note,
            "cosigned": self.cosigned,
            "log": self.origin,
            "index": self.entry.index,
            "leaf": self.entry.leaf.decode(),
            "proof": self.proof.as_dict(),
            "checkpoint": self.other,
        }


def address_of(target: str) -> str | None:
    """The database that a person means: a URL, a database file, an installation's folder; None if none of them."""
    if "://" in target:
        return target
    path = Path(target)
    if path.is_dir() and (path / _DATABASE).is_file():
        path /= _DATABASE
    return f"sqlite:///{path.absolute()}" if path.is_file() and path.suffix == ".db" else None


def witness_in(ledger: Ledger, url: str, *, key: Ed25519PrivateKey | None) -> Cosigned:
    """Have another log take this log's present checkpoint.

    Args:
        ledger: ours, opened with its key.
        url: the other log's database.
        key: the other log's key, with which it signs our checkpoint and its own.

    Raises:
        LedgerBroken: ``log.rollback`` or ``log.inconsistent``: ours is not the log that was witnessed before;
            ``log.witness-key``: it is signed under another key than then.
        InputError: ``log.witness``: there is no log, or it is ours.
        StoreError: a database refuses, or our log was opened without its key.
    """
    ours = ledger.checkpoint()
    verifier = Verifier.parse(str(ledger.verifier))
    with _opened(url, key) as other:
        if other.origin == ledger.origin:
            raise _no_log(url, "it is this very log")
        taken = tuple(other.find("witness", job=ledger.origin))
        if taken:
            _check_key(taken[-1], verifier)
            check_extends(ledger, parse_checkpoint(str(taken[-1].event["note"])), ours)
        if taken and taken[-1].event["size"] == ours.size:
            entry = taken[-1]
        else:
            entry = other.append(
                {
                    "type": "witness",
                    "job": ledger.origin,
                    "sha256": ours.digest,
                    "size": ours.size,
                    "root": ours.root,
                    "key": str(verifier),
                    "note": ours.note,
                }
            )
        sealed = other.checkpoint() if key is not None else None
        proof = other.prove(entry.index, sealed.size if sealed else None)
        note = ours.note if key is None else cosign(ours.note, other.origin, key, at=int(time.time()))
        return Cosigned(
            checkpoint=parse_checkpoint(note),
            cosigned=key is not None,
            entry=entry,
            proof=proof,
            other=sealed.note if sealed else proof.root,
            origin=other.origin,
        )


def read_witnesses(target: str, origin: str) -> tuple[Checkpoint, ...]:
    """The checkpoints of the log ``origin`` that a witness holds: a file, a folder of them, or another log.

    A folder may hold those of other logs, too. Where none is of this log all are returned, and none will fit: whoever
    renames a log must not get rid of its witnesses.

    Raises:
        InputError: nothing can be read there, a file is no checkpoint, or there is none at all.
        LedgerBroken: the other log does not contain what it seems to.
        StoreError: the other log cannot be opened.
    """
    url = address_of(target)
    if url is None:
        held = read_checkpoints(Path(target))
        ours = tuple(item for item in held if item.origin == origin)
        return ours or _some(held, target)
    with _opened(url, None) as other:
        if other.origin == origin:
            raise _no_log(url, "it is this very log")
        found = []
        for entry in other.find("witness", job=origin):
            if not other.prove(entry.index).holds():
                raise _broken(entry)
            found.append(parse_checkpoint(str(entry.event["note"])))
        return _some(tuple(found), shown(make_url(url)))


def _some(held: tuple[Checkpoint, ...], target: str) -> tuple[Checkpoint, ...]:
    """A witness that holds nothing would pass for one that agrees."""
    if not held:
        raise InputError(
            f"This witness holds no checkpoint of the log: {target}",
            code="log.witness",
            found="nothing to compare with",
            next_step=f"check the name; a witness begins with: thsafe log witness {target}",
        )
    return held


@contextmanager
def _opened(url: str, key: Ed25519PrivateKey | None) -> Iterator[Ledger]:
    if standing(url).version == 0:
        raise _no_log(url, "the database is empty")
    with Ledger(open_engine(url), key=key, clock=system_clock) as other:
        yield other


def _check_key(taken: Entry, verifier: Verifier) -> None:
    if taken.event["key"] != str(verifier):
        raise LedgerBroken(
            "The log is signed under another key than when it was witnessed before.",
            code="log.witness-key",
            found=f"{verifier}; then {taken.event['key']}",
            next_step="tell whoever keeps the witness that the key was changed, and why; choose a new witness",
        )


def _no_log(url: str, found: str) -> InputError | StoreError:
    return InputError(
        f"There is no other log to be the witness: {shown(make_url(url))}",
        code="log.witness",
        found=found,
        next_step="name another installation's folder, its thsafe.db, or its database URL",
    )


def _broken(entry: Entry) -> LedgerBroken:
    return LedgerBroken(
        "The witness's log does not contain what it says.",
        code="log.witness-broken",
        found=f"its entry {entry.index} is not under its root",
        next_step="verify that log itself: THSAFE_HOME=ITS-FOLDER thsafe log verify",
    )
