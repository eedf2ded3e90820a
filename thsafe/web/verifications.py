"""``/v1/verifications``: files in, reports out, for programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from thsafe.core.clock import to_text
from thsafe.core.errors import UsageError, error_from_dict
from thsafe.core.types import Json
from thsafe.media.files import plain_name
from thsafe.report.data import report_as_json
from thsafe.web.access import require
from thsafe.web.jobs import Job, State
from thsafe.web.problems import MEDIA_TYPE, Problem, ServiceError, problem_of
from thsafe.web.tokens import Scope
from thsafe.web.uploads import Form, body_to_disk, check_announced, form_to_disk

if TYPE_CHECKING:
    from thsafe.web.service import Service

_MOST_WAIT = 60.0
_SLOWEST_EVENT = 15.0
_MOST_EVENTS = 900.0
"""Seconds that one stream of events lasts at most."""
_MOST_QUESTION = 1 << 14

router = APIRouter(prefix="/v1/verifications", dependencies=[Depends(require(Scope.VERIFY))], tags=["verifications"])


class Finding(BaseModel):
    """What one check came to so far."""

    check: str
    status: str = Field("", description="found, absent, conflict or not-evaluated; empty while it looks.")
    code: str = ""
    summary: str = ""


class Verification(BaseModel):
    """One verification, finished or not."""

    id: str
    state: State
    created: str
    ahead: int = Field(0, description="How many wait before it.")
    checks: list[Finding] = []
    report: dict[str, Any] | None = Field(None, description="The report, thsafe.report/1, once the state is done.")
    problem: Problem | None = Field(None, description="Why there is no report, once the state is failed.")


class Address(BaseModel):
    """A file to fetch."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=2048, pattern="^https?://", examples=["https://media.example/clip.mp4"])
    detectors: bool = False


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: these statuses come as problem details."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"model": Problem, "content": {MEDIA_TYPE: {"schema": schema}}, "description": "RFC 9457 problem"}
        for status in statuses
    }


JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{24}$")]
Wait = Annotated[float, Query(ge=0, le=_MOST_WAIT, description="Seconds to wait for the end (long poll).")]
_YES = ("on", "true", "1")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "detectors": {"type": "string", "enum": list(_YES)},
                    },
                }
            },
            "application/json": {"schema": Address.model_json_schema()},
            "application/octet-stream": _BINARY,
            "video/mp4": _BINARY,
            "image/jpeg": _BINARY,
        },
    }
}


