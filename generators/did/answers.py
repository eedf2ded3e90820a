"""What D-ID answers, read loosely: documented shapes differ among requests, answers and samples."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from thsafe.core.errors import EngineError, InputError, MissingError, StoreError, ThsafeError, UsageError
from thsafe.core.types import Json

WAITING: Final = frozenset({"created", "started", "pending", "processing", "validating", "queued"})
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_LONGEST_PAUSE: Final = 120.0
_SAID: Final = 300


def parsed(body: bytes) -> Json:
    """The JSON value, or the text where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def id_of(answer: Json) -> str:
    """The id of what was made; a translation's answer holds it in a list.

    Raises:
        StoreError: ``did.answer``.
    """
    if isinstance(answer, Mapping) and isinstance(answer.get("translations"), list) and answer["translations"]:
        answer = answer["translations"][0]
    found = answer.get("id") if isinstance(answer, Mapping) else None
    if not isinstance(found, str) or not is_id(found):
        raise changed("no id", answer)
    return found


def is_id(text: str) -> bool:
    """Whether a text can be a job's id: it becomes part of addresses and of a file's name."""
    return _ID.fullmatch(text) is not None


def text_of(answer: Json, name: str) -> str:
    """A text of an answer; raises StoreError ``did.answer`` where it is absent or something else."""
    found = answer.get(name) if isinstance(answer, Mapping) else None
    if not isinstance(found, str) or not found:
        raise changed(f"no {name}", answer)
    return found


def number_of(answer: Json, name: str) -> float:
    """A number of an answer, also where it is written as text; raises StoreError ``did.answer``."""
    found = answer.get(name) if isinstance(answer, Mapping) else None
    try:
        value = float(found) if isinstance(found, (int, float, str)) and not isinstance(found, bool) else float("nan")
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e12:
        raise changed(f"no number {name}", answer)
    return value


def changed(what: str, answer: Json) -> StoreError:
    """The error for an answer that is not what is documented."""
    return StoreError(
        "D-ID answered something that is not documented.",
        code="did.answer",
        found=f"{what} in {_plain(answer)}",
        next_step="try later; if it stays so, this version of thsafe is too old for D-ID",
    )


def pause_of(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that ``Retry-After`` asks to wait (RFC 9110 §10.2.3), at most two minutes; None where it says nothing."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return min(_LONGEST_PAUSE, float(said[:9]))
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(_LONGEST_PAUSE, max(0.0, (moment - now).total_seconds()))


def failure(status: int, answer: Json) -> ThsafeError:
    """The error for an answer that is no success."""
    kind = str(answer.get("kind", "")) if isinstance(answer, Mapping) else ""
    found = f"HTTP status {status}: {_plain(answer)}"
    if status == 401:
        return MissingError(
            "D-ID does not accept the key.",
            code="did.key",
            found=found,
            next_step="check the key (thsafe did key); D-ID also answers so when a payment failed",
        )
    if status == 402 or kind == "InsufficientCreditsError":
        return EngineError("D-ID's credits do not suffice.", code="did.credits", found=found, next_step="buy credits")
    if status == 451:
        return EngineError(
            "D-ID refused for legal reasons.",
            code="did.refused",
            found=found,
            rule="the vendor's moderation; HTTP status 451",
            next_step="use another picture or other words",
        )
    if status == 403:
        return EngineError(
            "D-ID does not allow this.", code="did.forbidden", found=found, next_step="see what your plan covers"
        )
    if status == 404:
        return UsageError("D-ID does not know this.", code="did.unknown", found=found, next_step="check the id")
    if status == 429:
        return StoreError(
            "D-ID is asked too often.", code="did.busy", found=found, next_step="wait some minutes and try again"
        )
    if 400 <= status < 500:
        face = kind == "InvalidFaceError"
        return InputError(
            "D-ID finds no usable face." if face else "D-ID does not take what was sent.",
            code="did.face" if face else "did.request",
            found=found,
            next_step="give a picture of one face from the front" if face else "see docs/howto/d-id.md",
        )
    if status >= 500:
        return StoreError("D-ID is in trouble.", code="did.server", found=found, next_step="try again later")
    return changed(f"status {status}", answer)


def failed_job(state: str, answer: Json) -> EngineError:
    """The error for a job that ended without a video."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    said = _plain(error if error is not None else answer)
    if state == "rejected":
        return EngineError(
            "D-ID rejected the job.",
            code="did.rejected",
            found=said,
            rule="the vendor's moderation",
            next_step="use another picture or other words",
        )
    return EngineError("D-ID's job failed.", code="did.failed", found=said, next_step="try again, or another picture")


def _plain(answer: Json) -> str:
    """What was said, short and on one line; nothing that could move a terminal's cursor."""
    if isinstance(answer, Mapping):
        named = [str(answer[name]) for name in ("kind", "description", "message", "status") if answer.get(name)]
        details = answer.get("details")
        if isinstance(details, Mapping):
            for name, value in details.items():
                named.append(f"{name}: {value.get('message', '') if isinstance(value, Mapping) else value}")
        text = "; ".join(named) or ", ".join(map(str, answer)) or "nothing"
    else:
        text = str(answer) or "nothing"
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_SAID]
