"""The permit: leave to generate one job, sealed by the gate; void for any other job, process or later time."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

from thsafe.consent.files import sha256_of
from thsafe.consent.refusal import name_of
from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import PolicyRefused
from thsafe.core.types import Decision, MediaRef, Obligations, Request

PERMIT_TERM: Final = timedelta(hours=12)
"""A render that takes longer asks again: consent may have been withdrawn meanwhile."""

_SECRET: Final = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to generate one job, made by the gate alone and void for any other."""

    request_digest: str
    decision: Decision
    obligations: Obligations
    consent_digests: tuple[str, ...]
    """Of the consents that cover the job: what the manifest may say about them."""
    ledger_index: int
    """Where the log holds the decision (event ``intent``)."""
    expires: datetime
    seal: str
    """HMAC over all the above under a key that lives and dies with this process."""

    def __post_init__(self) -> None:
        if not hmac.compare_digest(self.seal, _seal(self)):
            raise TypeError("a Permit is made by Gate.ask alone")

    def __init_subclass__(cls, **_: object) -> None:
        raise TypeError("a Permit cannot be extended")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Permit cannot be copied or stored; ask the gate again")

    def check(self, request: Request, *, now: datetime | None = None) -> None:
        """Make sure that the permit is for this very request and still valid.

        Raises:
            PolicyRefused: ``permit.forged``, ``permit.other-job`` or ``permit.expired``.
        """
        try:
            genuine = type(self) is Permit and hmac.compare_digest(self.seal, _seal(self))
        except (AttributeError, TypeError):
            genuine = False
        if not genuine:
            raise _void("permit.forged", "The permit was not made by the gate.", "its seal does not hold")
        if self.request_digest != request.digest():
            raise _void("permit.other-job", "The permit is for another job.", f"permit for {self.request_digest[:16]}…")
        if (now or system_clock()) >= self.expires:
            raise _void("permit.expired", "The permit has expired.", f"at {to_text(self.expires)}")

    def verify_inputs(self, request: Request, *, now: datetime | None = None) -> None:
        """``check`` and hash every input again, before the output is put in place.

        Raises:
            PolicyRefused: as ``check``, or ``media.job-digest`` naming the file that changed.
            InputError: a file is gone.
        """
        self.check(request, now=now)
        verify_inputs(request)


def verify_inputs(request: Request) -> None:
    """Hash every input again: what is about to be published was made from what was approved.

    Raises:
        PolicyRefused: ``media.job-digest`` naming the file that changed.
        InputError: a file is gone.
    """
    changed = [name_of(ref) for ref in request.inputs if not intact(ref)]
    if changed:
        raise PolicyRefused(
            "An input changed after the gate approved it.",
            code="media.job-digest",
            found=", ".join(changed),
            rule="policies/20-use.cedar @id media.job-digest",
            next_step="start the job again; do not change inputs while it runs",
            log="nothing was written",
        )


def make_permit(digest: str, decision: Decision, consents: tuple[str, ...], index: int, expires: datetime) -> Permit:
    """Seal a decision; for the gate alone."""
    obligations = decision.obligations
    if obligations is None:
        raise TypeError("an allowed decision carries its obligations")
    return Permit(
        request_digest=digest,
        decision=decision,
        obligations=obligations,
        consent_digests=consents,
        ledger_index=index,
        expires=expires,
        seal=_tag(digest, decision, obligations, consents, index, expires),
    )


def _seal(permit: Permit) -> str:
    return _tag(
        permit.request_digest,
        permit.decision,
        permit.obligations,
        permit.consent_digests,
        permit.ledger_index,
        permit.expires,
    )


def _tag(*parts: object) -> str:
    # repr of frozen dataclasses of plain values is complete and unambiguous, and never leaves this process.
    return hmac.new(_SECRET, repr(parts).encode(), hashlib.sha256).hexdigest()


def _void(code: str, message: str, found: str) -> PolicyRefused:
    return PolicyRefused(
        message,
        code=code,
        found=found,
        rule="a permit is made by the gate, for one job, for 12 hours",
        next_step="ask the gate again",
        log="nothing was written",
    )


def intact(ref: MediaRef) -> bool:
    """Whether the bytes are those described.

    An input without file carries its words, or is a portrait that is drawn anew from the parameters behind its digest:
    then nothing lies about that could be exchanged, and ``synthetic_proof`` tells whether the digest is of such a one.
    """
    if ref.path is not None:
        return hmac.compare_digest(sha256_of(ref.path), ref.sha256)
    if ref.text is None:
        return ref.performer == "synthetic"
    return hmac.compare_digest(hashlib.sha256(ref.text.encode()).hexdigest(), ref.sha256)
