"""C2SP signed notes and log checkpoints: a few lines of text that a person can read and a machine can check.

A checkpoint is origin, size and base64 root, one per line (c2sp.org/tlog-checkpoint); a note is text, an empty line
and signature lines ``— name base64(key id ‖ signature)`` (c2sp.org/signed-note). Signatures are Ed25519, type 0x01.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from thsafe.core.errors import LedgerBroken

_ED25519 = b"\x01"
_COSIGNATURE = b"\x04"
_NAME = re.compile(r"[^\s+]+")
_MOST_BYTES = 1 << 20
_MOST_SIGNATURES = 100


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with the name it signs under; its text form is ``name+keyid+base64(type ‖ key)``."""

    name: str
    key: bytes

    @classmethod
    def of(cls, name: str, key: Ed25519PrivateKey) -> Verifier:
        """The verifier that belongs to a signing key."""
        return cls(name, key.public_key().public_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """Read the text form; raises ValueError if any part is off."""
        name, encoded = text.partition("+")[0], text.partition("+")[2].partition("+")[2]
        try:
            material = base64.b64decode(encoded, validate=True)
        except binascii.Error as problem:
            raise ValueError(f"not a verifier key: {text!r}") from problem
        verifier = cls(name, material[1:])
        if material[:1] != _ED25519 or len(material) != 33 or str(verifier) != text or not _NAME.fullmatch(name):
            raise ValueError(f"not an Ed25519 verifier key: {text!r}")
        return verifier

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.key).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the log said it was at one moment, signed."""

    origin: str
    size: int
    root: str
    """Hexadecimal."""
    note: str
    """The signed text; this is what witnesses keep."""

    @property
    def digest(self) -> str:
        """SHA-256 of the signed text: short enough to go into a manifest."""
        return sha256(self.note.encode()).hexdigest()


def sign_note(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """The note of ``text``, which ends with a newline and holds no empty line at its end.

    Raises:
        ValueError: the text or the name cannot be carried by a note.
    """
    if not text.endswith("\n") or text == "\n" or "\n\n" in text or any(c < " " and c != "\n" for c in text):
        raise ValueError("a note's text ends with one newline and holds no other control characters")
    if not _NAME.fullmatch(name):
        raise ValueError(f"a note's key name holds neither blanks nor plus signs: {name!r}")
    signature = Verifier.of(name, key).key_id + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """The text of a note, once the verifier's signature on it has been checked.

    Raises:
        ValueError: it is not a note, or carries no signature of this verifier, or a wrong one.
    """
    if len(note.encode()) > _MOST_BYTES:
        raise ValueError("the note is larger than one mebibyte")
    body, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise ValueError("this is not a signed note")
    text = body + "\n"
    lines = signatures[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise ValueError(f"the note has more than {_MOST_SIGNATURES} signatures")
    found: bytes | None = None
    for line in lines:
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        if match is None:
            raise ValueError(f"not a signature line: {line!r}")
        try:
            blob = base64.b64decode(match[2], validate=True)
        except binascii.Error as problem:
            raise ValueError(f"not a signature line: {line!r}") from problem
        if len(blob) < 5:
            raise ValueError(f"not a signature line: {line!r}")
        if found is None and match[1] == verifier.name and blob[:4] == verifier.key_id:
            found = blob[4:]
    if found is None:
        raise ValueError(f"the note is not signed by {verifier}")
    try:
        Ed25519PublicKey.from_public_bytes(verifier.key).verify(found, text.encode())
    except InvalidSignature as problem:
        raise ValueError(f"the signature of {verifier.name} does not fit the note") from problem
    return text


def cosign(note: str, name: str, key: Ed25519PrivateKey, *, at: int) -> str:
    """A checkpoint's note with one more signature line: a witness saw it (c2sp.org/tlog-cosignature, v1).

    Args:
        note: of a checkpoint, signed by its log.
        name: the witness's.
        key: the witness's.
        at: seconds since 1970, UTC; part of what is signed.

    Raises:
        ValueError: the name cannot be carried by a note.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a note's key name holds neither blanks nor plus signs: {name!r}")
    signature = key.sign(_cosigned(note, at))
    blob = _cosigner_id(name, key.public_key().public_bytes_raw()) + at.to_bytes(8, "big") + signature
    return f"{note}— {name} {base64.b64encode(blob).decode()}\n"


def cosigned_at(note: str, witness: Verifier) -> int:
    """When a witness saw a checkpoint, in seconds since 1970.

    Raises:
        ValueError: the note carries no valid signature of that witness.
    """
    expected = _cosigner_id(witness.name, witness.key)
    for line in note.rpartition("\n\n")[2].splitlines():
        match = re.fullmatch(r"— ([^\s+]+) (\S+)", line)
        blob = base64.b64decode(match[2], validate=True) if match and match[1] == witness.name else b""
        if blob[:4] == expected and len(blob) == 76:
            at = int.from_bytes(blob[4:12], "big")
            try:
                Ed25519PublicKey.from_public_bytes(witness.key).verify(blob[12:], _cosigned(note, at))
            except InvalidSignature as problem:
                raise ValueError(f"the cosignature of {witness.name} does not fit the note") from problem
            return at
    raise ValueError(f"the note is not cosigned by {witness}")


def _cosigner_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _COSIGNATURE + public).digest()[:4]


def _cosigned(note: str, at: int) -> bytes:
    text = note.rpartition("\n\n")[0] + "\n"
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def sign_checkpoint(origin: str, size: int, root: bytes, key: Ed25519PrivateKey) -> Checkpoint:
    """A checkpoint of the log named ``origin``, signed under that name."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return Checkpoint(origin=origin, size=size, root=root.hex(), note=sign_note(text, origin, key))


def parse_checkpoint(note: str) -> Checkpoint:
    """Read a checkpoint without checking who signed it.

    Raises:
        LedgerBroken: it is not a checkpoint.
    """
    lines = note.split("\n")
    try:
        origin, size, encoded = lines[0], lines[1], lines[2]
        root = base64.b64decode(encoded, validate=True)
    except (IndexError, binascii.Error) as problem:
        raise _not_a_checkpoint(note) from problem
    if not origin or not re.fullmatch(r"0|[1-9][0-9]*", size) or len(root) != 32 or "\n\n" not in note:
        raise _not_a_checkpoint(note)
    return Checkpoint(origin=origin, size=int(size), root=root.hex(), note=note)


def verify_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """Read a checkpoint and check that the verifier signed it.

    Raises:
        LedgerBroken: it is not a checkpoint, or not one of this log.
    """
    checkpoint = parse_checkpoint(note)
    try:
        open_note(note, verifier)
    except ValueError as problem:
        raise LedgerBroken(
            "A checkpoint is not signed by this log.",
            code="log.checkpoint-signature",
            found=str(problem),
            next_step="compare its key with that of: thsafe log checkpoint",
        ) from problem
    if checkpoint.origin != verifier.name:
        raise LedgerBroken(
            "A checkpoint belongs to another log.",
            code="log.checkpoint-origin",
            found=checkpoint.origin,
            rule=f"origin {verifier.name}",
            next_step="give checkpoints of this log only",
        )
    return checkpoint


def _not_a_checkpoint(note: str) -> LedgerBroken:
    return LedgerBroken(
        "This is not a log checkpoint.",
        code="log.checkpoint-form",
        found=repr(note[:80]),
        next_step="write one with: thsafe log checkpoint",
    )
