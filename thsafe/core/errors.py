"""Every failure that thsafe reports, in one tree.

ThsafeError
├── UsageError            the call itself is wrong                       exit 2
├── Refused               the gate said no
│   ├── PolicyRefused     a rule forbids the job                         exit 20
│   └── ConsentRefused    consent is missing, expired, revoked, other    exit 21
├── InputError            a file is unreadable, unsupported, too large   exit 30
├── MissingError          a package, driver or weight is not installed   exit 31
├── EngineError           the generator failed                           exit 32
├── SigningError          a key or certificate is missing or unfit       exit 33
├── StoreError            database, disk or network                      exit 34
├── MarkError             a mark could not be written or read back       exit 35
└── LedgerBroken          the audit log does not verify                  exit 40

Each error says what was found, which rule it breaks and what to do next; ``str()`` is the one-line message and
``explain()`` the block that the command line prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from thsafe.core.exitcodes import ExitCode


class ThsafeError(Exception):
    """Base of all failures a user can cause or mend.

    ``code`` is a stable dotted name such as ``consent.missing``; ``found`` says what was there, ``rule`` which rule
    or limit it breaks, ``next_step`` what to do, ``log`` what was recorded and what was not written.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(
        self,
        message: str,
        *,
        code: str,
        found: str = "",
        rule: str = "",
        next_step: str = "",
        log: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.found = found
        self.rule = rule
        self.next_step = next_step
        self.log = log

    def explain(self) -> str:
        """The error as the block of lines that a person reads."""
        lines = [f"error[{self.code}]: {self.message}"]
        rows = (("found", self.found), ("rule", self.rule), ("next", self.next_step), ("log", self.log))
        for label, text in rows:
            for number, line in enumerate(text.splitlines()):
                lines.append(f"  {label if number == 0 else '':<7} {line}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, str | int]:
        """The same fields for ``--json``."""
        return {
            "error": self.code,
            "message": self.message,
            "found": self.found,
            "rule": self.rule,
            "next": self.next_step,
            "log": self.log,
            "exit_code": int(self.exit_code),
        }


class UsageError(ThsafeError):
    """The call contradicts itself or names something that does not exist."""

    exit_code = ExitCode.USAGE


class Refused(ThsafeError):
    """The gate said no; nothing was generated."""

    exit_code = ExitCode.REFUSED_BY_POLICY


class PolicyRefused(Refused):
    """A policy rule forbids the job."""

    exit_code = ExitCode.REFUSED_BY_POLICY


class ConsentRefused(Refused):
    """Consent is missing, expired, revoked, exhausted, or covers something else."""

    exit_code = ExitCode.REFUSED_CONSENT


class InputError(ThsafeError):
    """A file is not what the job needs: unreadable, unsupported, damaged, faceless or over a limit."""

    exit_code = ExitCode.INPUT


class MissingError(ThsafeError):
    """A package, driver, model weight or other thing that can be installed is not there."""

    exit_code = ExitCode.MISSING


class EngineError(ThsafeError):
    """A generator broke while rendering."""

    exit_code = ExitCode.ENGINE


class SigningError(ThsafeError):
    """A key or certificate is missing, unreadable or unfit for its use."""

    exit_code = ExitCode.KEYS


class StoreError(ThsafeError):
    """The database, the disk or a service on the network failed."""

    exit_code = ExitCode.STORE


class MarkError(ThsafeError):
    """A label, watermark or manifest could not be written, or was not found again in the finished file."""

    exit_code = ExitCode.MARKS


class LedgerBroken(ThsafeError):
    """The audit log contradicts itself or an earlier witness."""

    exit_code = ExitCode.LEDGER_BROKEN


def error_from_dict(value: Mapping[str, str | int]) -> ThsafeError:
    """The error that :meth:`ThsafeError.as_dict` was made of; raises KeyError where a field is absent."""
    kinds = {int(kind.exit_code): kind for kind in (UsageError, *_FAILURES)}
    return kinds.get(int(value["exit_code"]), InputError)(
        str(value["message"]),
        code=str(value["error"]),
        found=str(value["found"]),
        rule=str(value["rule"]),
        next_step=str(value["next"]),
        log=str(value["log"]),
    )


_FAILURES = (
    PolicyRefused,
    ConsentRefused,
    InputError,
    MissingError,
    EngineError,
    SigningError,
    StoreError,
    MarkError,
    LedgerBroken,
)
