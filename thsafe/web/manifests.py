"""``/v1/manifests``: the store of published manifests, by mark or digest; and the C2PA resolution API beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from thsafe.core.errors import SigningError
from thsafe.web.access import require
from thsafe.web.problems import ServiceError
from thsafe.web.tokens import Scope
from thsafe.web.verifications import problems

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.applications import Starlette
    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

    from thsafe.sandbox import Leads
    from thsafe.store.outputs import OutputRecord, Outputs
    from thsafe.web.service import Service

router = APIRouter(prefix="/v1/manifests", dependencies=[Depends(require(Scope.MANIFESTS))], tags=["manifests"])


class Stored(BaseModel):
    """One published manifest."""

    id: str
    media_type: str
    created: str
    href: str


class Found(BaseModel):
    """What a mark or digest leads to."""

    manifests: list[Stored]


@router.get("", responses=problems(400, 401, 403, 421))
async def look_up(
    request: Request,
    watermark: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$", description="64 bits as hexadecimal.")] = None,
    sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description="Of the whole published file.")] = None,
) -> Found:
    """The manifest that a watermark id or the SHA-256 of a file leads to; both, if both are given; else none."""
    outputs = _outputs(request)
    if outputs is None or (watermark is None and sha256 is None):
        return Found(manifests=[])

    def find() -> list[OutputRecord]:
        led = [outputs.by_watermark(watermark)] if watermark is not None else []
        led += [outputs.by_sha256(sha256)] if sha256 is not None else []
        found = [record for record in led if record is not None and record.manifest]
        same = len({record.manifest_id for record in found}) == 1 and len(found) == len(led)
        return found[:1] if same else []

    return Found(manifests=[_stored(record) for record in await run_in_threadpool(find)])


@router.get(
    "/{manifest_id}",
    response_class=Response,
    responses={200: {"content": {"application/c2pa": {}}}, **problems(400, 401, 403, 404, 410, 421)},
)
async def manifest(request: Request, manifest_id: str) -> Response:
    """The signed manifest store under an id, as it was published."""
    outputs = _outputs(request)
    record = None if outputs is None else await run_in_threadpool(outputs.by_manifest, manifest_id)
    if record is None:
        raise ServiceError("No manifest is stored under this id.", code="manifest.unknown")
    if not record.manifest:
        raise ServiceError("This manifest was erased for the person shown.", code="manifest.erased")
    return Response(record.manifest, media_type="application/c2pa")


def resolution(service: Service) -> _Doorkept | None:
    """The C2PA Soft Binding Resolution API over the same store; None where no keys were made yet."""
    from thsafe.web.resolution import resolution_app

    async def examine(upload: Path) -> Leads:
        number = service.schedule.folders.new()
        try:
            service.schedule.folders.adopt(number, upload)
            return await service.schedule.leads(number)
        finally:
            service.schedule.folders.forget(number)

    try:
        app = resolution_app(
            service.settings.home,
            most_bytes=service.settings.max_upload,
            hosts=("*",),  # the guard has checked the name
            examine=examine,
            folder=service.settings.jobs,
        )
    except SigningError:
        return None
    return _Doorkept(app, service)


class _Doorkept:
    """The mounted application behind the same tokens and the same rate as the rest."""

    def __init__(self, app: Starlette, service: Service) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        from thsafe.core.errors import ThsafeError
        from thsafe.web.problems import answer

        request = Request(scope)
        try:
            self._service.access.check(request, Scope.MANIFESTS)
            if request.url.path.endswith("/matches/byContent"):
                self._service.admit(request)
        except ThsafeError as problem:
            await answer(problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _outputs(request: Request) -> Outputs | None:
    from thsafe.installation import Installation

    service: Service = request.app.state.service
    if service.installation is None:
        service.installation = Installation.open_or_none(service.settings.home)
    return None if service.installation is None else service.installation.ledger.outputs


def _stored(record: OutputRecord) -> Stored:
    return Stored(
        id=record.manifest_id,
        media_type=record.media_type,
        created=record.created_at,
        href=f"/v1/manifests/{record.manifest_id}",
    )
