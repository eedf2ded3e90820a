"""Verify an evidence pack offline: ``python verify_pack.py PACK.zip --key KEY``; what else it takes: ``--help``.

This one file needs Python 3.11 or newer and the package ``cryptography``, nothing of thsafe. Take it from a source
that you trust, not from the pack that you doubt; and take KEY, the log's public key, from the operator by another way:
whoever can write a pack can also write a key into it. Exit code 0: everything holds; 1: something does not; 2: wrong
call.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ENVELOPE = "pack.dsse.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:thsafe:evidence-pack:1"
_CHUNK = 1 << 20


class Broken(Exception):
    """The pack does not hold, in words."""


def verify(pack: Path, key: str | None = None, known: str | None = None, policies: Sequence[Path] = ()) -> list[str]:
    """Check everything; returns what was found in order, raises Broken at the first fault."""
    said: list[str] = []
    try:
        with zipfile.ZipFile(pack) as archive:
            statement = open_envelope(archive, key)
            said.append(
                f"signed by {statement['predicate']['key']}" + ("" if key else " (as the pack says; compare it)")
            )
            check_files(archive, statement)
            said.append(f"{len(statement['subject'])} files are the ones that were signed")
            size, root = check_checkpoint(archive.read("log/checkpoint.note").decode(), statement["predicate"]["key"])
            said.append(f"checkpoint of {size} entries, root {root.hex()[:16]}…")
            entries = dict(check_entries(archive, size, root))
            said.append(f"{len(entries)} log entries are in that log")
            check_report(archive, entries, size, root, statement["predicate"]["origin"])
            said.append("the report tells of the logged outputs, and their manifests are the logged ones")
            said += check_previous(archive, statement["predicate"]["key"], size, root, known)
            check_policies(archive, statement["predicate"])
            said.append(f"policy bundle {statement['predicate']['policy_bundle'][:16]}…")
            said += check_decisions(entries, [folder_digest(folder) for folder in policies])
            check_container(pack, archive)
    except Broken:
        raise
    except Exception as problem:
        # A hostile archive can fail in any way, and all of them mean this.
        raise Broken(f"the pack cannot be read: {type(problem).__name__}: {problem}") from problem
    return said


def open_envelope(archive: zipfile.ZipFile, key: str | None) -> Any:
    """The signed statement (DSSE v1 over in-toto Statement v1)."""
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        raise Broken("the archive was packed anew")
    raw = archive.read(ENVELOPE)
    envelope = json.loads(raw)
    if raw != written(envelope):
        raise Broken("the envelope is not written as it was signed")
    payload = base64.b64decode(envelope["payload"], validate=True)
    (signature,) = envelope["signatures"]
    statement = json.loads(payload)
    claimed = statement["predicate"]["key"]
    if key is not None and key.strip() != claimed:
        raise Broken(f"the pack is signed under another key: {claimed}")
    name, public = read_key(claimed)
    if envelope["payloadType"] != PAYLOAD_TYPE or statement["_type"] != STATEMENT:
        raise Broken("the envelope does not hold an in-toto statement")
    if statement["predicateType"] != PREDICATE or signature["keyid"] != claimed:
        raise Broken("the envelope is not that of an evidence pack")
    if statement["predicate"]["origin"] != name:
        raise Broken("the key is that of another log")
    try:
        public.verify(base64.b64decode(signature["sig"], validate=True), preauth(PAYLOAD_TYPE, payload))
    except InvalidSignature:
        raise Broken("the signature does not fit") from None
    return statement


def preauth(kind: str, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def written(envelope: Any) -> bytes:
    """The one way in which an envelope is written down."""
    return (json.dumps(envelope, indent=1, sort_keys=True) + "\n").encode()


def read_key(text: str) -> tuple[str, Ed25519PublicKey]:
    """Name and key from C2SP form, ``name+keyid+base64(0x01 key)``."""
    name, _, rest = text.partition("+")
    hint, _, encoded = rest.partition("+")
    material = base64.b64decode(encoded, validate=True)
    if len(material) != 33 or material[0] != 1 or hint != key_id(name, material).hex():
        raise Broken(f"not an Ed25519 key: {text}")
    return name, Ed25519PublicKey.from_public_bytes(material[1:])


def key_id(name: str, material: bytes) -> bytes:
    """C2SP signed-note key id."""
    return hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]


def check_files(archive: zipfile.ZipFile, statement: Any) -> None:
    """Exactly the signed files, byte by byte."""
    signed = {item["name"]: item["digest"]["sha256"] for item in statement["subject"]}
    names = archive.namelist()
    if len(names) != len(set(names)) or set(names) != {*signed, ENVELOPE}:
        raise Broken(f"files missing, added or doubled: {sorted(set(names) ^ {*signed, ENVELOPE})}")
    for name, digest in signed.items():
        if file_digest(archive, name) != digest:
            raise Broken(f"{name} was changed after signing")


def file_digest(archive: zipfile.ZipFile, name: str) -> str:
    """SHA-256 of one file of the pack."""
    whole = hashlib.sha256()
    with archive.open(name) as file:
        while chunk := file.read(_CHUNK):
            whole.update(chunk)
    return whole.hexdigest()


def check_checkpoint(note: str, key: str) -> tuple[int, bytes]:
    """Size and root of a signed checkpoint (C2SP tlog-checkpoint)."""
    name, public = read_key(key)
    body, _, signatures = note.rpartition("\n\n")
    text = body + "\n"
    origin, size, root = text.split("\n")[:3]
    if origin != name:
        raise Broken("a checkpoint belongs to another log")
    for line in signatures.splitlines():
        mark, signer, encoded = line.split(" ")
        blob = base64.b64decode(encoded, validate=True)
        if mark == "—" and signer == name and blob[:4].hex() == key.split("+")[1]:
            try:
                public.verify(blob[4:], text.encode())
            except InvalidSignature:
                break
            return int(size), base64.b64decode(root, validate=True)
    raise Broken("a checkpoint is not signed by the log")


def check_entries(archive: zipfile.ZipFile, size: int, root: bytes) -> Iterator[tuple[int, Any]]:
    """The events of the pack, each proven to be in the log (RFC 9162 section 2.1.3.2)."""
    for line in archive.read("log/entries.jsonl").decode().splitlines():
        item = json.loads(line)
        leaf = hashlib.sha256(b"\0" + item["leaf"].encode()).digest()
        event = json.loads(item["leaf"])
        path = [bytes.fromhex(value) for value in item["path"]]
        if event["seq"] != item["index"] or included(leaf, item["index"], size, path) != root:
            raise Broken(f"entry {item['index']} is not in the log")
        yield item["index"], event


def check_report(archive: zipfile.ZipFile, entries: dict[int, Any], size: int, root: bytes, origin: str) -> None:
    """The report speaks of this log, and of its outputs and their manifests only."""
    report = json.loads(archive.read("report.json"))
    told = report["audit"]["log"]
    if told["origin"] != origin or told["size"] > size or (told["size"] == size and told["root"] != root.hex()):
        raise Broken("the report is about another log")
    erased = {place for event in entries.values() if event["type"] == "erase" for place in event.get("manifests", [])}
    for output in report["outputs"]:
        event = entries.get(output["entry"])
        if event is None or event["type"] != "output":
            raise Broken(f"the report tells of an output that is not in the log: entry {output['entry']}")
        if (event["sha256"], event["manifest_id"]) != (output["sha256"], output["manifest_id"]):
            raise Broken(f"the report and entry {output['entry']} tell of different files")
        name = f"manifests/{output['entry']}.c2pa"
        if name not in archive.namelist():
            if output["entry"] not in erased:
                raise Broken(f"the manifest of entry {output['entry']} is missing, and the log tells of no erasure")
        elif file_digest(archive, name) != event["manifest_digest"]:
            raise Broken(f"the manifest of entry {output['entry']} is not the logged one")
        intent = output["intent"]
        if intent is not None:
            logged = entries.get(intent["index"])
            if logged is None or any(intent.get(name) != value for name, value in logged.items()):
                raise Broken(f"the report and entry {intent['index']} tell of different decisions")


def check_previous(archive: zipfile.ZipFile, key: str, size: int, root: bytes, known: str | None) -> list[str]:
    """The log only grew since the last pack, and since the checkpoints that witnesses and the reader hold."""
    said, names = [], archive.namelist()
    held = {(size, root): "the checkpoint is the one given"}
    if "log/previous.note" in names:
        path = json.loads(archive.read("log/consistency.json"))
        old = check_grown(archive.read("log/previous.note").decode(), path, key, size, root)
        said.append(f"it extends the {old[0]} entries of the last pack")
        held[old] = "the last pack's checkpoint is the one given"
    if "log/witnessed.json" in names:
        items = json.loads(archive.read("log/witnessed.json"))
        outside = [check_grown(item["note"], item["path"], key, size, root) for item in items]
        said.append(f"it extends {len(outside)} checkpoints that witnesses hold")
        held |= {old: f"it extends the {old[0]} entries of the checkpoint given" for old in outside if old not in held}
    if known is None:
        return said
    try:
        given = check_checkpoint(known, key)
    except ValueError:
        raise Broken("the given checkpoint cannot be read") from None
    if given in held:
        return [*said, held[given]]
    if given[0] in {old for old, _ in held}:
        raise Broken(f"the log was rewritten: its first {given[0]} entries are not those of the given checkpoint")
    raise Broken(
        f"the pack does not speak of the given checkpoint of {given[0]} entries, so nothing is shown about it: "
        "ask for a pack made with --witness and that checkpoint"
    )


def check_grown(note: str, path: Sequence[str], key: str, size: int, root: bytes) -> tuple[int, bytes]:
    """Size and root of an earlier checkpoint, once it is shown that the log extends it."""
    old_size, old_root = check_checkpoint(note, key)
    if not consistent(old_size, size, [bytes.fromhex(value) for value in path], old_root, root):
        raise Broken(f"the log was rewritten since it had {old_size} entries")
    return old_size, old_root


def check_policies(archive: zipfile.ZipFile, predicate: Any) -> None:
    """The digest of the policy bundle follows from its files."""
    whole = hashlib.sha256()
    names = sorted(name.removeprefix("policies/") for name in archive.namelist() if name.startswith("policies/"))
    for name in names:
        whole.update(f"{name}\0{file_digest(archive, f'policies/{name}')}\n".encode())
    if whole.hexdigest() != predicate["policy_bundle"]:
        raise Broken("the policies are not those of the named bundle")


def check_decisions(entries: dict[int, Any], given: Sequence[str]) -> list[str]:
    """Every decision of the pack was made under policies that the reader holds."""
    if not given:
        return []
    decided = {index: event.get("policy") for index, event in entries.items() if event["type"] in {"intent", "refusal"}}
    for index, digest in decided.items():
        if digest not in given:
            raise Broken(f"entry {index} was decided under policies {str(digest)[:16]}… that were not given")
    return [f"{len(decided)} decisions were made under the policies given"]


def folder_digest(folder: Path) -> str:
    """The digest of a policy bundle in a folder, as a pack holds it."""
    files = [
        *folder.glob("*.cedar"),
        *folder.glob("added/*.cedar"),
        folder / "schema.cedarschema",
        folder / "rules.yaml",
    ]
    whole = hashlib.sha256()
    for name, path in sorted((path.relative_to(folder).as_posix(), path) for path in files):
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def check_container(pack: Path, archive: zipfile.ZipFile) -> None:
    """No byte lies outside the signed files: the archive is the one that packing them anew gives."""
    with tempfile.TemporaryFile() as again, pack.open("rb") as given:
        with zipfile.ZipFile(again, "w") as writer:
            for name in archive.namelist():
                with archive.open(name) as source, writer.open(member(name), "w") as target:
                    while chunk := source.read(_CHUNK):
                        target.write(chunk)
        again.seek(0)
        while True:
            one, other = again.read(_CHUNK), given.read(_CHUNK)
            if one != other:
                raise Broken("the archive holds bytes that were not signed")
            if not one:
                return


def member(name: str) -> zipfile.ZipInfo:
    """A file of the archive: stored, without times or rights."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    info.external_attr = 0o644 << 16
    return info


