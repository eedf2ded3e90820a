"""Who may do what: tokens with scopes, and forms that only our own pages can send.

``require(Scope.…)`` is the dependency for every route that is not open. A program sends its token as ``Authorization:
Bearer``; a person gives it once on the login page and a cookie carries it from then on.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import Request

from thsafe.web.problems import ServiceError
from thsafe.web.tokens import Scope, Tokens

if TYPE_CHECKING:
    from starlette.responses import Response

    from thsafe.web.settings import Settings

_TOKEN_COOKIE = "thsafe_token"  # noqa: S105 - the name of a cookie
_FORM_COOKIE = "thsafe_form"


class Access:
    """The doorkeeper of one server."""

    def __init__(self, settings: Settings) -> None:
        self.tokens = Tokens(settings.tokens)
        self._settings = settings
        self._secret = secrets.token_bytes(32)

    def check(self, request: Request, scope: Scope) -> None:
        """Let a request pass, or raise ServiceError ``service.token`` or ``service.scope``."""
        if scope in {Scope.VERIFY, Scope.MANIFESTS} and not self._settings.token_needed:
            return
        given = _given(request)
        token = None if given is None else self.tokens.holder(given)
        if token is None:
            raise ServiceError(
                "This needs a token.",
                code="service.token",
                found="no token" if given is None else "a token that is unknown, expired or revoked",
                rule=f"scope {scope}",
                next_step=f"ask whoever runs this server: thsafe serve token new --scope {scope}",
            )
        if scope not in token.scopes:
            raise ServiceError(
                "This token does not allow that.",
                code="service.scope",
                found="scopes " + ", ".join(token.scopes),
                rule=f"scope {scope}",
                next_step=f"ask whoever runs this server: thsafe serve token new --scope {scope}",
            )

    def log_in(self, request: Request, response: Response, secret: str) -> bool:
        """Put a token into a cookie, if it is one."""
        if self.tokens.holder(secret) is None:
            return False
        secure = request.url.scheme == "https"
        response.set_cookie(_TOKEN_COOKIE, secret, httponly=True, samesite="strict", secure=secure)
        return True

    def log_out(self, response: Response) -> None:
        """Take the cookie back."""
        response.delete_cookie(_TOKEN_COOKIE, httponly=True, samesite="strict")

    def form_word(self, request: Request) -> tuple[str, str]:
        """For a page with a form: the word for its hidden field, and the cookie that must come with it."""
        cookie = request.cookies.get(_FORM_COOKIE) or secrets.token_urlsafe(24)
        return self._signed(cookie), cookie

    def remember_form(self, request: Request, response: Response, cookie: str) -> None:
        """Set the form's cookie."""
        secure = request.url.scheme == "https"
        response.set_cookie(_FORM_COOKIE, cookie, httponly=True, samesite="strict", secure=secure)

    def check_form(self, request: Request, word: str) -> None:
        """Make sure that a form came from one of our pages; raises ServiceError ``service.form``."""
        cookie = request.cookies.get(_FORM_COOKIE, "")
        if not cookie or not hmac.compare_digest(self._signed(cookie).encode(), word.encode()):
            raise ServiceError(
                "This form did not come from a page of this server, or the page was too old.",
                code="service.form",
                next_step="open the page again and send it from there",
            )

    def _signed(self, cookie: str) -> str:
        return hmac.new(self._secret, cookie.encode(), hashlib.sha256).hexdigest()


def require(scope: Scope) -> Callable[[Request], None]:
    """A dependency that lets only bearers of this scope pass."""

    def check(request: Request) -> None:
        access: Access = request.app.state.access
        access.check(request, scope)

    return check


def _given(request: Request) -> str | None:
    kind, _, word = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and word.strip():
        return word.strip()
    return request.cookies.get(_TOKEN_COOKIE)
