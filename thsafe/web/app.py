"""The server's application: routers for programs and for people around one service.

A new part is a router module with ``router`` in it, named in ``create_app``; what it needs of the server it finds in
``request.app.state.service``, and who may use it is said by ``require(Scope.…)``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

import thsafe.web.pages as pages_for_people
from thsafe.core.errors import ThsafeError, UsageError
from thsafe.core.version import __version__
from thsafe.web import manifests, operations, verifications
from thsafe.web.guard import Guard
from thsafe.web.problems import ServiceError, answer, status_of, unknown, wants_page
from thsafe.web.service import Service

if TYPE_CHECKING:
    from thsafe.web.settings import Settings

_ABOUT = (
    "Verify pictures, video and sound: graded reports, every technique by itself, nothing ever called real or fake. "
    "Failures are RFC 9457 problems with the codes of the thsafe command line."
)


def create_app(settings: Settings) -> FastAPI:
    """The application of one server.

    Raises:
        StoreError: the folder for uploads cannot be made.
    """
    service = Service(settings)

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        await service.schedule.start()
        try:
            yield
        finally:
            await service.schedule.stop()

    app = FastAPI(
        title="thsafe verification",
        version=__version__,
        description=_ABOUT,
        lifespan=life,
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.service = service
    app.state.access = service.access
    for part in (verifications, manifests, operations, pages_for_people):
        app.include_router(part.router)
    if (resolution := manifests.resolution(service)) is not None:
        app.mount("/sbr", resolution)
    app.add_exception_handler(ThsafeError, _failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_middleware(Guard, service=service)
    return app


async def _failed(request: Request, problem: Exception) -> Response:
    if not isinstance(problem, ThsafeError):
        raise problem
    request.app.state.service.meters.refused(problem.code)
    if wants_page(request):
        return pages_for_people.failure(request, problem, status_of(problem))
    return answer(problem)


async def _invalid(request: Request, problem: Exception) -> Response:
    first = problem.errors()[0] if isinstance(problem, RequestValidationError) else {}
    place = ".".join(str(part) for part in first.get("loc", ()))
    if place.startswith("path."):
        return await _failed(request, unknown("verification"))
    return await _failed(
        request,
        UsageError(
            "The request is not as described.",
            code="service.request",
            found=f"{place}: {first.get('msg', '')}"[:300],
            next_step="see /v1/openapi.json",
        ),
    )


async def _http(request: Request, problem: Exception) -> Response:
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    if status == 404:
        return await _failed(request, unknown("page"))
    code = "service.method" if status == 405 else "service.request"
    error = ServiceError("This cannot be asked in this way.", code=code, next_step="see /v1/openapi.json")
    response = await _failed(request, error)
    if isinstance(problem, HTTPException) and problem.headers and "allow" in problem.headers:
        response.headers["Allow"] = problem.headers["allow"]
    return response
