"""Which key signs, and who stamps the time: a user's own certificate in place of the development one.

Kept in ``signer.json`` in the home folder: a URI, never a key or a PIN. Everything is linted and tried when it is
chosen and again whenever it signs.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from thsafe.core.errors import SigningError, UsageError
from thsafe.keys.signers import ClaimSigner, open_signer

if TYPE_CHECKING:
    from thsafe.home import Home

TimeStampPolicy = Literal["required", "best-effort", "off"]
_SCHEMA = "thsafe.signer/1"
_FILE = "signer.json"
TIME_STAMP_RULES = frozenset({"EU-COP-1.1.1b"})
"""Rows of the law table that want a time stamp: where one binds, no policy drops it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningChoice:
    """A user's own signer; an installation without one signs with its development certificate."""

    signer: str
    """URI, see ``thsafe.keys.signers``."""
    chain: str
    """PEM file of the certificates, leaf first."""
    tsa_url: str = ""
    tsa_policy: TimeStampPolicy = "required"

    @classmethod
    def of_home(cls, home: Home) -> SigningChoice | None:
        """What was chosen; None for the development certificate.

        Raises:
            SigningError: ``keys.damaged``: the file is there and cannot be read. It is never passed over.
        """
        path = home.path / _FILE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            known = found.pop("schema") == _SCHEMA and found["tsa_policy"] in get_args(TimeStampPolicy)
            choice = cls(**found)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
            raise _damaged(path, f"{type(problem).__name__}: {problem}") from problem
        if not known:
            raise _damaged(path, "another schema or time-stamp policy")
        return choice

    def save(self, home: Home) -> None:
        """Try the signer and keep the choice, whole or not at all.

        Raises:
            UsageError: ``keys.tsa``: a time stamp is wanted and no authority is named.
            SigningError: the key or certificate is unfit; the message names the field.
        """
        from thsafe.media.files import write_whole

        if self.tsa_policy != "off" and not self.tsa_url:
            raise UsageError(
                "A time stamp needs an authority.",
                code="keys.tsa",
                rule="the development authority vouches for nobody's certificate but its own",
                next_step="name one: --tsa https://…   (or --tsa-policy off where no law wants a time stamp)",
            )
        self.open()
        home.prepare()
        text = json.dumps({"schema": _SCHEMA, **asdict(self)}, indent=2) + "\n"
        write_whole(home.path / _FILE, text.encode())
        (home.path / _FILE).chmod(0o600)

    def open(self) -> ClaimSigner:
        """The signer, linted and tried."""
        return open_signer(self.signer, chain=Path(self.chain))

    def time_stamp(self, rule_ids: Collection[str]) -> TimeStampPolicy:
        """The policy under the laws that bind a job.

        Raises:
            UsageError: ``keys.tsa``: a law wants a time stamp and no authority is named.
        """
        wanted = sorted(TIME_STAMP_RULES & set(rule_ids))
        if not wanted:
            return self.tsa_policy
        if not self.tsa_url:
            raise UsageError(
                "A law that binds this job wants a time stamp, and no authority is named.",
                code="keys.tsa",
                found=f"time-stamp policy {self.tsa_policy}",
                rule=", ".join(wanted),
                next_step="thsafe keys use --signer URI --chain FILE --tsa https://…",
            )
        return "required"


def _damaged(path: Path, found: str) -> SigningError:
    return SigningError(
        f"The choice of signer cannot be read: {path}",
        code="keys.damaged",
        found=found,
        next_step="thsafe keys use --signer URI --chain FILE, or thsafe keys use --development",
    )


def use_development(home: Home) -> None:
    """Sign with the development certificate from now on."""
    (home.path / _FILE).unlink(missing_ok=True)