def parent(left: bytes, right: bytes) -> bytes:
    """RFC 9162 section 2.1.1."""
    return hashlib.sha256(b"\1" + left + right).digest()


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to; None for an impossible one."""
    if not 0 <= index < size:
        return None
    place, last, value = index, size - 1, leaf
    for item in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            value = parent(item, value)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            value = parent(value, item)
        place, last = place >> 1, last >> 1
    return value if last == 0 else None


def consistent(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """RFC 9162 section 2.1.4.2."""
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path
    if not 0 < old < new or not path:
        return False
    steps = list(path) if old & (old - 1) else [old_root, *path]
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = steps[0]
    for item in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = parent(item, first), parent(item, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = parent(second, item)
        place, last = place >> 1, last >> 1
    return (first, second, last) == (old_root, new_root, 0)


def main() -> int:
    """The command."""
    arguments = argparse.ArgumentParser(description="Verify an evidence pack offline.")
    arguments.add_argument("pack", type=Path)
    arguments.add_argument("--key", help="the log's public key, name+id+base64, as the operator gave it")
    arguments.add_argument("--checkpoint", type=Path, help="a checkpoint of the log that you have kept")
    arguments.add_argument(
        "--policies", type=Path, action="append", default=[], help="a policy folder that you have kept; repeatable"
    )
    options = arguments.parse_args()
    try:
        known = options.checkpoint.read_text(encoding="utf-8") if options.checkpoint else None
        for line in verify(options.pack, options.key, known, options.policies):
            sys.stdout.write(f"ok      {line}\n")
    except (Broken, OSError) as problem:
        sys.stdout.write(f"BROKEN  {problem}\n")
        return 1
    sys.stdout.write("ok      the whole pack\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
