"""Failures as RFC 9457 problem details, with the codes of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from thsafe.core.errors import InputError, MissingError, Refused, StoreError, ThsafeError, UsageError
from thsafe.core.exitcodes import ExitCode

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
_STATUS = {
    "store.disk-full": 507,
    "service.unknown": 404,
    "service.method": 405,
    "service.not-ready": 409,
    "service.too-large": 413,
    "service.slow": 408,
    "service.media-type": 415,
    "service.busy": 503,
    "service.rate": 429,
    "service.token": 401,
    "service.scope": 403,
    "service.origin": 403,
    "service.form": 403,
    "service.host": 421,
    "service.elsewhere": 403,
    "capture.place": 409,
    "manifest.unknown": 404,
    "manifest.erased": 410,
}
_BY_KIND = ((UsageError, 400), (Refused, 403), (InputError, 422), (MissingError, 503), (StoreError, 503))
_TITLES = {
    400: "The request is wrong",
    401: "A token is needed",
    403: "Not allowed",
    404: "Not here",
    405: "Not this way",
    408: "Too slow",
    409: "Not yet",
    410: "No longer here",
    413: "Too large",
    415: "Not this kind of body",
    421: "Not this host",
    422: "The file cannot be examined",
    429: "Too many requests",
    500: "A bug in thsafe",
    503: "Not now",
    507: "No room",
}


class ServiceError(ThsafeError):
    """The server turns a request away before any file is looked at."""

    exit_code = ExitCode.USAGE


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:thsafe:problem:input.not-media"])
    title: str
    status: int
    detail: str
    code: str = Field(description="The stable code that the command line prints, such as input.not-media.")
    found: str = ""
    rule: str = ""
    next_step: str = ""
    exit_code: int = Field(description="The exit code of the command line for the same failure.")


def status_of(error: ThsafeError) -> int:
    """The HTTP status for a failure."""
    if error.code in _STATUS:
        return _STATUS[error.code]
    return next((status for kind, status in _BY_KIND if isinstance(error, kind)), 500)


def problem_of(error: ThsafeError) -> Problem:
    """A failure as problem details."""
    status = status_of(error)
    return Problem(
        type=f"urn:thsafe:problem:{error.code}",
        title=_TITLES.get(status, _TITLES[500]),
        status=status,
        detail=error.message,
        code=error.code,
        found=error.found,
        rule=error.rule,
        next_step=error.next_step,
        exit_code=int(error.exit_code),
    )


def answer(error: ThsafeError, headers: Mapping[str, str] | None = None) -> Response:
    """The response to a program."""
    problem = problem_of(error)
    more = dict(headers or {})
    if problem.status == 401:
        more["WWW-Authenticate"] = 'Bearer realm="thsafe"'
    if problem.status in {429, 503}:
        more.setdefault("Retry-After", "10")
    if problem.status in {408, 413}:
        more["Connection"] = "close"  # the rest of the body is not read
    return JSONResponse(problem.model_dump(), status_code=problem.status, media_type=MEDIA_TYPE, headers=more)


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks, and not a program."""
    if request.url.path.startswith(("/v1/", "/sbr/", "/metrics")):
        return False
    return "text/html" in request.headers.get("accept", "")


def unknown(what: str) -> ServiceError:
    """There is no such thing, or no longer."""
    return ServiceError(
        f"There is no such {what}, or no longer.",
        code="service.unknown",
        next_step="reports are kept for a while only; verify the file again",
    )
