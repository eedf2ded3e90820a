"""Where the token for VTube Studio is kept: the system's keyring, or a file of this user's own; never in a log."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.core.errors import StoreError

if TYPE_CHECKING:
    from thsafe.home import Home

_SERVICE: Final = "thsafe-vtube-studio"
_MOST: Final = 1000


class TokenStore:
    """Tokens by address.

    Args:
        home: its file is used where the system has no keyring.
        keyring: whether to try the system's keyring first.
    """

    def __init__(self, home: Home, *, keyring: bool = True) -> None:
        self._home, self._keyring = home, keyring

    def find(self, address: str) -> str:
        """The token of an address, or nothing."""
        if self._keyring:
            with contextlib.suppress(Exception):  # a machine without a keyring, or a locked one
                import keyring

                found = keyring.get_password(_SERVICE, address)
                if found:
                    return str(found)
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return self._file(address).read_text(encoding="utf-8")[:_MOST].strip()
        return ""

    def keep(self, address: str, token: str) -> None:
        """Keep a token.

        Raises:
            StoreError: ``vts.token``: neither keyring nor file can be written.
        """
        if self._keyring:
            with contextlib.suppress(Exception):  # as above: the file is as private as the keys beside it
                import keyring

                keyring.set_password(_SERVICE, address, token)
                return
        path = self._file(address)
        try:
            self._home.prepare()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.unlink(missing_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(token)
        except OSError as problem:
            raise StoreError(
                "The token for VTube Studio cannot be kept.", code="vts.token", found=f"{path}: {problem.strerror}",
                next_step="set THSAFE_HOME to a folder that you may write to",
            ) from problem  # fmt: skip

    def _file(self, address: str) -> Path:
        return self._home.vtube_studio / hashlib.sha256(address.encode()).hexdigest()[:16]
