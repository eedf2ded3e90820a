"""The account at D-ID, as the command line needs it."""

from __future__ import annotations

from generators.did.client import Client
from generators.did.key import Key, find_key, keep_key


class Account:
    """The account whose key is found on this machine."""

    def keep(self, secret: str) -> None:
        """Put a key into the system's keyring; raises as ``generators.did.key.keep_key``."""
        keep_key(Key(secret=secret))

    def credits(self) -> tuple[float, float]:
        """Credits that remain, and all that were bought."""
        return Client(find_key()).credits()

    def forget(self, kind: str, name: str) -> None:
        """Have the vendor delete a job and its files."""
        Client(find_key()).delete(kind, name)
