"""Tokens for what is not public: random words of 256 bits, of which only the SHA-256 is stored."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from thsafe.core.clock import Clock, from_text, system_clock, to_text
from thsafe.core.errors import StoreError, UsageError
from thsafe.core.types import Json
from thsafe.media.files import write_whole

TOKENS_FILE = "serve-tokens.json"
"""Its name in the home folder."""
_PREFIX = "thsafe_"
_MOST_NAME = 60


class Scope(StrEnum):
    """What a token lets its bearer do."""

    VERIFY = "verify"
    """Start verifications and see their reports, where that is not open to all."""
    MANIFESTS = "manifests"
    """Look up stored manifests, where that is not open to all."""
    METRICS = "metrics"
    """Read ``/metrics``."""
    STUDIO = "studio"
    """Generate, behind the gate as always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token as it is stored: nothing here lets anyone in."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    digest: str
    """SHA-256 of the secret."""
    made: str
    expires: str
    """RFC 3339; empty: never."""


class Tokens:
    """The tokens of one installation, in one private file that is read anew when it changes."""

    def __init__(self, path: Path, *, clock: Clock = system_clock) -> None:
        self._path = path
        self._clock = clock
        self._seen: tuple[int, int] | None = None
        self._tokens: tuple[Token, ...] = ()

    def new(self, name: str, scopes: Iterable[Scope], *, days: int | None) -> tuple[Token, str]:
        """Make a token; its secret is returned and shown this once.

        Raises:
            UsageError: ``token.name`` or ``token.scopes``.
            StoreError: the file cannot be written.
        """
        chosen = tuple(sorted(set(scopes)))
        if not name.strip() or len(name) > _MOST_NAME or not name.isprintable():
            raise UsageError("A token needs a short name.", code="token.name", next_step="--name newsroom")
        if not chosen:
            raise UsageError("A token needs a scope.", code="token.scopes", next_step="--scope verify")
        secret = _PREFIX + secrets.token_urlsafe(32)
        made = self._clock()
        token = Token(
            id=secrets.token_hex(4),
            name=name,
            scopes=chosen,
            digest=_digest(secret),
            made=to_text(made),
            expires=to_text(made + timedelta(days=days)) if days else "",
        )
        self._write([*self.all(), token])
        return token, secret

    def all(self) -> tuple[Token, ...]:
        """Every token, expired ones included; raises StoreError ``token.damaged``."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._tokens = None, ()
            return ()
        seen = (status.st_mtime_ns, status.st_ino)
        if seen != self._seen:
            self._tokens, self._seen = self._read(), seen
        return self._tokens

    def revoke(self, number: str) -> Token:
        """Take a token back by its id; raises UsageError ``token.unknown``."""
        found = next((token for token in self.all() if token.id == number), None)
        if found is None:
            raise UsageError(
                f"There is no token {number}.", code="token.unknown", next_step="see: thsafe serve token list"
            )
        self._write([token for token in self.all() if token.id != number])
        return found

    def holder(self, secret: str) -> Token | None:
        """The token with this secret, if there is one that has not expired."""
        digest = _digest(secret)
        found = None
        for token in self.all():
            if hmac.compare_digest(token.digest, digest):
                found = token
        if found is None or (found.expires and from_text(found.expires) <= self._clock()):
            return None
        return found

    def _read(self) -> tuple[Token, ...]:
        try:
            kept = json.loads(self._path.read_bytes())["tokens"]
            return tuple(_token(item) for item in kept)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
            raise StoreError(
                "The file with the tokens cannot be read.",
                code="token.damaged",
                found=f"{self._path.name}: {type(problem).__name__}",
                next_step=f"move {self._path} away and make new tokens: thsafe serve token new",
            ) from problem

    def _write(self, tokens: list[Token]) -> None:
        data = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=2).encode()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._path, data)
        self._path.chmod(0o600)


def _token(item: dict[str, Json]) -> Token:
    token = Token(**{**item, "scopes": tuple(Scope(name) for name in item["scopes"])})
    if not all(isinstance(text, str) for text in (token.id, token.name, token.digest, token.made, token.expires)):
        raise TypeError("a token's fields are texts")
    if token.expires:
        from_text(token.expires)
    return token


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
