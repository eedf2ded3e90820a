"""The evidence pack: an audit with all it rests on in one signed zip file, which ``verify_pack.py`` checks offline.

Inside: ``report.json``, ``report.html``, ``report.csv``, ``oscal.json``; ``log/`` with a checkpoint, the entries that
the report speaks of as JSON Lines with inclusion proofs, and the proofs that the log extends that of the last pack and
the checkpoints that witnesses hold;
``manifests/`` with the C2PA manifest store of each output; ``policies/`` with the present bundle; the verifier itself;
and ``pack.dsse.json``, an in-toto statement over all of them under the log's key (DSSE v1).
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.bundle import digest_of
from thsafe.audit.export import as_csv, as_json_lines
from thsafe.audit.html import encoded, render_html
from thsafe.audit.model import AuditReport
from thsafe.audit.oscal import as_oscal
from thsafe.audit.verify_pack import (
    ENVELOPE,
    PAYLOAD_TYPE,
    PREDICATE,
    STATEMENT,
    Broken,
    check_checkpoint,
    member,
    open_envelope,
    preauth,
    written,
)
from thsafe.core.errors import InputError, LedgerBroken, StoreError
from thsafe.core.types import Json
from thsafe.ledger.log import Ledger
from thsafe.ledger.merkle import verify_consistency
from thsafe.ledger.note import Checkpoint, Verifier, parse_checkpoint

VERIFIER = "verify_pack.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """What was written."""

    path: Path
    key: str
    """The log's public key, to be given to the auditor by another way."""
    files: int
    checkpoint: Checkpoint


def write_pack(
    report: AuditReport,
    target: Path,
    *,
    ledger: Ledger,
    key: Ed25519PrivateKey,
    policies: Mapping[str, str],
    previous: Path | None = None,
    witnessed: Sequence[Checkpoint] = (),
) -> Pack:
    """Write an evidence pack, whole or not at all.

    Args:
        report: the audit.
        target: the zip file.
        ledger: the audited log, opened with its key.
        key: the log's signing key.
        policies: files of the present policy bundle, by name.
        previous: the last pack; the new one then proves that the log only grew since.
        witnessed: checkpoints kept outside; it proves the same of each that the log extends, and the report names
            the others.

    Raises:
        InputError: ``audit.previous-pack``: the last pack cannot be read or is not signed by this log.
        LedgerBroken: ``log.inconsistent``: the log is not the one of the last pack; or the stored tree has holes.
        StoreError: the place cannot be written.
    """
    checkpoint = ledger.checkpoint()
    verifier = str(Verifier.of(ledger.origin, key))
    contents = _contents(report, ledger, checkpoint, policies, _previous(previous, verifier), witnessed)
    subject: list[dict[str, Json]] = []
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".thsafe-pack-")
        try:
            with os.fdopen(handle, "w+b") as file:
                with zipfile.ZipFile(file, "w") as archive:
                    for path, data in contents:
                        _add(archive, path, data)
                        subject.append({"name": path, "digest": {"sha256": sha256(data).hexdigest()}})
                    predicate: dict[str, Json] = {
                        "origin": ledger.origin,
                        "key": verifier,
                        "at": report.at,
                        "tool": report.tool,
                        "size": checkpoint.size,
                        "root": checkpoint.root,
                        "policy_bundle": digest_of(policies),
                    }
                    _add(archive, ENVELOPE, _sign(subject, predicate, key))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise StoreError(
            f"The evidence pack cannot be written to {target}.",
            code="store.pack",
            found=str(problem),
            next_step="choose another place, or free some space",
        ) from problem
    return Pack(path=target, key=verifier, files=len(subject) + 1, checkpoint=checkpoint)


