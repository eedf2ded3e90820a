"""Witnesses: copies of checkpoints that the operator of the log cannot rewrite, such as an auditor's own folder.

A log that is rewritten and signed anew by someone who holds its key verifies in every way but one: it contradicts a
checkpoint given away before. The window for such a rewrite is the time since the last copy. Anything that mirrors a
folder (a mounted bucket with object lock, a repository of the auditor's, a mail drop) can be a witness; so is every
published file whose manifest carries a checkpoint's digest.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.x509 import Certificate

from thsafe.core.errors import InputError, LedgerBroken, StoreError
from thsafe.ledger.log import Ledger
from thsafe.ledger.merkle import verify_consistency
from thsafe.ledger.note import Checkpoint, parse_checkpoint
from thsafe.ledger.stamp import ask_for_stamp, beside, verify_stamp


def witness(ledger: Ledger, folder: Path, *, tsa: str | None = None, anchors: Sequence[Certificate] = ()) -> Checkpoint:
    """Sign the log's present state and leave a copy in ``folder``, after checking that it extends the copies there.

    Files are named by size and never overwritten.

    Args:
        ledger: the log, opened with its key.
        folder: the witness's.
        tsa: address of a time-stamp authority; its stamp is put beside the copy, once it was verified.
        anchors: what that authority may lead to, to be called trusted.

    Raises:
        LedgerBroken: ``log.rollback`` or ``log.inconsistent``: the log is not the one that was witnessed before.
        StoreError: the folder cannot be written, or the log was opened without its key.
    """
    checkpoint = ledger.checkpoint()
    earlier = [item for item in read_checkpoints(folder) if item.origin == checkpoint.origin] if folder.exists() else []
    if earlier:
        check_extends(ledger, max(earlier, key=lambda item: item.size), checkpoint)
    path = folder / f"{checkpoint.origin.replace('/', '-')}-{checkpoint.size:012}.note"
    _add(path, checkpoint.note.encode())
    if tsa is not None and not beside(path).exists():
        reply = ask_for_stamp(tsa, checkpoint.note)
        verify_stamp(reply, checkpoint.note, anchors)
        _add(beside(path), reply)
    return checkpoint


def _add(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, and leave one that is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return
    except OSError as problem:
        raise StoreError(
            f"The witness's folder cannot be written: {path.parent}",
            code="log.witness",
            found=str(problem),
            next_step="check that the folder is mounted and that this user may add files to it",
        ) from problem
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def read_checkpoints(path: Path) -> tuple[Checkpoint, ...]:
    """The checkpoints in a ``.note`` file, or in all of a folder's, by name; their signatures are not checked here.

    Raises:
        InputError: nothing can be read there, or a file is not a checkpoint: that says nothing about the log.
    """
    file = path
    found = []
    try:
        for file in sorted(path.glob("*.note")) if path.is_dir() else [path]:
            found.append(parse_checkpoint(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, LedgerBroken) as problem:
        raise InputError(
            f"No checkpoint can be read from {file}",
            code="log.witness",
            found=problem.found if isinstance(problem, LedgerBroken) else str(problem),
            next_step="name a .note file or a folder of them, written by: thsafe log witness FOLDER",
        ) from problem
    return tuple(found)


def check_extends(ledger: Ledger, earlier: Checkpoint, now: Checkpoint) -> None:
    """Does the log, as ``now`` says, contain what it was in ``earlier``?

    Raises:
        LedgerBroken: ``log.rollback`` or ``log.inconsistent``.
    """
    if earlier.size > now.size:
        raise LedgerBroken(
            "The log has fewer entries than a witness saw.",
            code="log.rollback",
            found=f"{now.size} entries; the witness has a checkpoint of {earlier.size}",
            next_step="restore the log from a backup, then run: thsafe log verify --witness FOLDER",
        )
    proof = [bytes.fromhex(item) for item in ledger.prove_consistency(earlier.size, now.size)]
    if not verify_consistency(earlier.size, now.size, proof, bytes.fromhex(earlier.root), bytes.fromhex(now.root)):
        raise LedgerBroken(
            "The log is not the one that a witness saw.",
            code="log.inconsistent",
            found=f"the first {earlier.size} entries have another root than the witnessed one",
            next_step="run: thsafe log verify --witness FOLDER; keep the folder as evidence",
        )
