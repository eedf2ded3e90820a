"""Who gets into the studio: this machine alone, with a token, through forms of its own pages.

The studio makes films and signs consents, so it is an application of its own (``thsafe studio``) that no option of
``thsafe serve`` can open: it refuses to exist in public mode or under other names, and refuses callers that are not on
this machine or come through a proxy.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from thsafe.core.errors import ThsafeError, UsageError
from thsafe.media.files import write_failure
from thsafe.web import pages
from thsafe.web.access import require
from thsafe.web.forms import form_of, text_of
from thsafe.web.problems import ServiceError, answer, status_of, unknown, wants_page
from thsafe.web.tokens import Scope, Token, Tokens

if TYPE_CHECKING:
    from thsafe.web.service import Service
    from thsafe.web.settings import Settings

_TOKEN_NAME = "studio page"  # noqa: S105 - what a token is called
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class StudioRoute(APIRoute):
    """A route whose failures are told on the studio's own pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, and what it says when it fails."""
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await inner(request)
            except ThsafeError as problem:
                return failure(request, problem)
            except RequestValidationError:
                return failure(request, unknown("page"))
            except ClientDisconnect:
                return Response(status_code=400)  # nobody is there to read why
            except OSError as problem:
                data = request.app.state.service.settings.data
                return failure(request, write_failure(data / "upload", problem.errno, 0))

        return handle


def on_this_machine(request: Request) -> None:
    """Let only this machine's own callers pass, or raise ServiceError ``service.elsewhere``."""
    client = request.client.host if request.client else ""
    proxied = next((name for name in _FORWARDED if name in request.headers), None)
    if not _is_loopback(client) or proxied:
        raise ServiceError(
            "The studio is open to this machine only.",
            code="service.elsewhere",
            found=f"a request with {proxied}" if proxied else "a caller from another machine",
            rule="it makes films and signs consents with the keys of whoever started it",
            next_step="run it where you sit: thsafe studio",
        )


door = APIRouter(
    prefix="/studio", include_in_schema=False, route_class=StudioRoute, dependencies=[Depends(on_this_machine)]
)
"""What is open without a token: the way in."""


def guarded(prefix: str) -> APIRouter:
    """A router for what needs the studio's token."""
    return APIRouter(
        prefix=prefix,
        include_in_schema=False,
        route_class=StudioRoute,
        dependencies=[Depends(on_this_machine), Depends(require(Scope.STUDIO))],
    )


class Ticket:
    """The way in for whoever started the studio: an address that works once."""

    def __init__(self) -> None:
        self.word = secrets.token_urlsafe(24)
        self._token = ""

    def give(self, token: str) -> None:
        """Say which token it stands for."""
        self._token = token

    def take(self, word: str) -> str:
        """The token, once; empty for any other word and ever after."""
        if not hmac.compare_digest(word.encode(), self.word.encode()):
            return ""
        token, self._token = self._token, ""
        return token


@door.get("/enter/{word}")
async def enter(request: Request, word: str) -> Response:
    """The address that was printed at the start: once, and ever after for the browser that used it."""
    service: Service = request.app.state.service
    response = RedirectResponse("/studio", status_code=303)
    with contextlib.suppress(ServiceError):
        service.access.check(request, Scope.STUDIO)
        return response
    if service.access.log_in(request, response, request.app.state.ticket.take(word)):
        return response
    return pages.render_form(request, "studio_login.html", status=403, wrong=True)


@door.post("/login")
async def log_in(request: Request) -> Response:
    """The form of the login page."""
    service: Service = request.app.state.service
    fields = await form_of(request)
    response = RedirectResponse("/studio", status_code=303)
    if service.access.log_in(request, response, text_of(fields, "token")):
        return response
    return pages.render_form(request, "studio_login.html", status=403, wrong=True)


def failure(request: Request, problem: ThsafeError) -> Response:
    """What went wrong and what to do: a page for people, a problem for scripts, the login page for strangers."""
    service: Service = request.app.state.service
    service.meters.refused(problem.code)
    if not wants_page(request):
        return answer(problem)
    status = status_of(problem)
    if problem.code in {"service.token", "service.scope"}:
        wrong = problem.code == "service.scope" or "thsafe_token" in request.cookies
        return pages.render_form(request, "studio_login.html", status=status, wrong=wrong)
    return pages.render(request, "studio_failed.html", status=status, problem=problem, refused=False)


def create_studio(settings: Settings, ticket: Ticket | None = None) -> FastAPI:
    """The verification application with the studio in it.

    Args:
        settings: of this machine alone.
        ticket: the way in that is told to whoever starts it.

    Raises:
        UsageError: ``studio.public``: the settings would let others in.
        StoreError: the folder for uploads cannot be made.
    """
    if settings.public or settings.hosts:
        raise UsageError(
            "The studio is for this machine only.",
            code="studio.public",
            found="public mode" if settings.public else ", ".join(settings.hosts),
            next_step="start it by itself: thsafe studio",
        )
    from thsafe.web import capture, studio
    from thsafe.web.app import create_app

    app = create_app(settings)
    app.state.ticket = ticket or Ticket()
    app.state.productions = studio.productions(settings)
    app.state.sittings = capture.Sittings(settings.data / "capture")
    for part in (door, studio.router, capture.router):
        app.include_router(part)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def life(whole: FastAPI) -> AsyncIterator[Any]:
        async with inner(whole) as state:
            tokens: Tokens = whole.state.access.tokens
            token, secret = _own_token(tokens, settings)
            whole.state.ticket.give(secret)
            whole.state.sittings.start()
            await whole.state.productions.start()
            try:
                yield state
            finally:
                await whole.state.productions.stop()
                whole.state.sittings.stop()
                _take_back(tokens, token)

    app.router.lifespan_context = life
    return app


def _own_token(tokens: Tokens, settings: Settings) -> tuple[Token, str]:
    """A token for the ticket; what a killed studio over the same folder left is revoked."""
    name = f"{_TOKEN_NAME} {hashlib.sha256(bytes(settings.data.absolute())).hexdigest()[:8]}"
    for token in tokens.all():
        if token.name == name:
            tokens.revoke(token.id)
    return tokens.new(name, [Scope.STUDIO], days=1)


def _take_back(tokens: Tokens, token: Token) -> None:
    if any(item.id == token.id for item in tokens.all()):
        tokens.revoke(token.id)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
