"""The socket: uvicorn, with patience for slow senders that ends."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from thsafe.core.errors import StoreError
from thsafe.web.app import create_app

if TYPE_CHECKING:
    from asyncio import Transport

    from fastapi import FastAPI

    from thsafe.web.settings import Settings

_SECONDS_TO_ASK = 15.0
_MOST_CONNECTIONS = 1000


class ImpatientProtocol(H11Protocol):
    """Closes connections that do not get a whole request head across in time (uvicorn itself waits for ever)."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override] # uvicorn narrows it likewise
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait again while nothing is asked."""
        super().data_received(data)
        if self._patience is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        if self._patience is not None:
            self._patience.cancel()

    def _wait(self) -> None:
        self._patience = self.loop.call_later(_SECONDS_TO_ASK, self._give_up)

    def _give_up(self) -> None:
        self._patience = None
        cycle: Any = self.cycle  # None before the first request, whatever its annotation says
        if (cycle is None or cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()


def listen(
    settings: Settings,
    *,
    host: str,
    port: int,
    proxies: tuple[str, ...] = (),
    ready: Callable[[str], None] = lambda _address: None,
    make: Callable[[Settings], FastAPI] = create_app,
) -> None:
    """Serve until interrupted.

    Args:
        settings: how.
        host: address to bind.
        port: port to bind.
        proxies: whose X-Forwarded-For and -Proto are believed.
        ready: told the page's address once connections are taken.
        make: the application.

    Raises:
        StoreError: ``service.port``, or as ``make``.
    """
    opened = _bind(host, port)
    try:
        config = configure(make(settings), proxies)
    except BaseException:
        opened.close()
        raise
    shown = f"[{host}]" if ":" in host else host
    server = _Server(config, lambda: ready(f"http://{shown}:{port}/"))
    with opened:
        server.run(sockets=[opened])


def configure(app: FastAPI, proxies: tuple[str, ...] = (), **options: Any) -> uvicorn.Config:
    """How every server of ours listens."""
    return uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws="none",
        loop="asyncio",
        log_level="critical",
        access_log=False,  # addresses of clients are nobody's business
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        backlog=512,
        timeout_graceful_shutdown=5,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        **options,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host, port))
    except OSError as problem:
        opened.close()
        raise StoreError(
            f"{host}:{port} cannot be listened on.",
            code="service.port",
            found=str(problem),
            next_step=f"choose another: --port {port + 1 if port < 65535 else 8000}",
        ) from problem
    return opened
