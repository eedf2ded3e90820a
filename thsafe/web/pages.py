"""The pages for people: plain HTML forms that work without scripts, in the catalogue's languages.

One ES module adds dropping a file and live progress; the pages say the same without it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from thsafe.catalogue import LANGUAGES, catalogue, chosen_language
from thsafe.core.errors import ThsafeError, UsageError, error_from_dict
from thsafe.report.html import page_values
from thsafe.web.access import require
from thsafe.web.jobs import Job, State
from thsafe.web.problems import unknown
from thsafe.web.schedule import FETCH
from thsafe.web.tokens import Scope
from thsafe.web.uploads import Form, check_announced, form_to_disk
from thsafe.web.verifications import ended

if TYPE_CHECKING:
    from jinja2 import Environment

    from thsafe.core.types import Json
    from thsafe.web.service import Service

_PATIENCE = 2.0
"""Seconds that a report page waits for its report before it shows progress instead."""
_STATIC = {"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}

router = APIRouter(include_in_schema=False)
JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{24}$")]
_VERIFY = [Depends(require(Scope.VERIFY))]


@router.get("/", dependencies=_VERIFY)
async def start(request: Request) -> Response:
    """The page where a file is given."""
    service: Service = request.app.state.service
    settings = service.settings
    return render_form(
        request,
        "start.html",
        size=_in_words(settings.max_upload),
        public=settings.public,
        fetches=settings.remote is not None,
        hours=f"{settings.keep_seconds / 3600:g}",
    )


@router.post("/verifications", dependencies=_VERIFY)
async def create(request: Request) -> Response:
    """The form of the start page."""
    service: Service = request.app.state.service
    service.admit(request)
    check_announced(request, service.settings, service.schedule.folders.room())
    job = service.new_job()
    target = service.schedule.folders.upload(job.id)

    def check(fields: dict[str, str]) -> None:
        service.access.check_form(request, fields.get("word", ""))

    try:
        form = await form_to_disk(request, target, service.settings, check=check)
        check(form.fields)
        _fill(job, form, service)
        service.submit(job)
    except BaseException:
        service.schedule.folders.forget(job.id)
        raise
    language = form.fields.get("lang", "")
    more = f"?lang={language}" if language in LANGUAGES else ""
    return RedirectResponse(f"/verifications/{job.id}{more}", status_code=303)


def _fill(job: Job, form: Form, service: Service) -> None:
    """The file of a form, or else its address."""
    address = form.fields.get("address", "").strip()
    job.detectors = bool(form.fields.get("detectors"))
    if form.size:
        job.name = service.shown_name(form.file_name)
    elif address:
        service.check_address(address)
        job.address = address
    else:
        raise UsageError("No file was chosen.", code="upload.empty", next_step="go back and choose one")


@router.get("/verifications/{number}", dependencies=_VERIFY)
async def show(request: Request, number: JobId) -> Response:
    """Progress, and at the end the report or why there is none."""
    service: Service = request.app.state.service
    job = service.find(number)
    await ended(job, _PATIENCE)
    if job.state is State.DONE:
        view = service.schedule.view(job)
        language = language_of(request)
        return render_form(
            request,
            "report.html",
            background=service.delivery(job),
            job=job,
            public=service.settings.public,
            **page_values(view, language),
        )
    if job.state is State.FAILED:
        return failure(request, error_from_dict(job.problem), 422, background=service.delivery(job))
    return render_form(request, "progress.html", job=job, rows=_rows(job), ahead=service.schedule.ahead(job))


@router.post("/verifications/{number}/delete", dependencies=_VERIFY)
async def delete(request: Request, number: JobId) -> Response:
    """The button that deletes a report."""
    service: Service = request.app.state.service
    await _small_form(request)
    service.schedule.delete(service.find(number))
    return render(request, "deleted.html")


@router.get("/login")
async def login(request: Request) -> Response:
    """Where a person gives a token."""
    return render_form(request, "login.html", wrong=False)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """The form of the login page."""
    service: Service = request.app.state.service
    fields = await _small_form(request)
    response = RedirectResponse("/", status_code=303)
    if service.access.log_in(request, response, fields.get("token", "")):
        return response
    return render_form(request, "login.html", status=403, wrong=True)


@router.post("/logout")
async def log_out(request: Request) -> Response:
    """Forget the token."""
    service: Service = request.app.state.service
    await _small_form(request)
    response = RedirectResponse("/login", status_code=303)
    service.access.log_out(response)
    return response


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """The style sheet and the module, from memory."""
    if name not in _STATIC:
        raise unknown("page")
    data, digest = _asset(name)
    headers = {"ETag": f'"{digest}"', "Cache-Control": "public, max-age=31536000, immutable"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_STATIC[name], headers=headers)


def failure(request: Request, problem: ThsafeError, status: int, *, background: Json = None) -> Response:
    """A page that says what went wrong and what to do."""
    if problem.code in {"service.token", "service.scope"}:
        wrong = problem.code == "service.scope" or "thsafe_token" in request.cookies
        return render_form(request, "login.html", status=status, wrong=wrong)
    return render(request, "failed.html", status=status, background=background, problem=problem)


def language_of(request: Request) -> str:
    """The language that a page is shown in: the address's, else the browser's."""
    asked = request.query_params.get("lang", "")
    return asked if asked in LANGUAGES else chosen_language(request.headers.get("accept-language", ""))


def render_form(request: Request, template: str, *, status: int = 200, **values: Json) -> Response:
    """A page with a form: with the word that proves where the form came from."""
    service: Service = request.app.state.service
    word, cookie = service.access.form_word(request)
    response = render(request, template, status=status, word=word, **values)
    service.access.remember_form(request, response, cookie)
    return response


def render(request: Request, template: str, *, status: int = 200, background: Json = None, **values: Json) -> Response:
    """A page in the language that was asked for."""
    language = language_of(request)
    service: Service = request.app.state.service
    given = {
        "words": catalogue(language),
        "languages": LANGUAGES,
        # What was delivered in public is gone: its address leads nowhere in another language either.
        "here": "/" if request.method != "GET" or (service.settings.public and background) else request.url.path,
        "asset": lambda name: f"/static/{name}?v={_asset(name)[1]}",
        "logged_in": "thsafe_token" in request.cookies,
        "public": service.settings.public,
        **values,
    }
    text = _templates().get_template(template).render(given)
    headers = {"Content-Language": language, "Vary": "Accept-Language, Cookie"}
    return HTMLResponse(text, status_code=status, headers=headers, background=background)


@cache
def _templates() -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, PrefixLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader("thsafe.web"), PrefixLoader({"report": PackageLoader("thsafe.report")})]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


@cache
def _asset(name: str) -> tuple[bytes, str]:
    data = resources.files("thsafe.web").joinpath("static", name).read_bytes()
    if name == "style.css":
        data = resources.files("thsafe.report").joinpath("templates", "report.css").read_bytes() + data
    return data, hashlib.sha256(data).hexdigest()[:16]


def _rows(job: Job) -> list[tuple[str, str]]:
    """(check, state) of every technique, those to come included."""
    from thsafe.verification import check_names

    names = [*([FETCH] if FETCH in job.findings else []), *check_names()]
    names += [name for name in job.findings if name not in names]
    return [(name, _progress(job.findings.get(name))) for name in names]


def _progress(finding: dict[str, Json] | None) -> str:
    if finding is None:
        return "pending"
    return str(finding.get("status") or "running")


async def _small_form(request: Request) -> dict[str, str]:
    """A form of few, short fields, from one of our pages."""
    from urllib.parse import parse_qsl

    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > 1 << 14:
            raise UsageError("The form is too long.", code="upload.form")
    fields = dict(parse_qsl(data.decode("utf-8", "replace"), max_num_fields=20))
    service: Service = request.app.state.service
    service.access.check_form(request, fields.get("word", ""))
    return fields


def _in_words(size: int) -> str:
    for unit, many in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if size >= many:
            return f"{size / many:.3g} {unit}"
    return f"{size} B"
