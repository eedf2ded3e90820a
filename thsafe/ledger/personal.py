"""Personal fields beside the log: readable until their subject is erased, provable for ever.

Each subject has a random AES-256 key; the fields of an entry are one AES-GCM ciphertext under it, and the leaf holds
SHA-256(salt ‖ nonce ‖ ciphertext) alone. Erasing deletes key, salt and ciphertext: the digest then says nothing even
to someone who guesses the fields, and no hash in the tree changes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, RowMapping, delete, insert, select

from thsafe.core.canonical import canonical_bytes
from thsafe.core.types import Json
from thsafe.store import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One entry's personal fields, encrypted."""

    subject: str
    salt: bytes
    nonce: bytes
    ciphertext: bytes

    @property
    def digest(self) -> str:
        """What the leaf holds, in hexadecimal."""
        return sha256(self.salt + self.nonce + self.ciphertext).hexdigest()


def seal(connection: Connection, subject: str, fields: Mapping[str, Json]) -> Sealed:
    """Encrypt fields under the subject's key, making the key on first use."""
    query = select(schema.subject_key.c.key).where(schema.subject_key.c.subject == subject)
    key = connection.execute(query).scalar()
    if key is None:
        key = AESGCM.generate_key(256)
        connection.execute(insert(schema.subject_key).values(subject=subject, key=key))
    nonce = secrets.token_bytes(12)
    ciphertext = AESGCM(key).encrypt(nonce, canonical_bytes(fields), subject.encode())
    return Sealed(subject=subject, salt=secrets.token_bytes(32), nonce=nonce, ciphertext=ciphertext)


def store(connection: Connection, position: int, sealed: Sealed) -> None:
    """Keep sealed fields for the entry at ``position``."""
    connection.execute(
        insert(schema.personal).values(
            position=position,
            subject=sealed.subject,
            salt=sealed.salt,
            nonce=sealed.nonce,
            ciphertext=sealed.ciphertext,
        )
    )


def read(connection: Connection, position: int) -> Mapping[str, Json] | None:
    """The fields of one entry, or None where there are none (any more)."""
    query = (
        select(schema.personal, schema.subject_key.c.key)
        .join(schema.subject_key, schema.subject_key.c.subject == schema.personal.c.subject)
        .where(schema.personal.c.position == position)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    clear = AESGCM(row["key"]).decrypt(row["nonce"], row["ciphertext"], row["subject"].encode())
    fields: Mapping[str, Json] = json.loads(clear)
    return fields


def digest_of(row: RowMapping) -> str:
    """The digest that belongs to a kept row, for comparing with its leaf."""
    return sha256(row["salt"] + row["nonce"] + row["ciphertext"]).hexdigest()


def erase(connection: Connection, subject: str) -> list[int]:
    """Delete a subject's key, salts and ciphertexts; returns the positions of the entries concerned."""
    query = select(schema.personal.c.position).where(schema.personal.c.subject == subject)
    positions = sorted(connection.execute(query).scalars())
    connection.execute(delete(schema.personal).where(schema.personal.c.subject == subject))
    connection.execute(delete(schema.subject_key).where(schema.subject_key.c.subject == subject))
    return positions