def _contents(
    report: AuditReport,
    ledger: Ledger,
    checkpoint: Checkpoint,
    policies: Mapping[str, str],
    previous: Checkpoint | None,
    witnessed: Sequence[Checkpoint],
) -> Iterator[tuple[str, bytes]]:
    """All signed files in order; one manifest at a time is held in memory."""
    lines = [json.loads(line) for line in as_json_lines(report)]
    whole = {
        "audit": lines[0],
        "outputs": [line for line in lines if line["kind"] == "output"],
        "other_files": [line for line in lines if line["kind"] == "other-file"],
    }
    yield "report.json", _json(whole)
    yield "report.html", encoded(render_html(report))
    yield "report.csv", encoded(as_csv(report))
    yield "oscal.json", _json(as_oscal(report))
    yield "log/checkpoint.note", checkpoint.note.encode()
    if previous is not None:
        yield "log/previous.note", previous.note.encode()
        yield "log/consistency.json", _json(_extends(ledger, previous, checkpoint))
    if outside := list(_witnessed(witnessed, ledger, checkpoint)):
        yield "log/witnessed.json", _json(outside)
    yield "log/entries.jsonl", b"".join(_entries(report, ledger, checkpoint.size))
    for output in report.outputs:
        record = ledger.outputs.by_manifest(output.record.manifest_id)
        if record is not None and record.manifest:
            yield f"manifests/{output.record.ledger_index}.c2pa", record.manifest
    for name, text in sorted(policies.items()):
        yield f"policies/{name}", text.encode()
    yield VERIFIER, Path(__file__).with_name(VERIFIER).read_bytes()


def _entries(report: AuditReport, ledger: Ledger, size: int) -> Iterator[bytes]:
    """Every entry that the report points at, with its proof."""
    wanted = {output.record.ledger_index for output in report.outputs}
    wanted |= {output.intent_index for output in report.outputs if output.intent_index is not None}
    wanted |= {item.index for item in report.exceptions if item.index is not None and item.index < size}
    # They tell why a manifest is not there any more.
    wanted |= {entry.index for entry in ledger.find("erase") if entry.index < size}
    for index in sorted(wanted):
        proof = ledger.prove(index, size)
        line = {"index": index, "leaf": ledger.entry(index).leaf.decode(), "path": list(proof.path)}
        yield (json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _previous(pack: Path | None, verifier: str) -> Checkpoint | None:
    """The checkpoint of the last pack, once its signatures are checked."""
    if pack is None:
        return None
    try:
        with zipfile.ZipFile(pack) as archive:
            open_envelope(archive, verifier)
            note = archive.read("log/checkpoint.note").decode()
        check_checkpoint(note, verifier)
        return parse_checkpoint(note)
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile, Broken) as problem:
        raise InputError(
            f"The last pack cannot be built upon: {pack}",
            code="audit.previous-pack",
            found=str(problem),
            next_step="name the last evidence pack of this log, or leave it out",
        ) from problem


def _extends(ledger: Ledger, previous: Checkpoint, checkpoint: Checkpoint) -> list[str]:
    path = list(ledger.prove_consistency(previous.size, checkpoint.size)) if previous.size <= checkpoint.size else []
    steps = [bytes.fromhex(item) for item in path]
    roots = bytes.fromhex(previous.root), bytes.fromhex(checkpoint.root)
    if not verify_consistency(previous.size, checkpoint.size, steps, *roots):
        raise LedgerBroken(
            "The log is not the one of the last evidence pack.",
            code="log.inconsistent",
            found=f"{checkpoint.size} entries do not extend the {previous.size} of the last pack",
            next_step="run: thsafe log verify; keep both packs as evidence",
        )
    return path


def _witnessed(witnessed: Sequence[Checkpoint], ledger: Ledger, checkpoint: Checkpoint) -> Iterator[Json]:
    """Checkpoints that witnesses hold, each once, with the proof that the log extends it."""
    for item in sorted({(item.size, item.note): item for item in witnessed}.values(), key=lambda item: item.size):
        try:
            check_checkpoint(item.note, str(ledger.verifier))
            yield {"note": item.note, "path": _extends(ledger, item, checkpoint)}
        except (Broken, ValueError, LedgerBroken, StoreError):
            continue  # another log's, forged or contradicted: the audit's findings say so


def _sign(subject: list[dict[str, Json]], predicate: Mapping[str, Json], key: Ed25519PrivateKey) -> bytes:
    statement = {"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": dict(predicate)}
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    signature = base64.b64encode(key.sign(preauth(PAYLOAD_TYPE, payload))).decode()
    return written(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": predicate["key"], "sig": signature}],
        }
    )


def _add(archive: zipfile.ZipFile, path: str, data: bytes) -> None:
    with archive.open(member(path), "w") as file:
        file.write(data)


def _json(value: Json) -> bytes:
    return encoded(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
