"""A webhook that is only a bell: whoever rings, D-ID itself is asked how the job stands."""

from __future__ import annotations

import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self
from urllib.parse import urlsplit

from thsafe.core.errors import StoreError, UsageError

_MOST: Final = 1 << 16


class Doorbell:
    """Listens on this machine for the vendor's call.

    What the call says is not read: it comes from anyone. The path is secret, so that few ring.

    Args:
        public: the https address under which a proxy of the user's leads here.
        port: where to listen, on 127.0.0.1 alone; 0 for any.
    """

    def __init__(self, public: str, port: int) -> None:
        parts = urlsplit(public)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
            raise UsageError(
                "A webhook has an https address.",
                code="did.webhook",
                found=public[:200],
                next_step="give the address under which a proxy leads to this machine",
            )
        self._path = f"/{secrets.token_urlsafe(24)}"
        self.address = public.rstrip("/") + self._path
        self.rung = threading.Event()
        rung, path = self.rung, self._path

        class Handler(BaseHTTPRequestHandler):
            """Hears the bell, keeps nothing."""

            timeout = 10

            def do_POST(self) -> None:
                """Somebody rings."""
                known = secrets.compare_digest(self.path.rpartition("/")[2].encode(), path[1:].encode())
                length = self.headers.get("Content-Length", "0")
                if length.isdecimal() and int(length) <= _MOST:
                    self.rfile.read(int(length))
                if known:
                    rung.set()
                self.send_response(204 if known else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as problem:
            raise StoreError(
                "The webhook's port cannot be opened.",
                code="did.webhook-port",
                found=f"{port}: {problem.strerror}",
                next_step="choose another --webhook-port",
            ) from problem
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