@router.post(
    "",
    status_code=202,
    response_model=Verification,
    openapi_extra=_BODY,
    responses={
        202: {"description": "Taken; Location says where the report will be"},
        **problems(400, 401, 403, 408, 413, 415, 421, 422, 429, 503, 507),
    },
)
async def create(
    request: Request,
    wait: Wait = 0,
    content_disposition: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """Verify a file: ``multipart/form-data`` with a part ``file``, the bare bytes, or JSON with a ``url``."""
    service: Service = request.app.state.service
    service.admit(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        asked = await _question(request)
        job = service.new_job(address=asked.url, detectors=asked.detectors)
        service.submit(job)
    else:
        job = await receive(service, request, kind, content_disposition)
    await ended(job, wait)
    headers = {"Location": f"/v1/verifications/{job.id}"}
    return JSONResponse(document(service, job).model_dump(), status_code=202, headers=headers)


@router.get("/{number}", response_model=Verification, responses=problems(400, 401, 403, 404, 421))
async def read(request: Request, number: JobId, wait: Wait = 0) -> Response:
    """The state of a verification and, once it is done, its report."""
    service: Service = request.app.state.service
    job = service.find(number)
    await ended(job, wait)
    return JSONResponse(
        document(service, job, report=True).model_dump(),
        background=service.delivery(job),
        headers={"Cache-Control": "no-store"},
    )


@router.get("/{number}/report.html", response_class=HTMLResponse, responses=problems(400, 401, 403, 404, 409, 421))
async def page(request: Request, number: JobId, lang: Annotated[str, Query(pattern="^(en|de)$")] = "en") -> Response:
    """The report as one HTML file that opens offline."""
    from thsafe.report.html import render_view

    service: Service = request.app.state.service
    job = service.find(number)
    if job.state is not State.DONE:
        raise ServiceError("There is no report yet.", code="service.not-ready", next_step="ask again with ?wait=30")
    return HTMLResponse(
        render_view(service.schedule.view(job), language=lang),
        headers={"Content-Disposition": 'attachment; filename="report.html"', "Cache-Control": "no-store"},
        background=service.delivery(job),
    )


@router.get(
    "/{number}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **problems(400, 401, 403, 404, 421)},
)
async def events(request: Request, number: JobId) -> Response:
    """Progress as server-sent events: ``progress`` after each check, ``ended`` at the end, without the report."""
    service: Service = request.app.state.service
    job = service.find(number)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(service, job), media_type="text/event-stream", headers=headers)


@router.delete("/{number}", status_code=204, responses=problems(400, 401, 403, 404, 421))
async def delete(request: Request, number: JobId) -> Response:
    """Stop it, and delete the file and the report."""
    service: Service = request.app.state.service
    service.schedule.delete(service.find(number))
    return Response(status_code=204)


async def receive(service: Service, request: Request, kind: str, disposition: str = "") -> Job:
    """A file from the body of a request, as a job in the line."""
    check_announced(request, service.settings, service.schedule.folders.room())
    job = service.new_job()
    target = service.schedule.folders.upload(job.id)
    try:
        if kind == "multipart/form-data":
            form = await form_to_disk(request, target, service.settings, check=lambda _fields: None)
            _check_file(form)
            job.name, job.detectors = service.shown_name(form.file_name), _detectors(form)
        else:
            await body_to_disk(request, target, service.settings)
            job.name = service.shown_name(_name_in(disposition))
        service.submit(job)
    except BaseException:
        service.schedule.folders.forget(job.id)
        raise
    return job


def _detectors(form: Form) -> bool:
    answer = form.fields.get("detectors")
    if answer is not None and answer not in _YES:
        raise UsageError(
            "The field detectors cannot be understood.",
            code="upload.detectors",
            found=repr(answer[:40]),
            rule=f"one of {', '.join(_YES)}, or no such field",
            next_step="send detectors=on, or leave the field out",
        )
    return answer is not None


def _check_file(form: Form) -> None:
    if not form.size:
        raise UsageError("The form has no file.", code="upload.form", next_step="name the part: file")


async def ended(job: Job, seconds: float) -> None:
    """Wait until a job has ended, or the time is over."""
    async with asyncio.timeout(seconds + 1):
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not job.state.ended and not job.cancelled.is_set() and (left := until - loop.time()) > 0:
            await job.change(left)


def document(service: Service, job: Job, *, report: bool = False) -> Verification:
    """A job as programs see it."""
    shown = None
    if report and job.state is State.DONE:
        shown = report_as_json(service.schedule.view(job).report)
    return Verification(
        id=job.id,
        state=job.state,
        created=to_text(service.moment(job.created)),
        ahead=service.schedule.ahead(job) if job.state is State.WAITING else 0,
        checks=[Finding(check=name, **facts) for name, facts in job.findings.items()],
        report=shown,
        problem=problem_of(error_from_dict(job.problem)) if job.problem else None,
    )


async def _events(service: Service, job: Job) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    until = loop.time() + _MOST_EVENTS
    while loop.time() < until:
        if job.cancelled.is_set():
            yield _event("ended", {"id": job.id, "state": "deleted"})
            return
        yield _event("ended" if job.state.ended else "progress", document(service, job).model_dump())
        if job.state.ended:
            return
        while not await job.change(_SLOWEST_EVENT) and loop.time() < until:
            yield ": still there\n\n"


def _event(name: str, data: Json) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


async def _question(request: Request) -> Address:
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > _MOST_QUESTION:
            raise ServiceError("The question is too long.", code="service.too-large")
    try:
        return Address.model_validate_json(bytes(data))
    except ValueError as problem:
        raise UsageError(
            "The body is not a question with a url.",
            code="upload.json",
            next_step='send {"url": "https://host/clip.mp4"}, or the file itself with another content type',
        ) from problem


def _name_in(disposition: str) -> str:
    from python_multipart.multipart import parse_options_header

    _, options = parse_options_header(disposition)
    return plain_name(options.get(b"filename", b"").decode("utf-8", "replace"))
