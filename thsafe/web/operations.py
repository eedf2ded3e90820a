"""``/v1/health`` for whoever keeps the server running, ``/metrics`` for those with a token."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from thsafe.core.version import __version__
from thsafe.web.access import require
from thsafe.web.tokens import Scope
from thsafe.web.verifications import problems

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """Whether the server can take on work."""

    status: str
    version: str
    mode: str


@router.get("/v1/health", responses=problems(421))
async def health(request: Request) -> Health:
    """Says ``ok`` while the server answers; no figure that tells of others' use."""
    mode = "public" if request.app.state.service.settings.public else "private"
    return Health(status="ok", version=__version__, mode=mode)


@router.get("/metrics", dependencies=[Depends(require(Scope.METRICS))], include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Prometheus text."""
    service = request.app.state.service
    service.refresh_meters()
    return Response(service.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
