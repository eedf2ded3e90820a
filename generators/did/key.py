"""The vendor's key: from the environment or the system's keyring, and from there only into one header."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from thsafe.core.errors import MissingError, UsageError

VARIABLE: Final = "THSAFE_DID_KEY"
_SERVICE: Final = "thsafe"
_NAME: Final = "d-id"
_MOST: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Key:
    """A secret that does not show itself when it is printed."""

    secret: str

    def __post_init__(self) -> None:
        if not (8 <= len(self.secret) <= _MOST and self.secret.isascii() and self.secret.isprintable()) or (
            " " in self.secret
        ):
            raise UsageError(
                "The D-ID key is not one.",
                code="did.key-form",
                rule=f"8 to {_MOST} printable characters without a space, as D-ID's page shows it",
                next_step=f"thsafe did key, or set {VARIABLE}",
            )

    def __repr__(self) -> str:
        return "Key(…)"

    def redact(self, text: str) -> str:
        """The text without the key or a part of it."""
        for part in {self.secret, *(item for item in self.secret.split(":") if len(item) >= 6)}:
            text = text.replace(part, "…")
        return text


def find_key() -> Key:
    """The key of ``THSAFE_DID_KEY``, else of the system's keyring.

    Raises:
        MissingError: ``did.key-missing``.
        UsageError: ``did.key-form``.
    """
    found = os.environ.get(VARIABLE, "").strip() or _from_keyring()
    if not found:
        raise MissingError(
            "There is no key for D-ID.",
            code="did.key-missing",
            found=f"neither {VARIABLE} nor an entry in the system's keyring",
            next_step=f"thsafe did key, or set {VARIABLE}",
        )
    return Key(secret=found)


def keep_key(key: Key) -> None:
    """Put the key into the system's keyring.

    Raises:
        MissingError: ``did.keyring``: this machine has none.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as problem:
        raise _no_keyring("keyring is not installed") from problem
    try:
        keyring.set_password(_SERVICE, _NAME, key.secret)
    except (KeyringError, RuntimeError) as problem:
        raise _no_keyring(type(problem).__name__) from problem


def _from_keyring() -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return ""
    try:
        return (keyring.get_password(_SERVICE, _NAME) or "").strip()
    except (KeyringError, RuntimeError):  # a machine without a keyring, or a locked one
        return ""


def _no_keyring(why: str) -> MissingError:
    return MissingError(
        "The key cannot be kept in a keyring of this system.",
        code="did.keyring",
        found=why,
        next_step=f'pip install "thsafe[did]"; where there is no keyring service, set {VARIABLE} instead',
    )
