"""A server on this machine that speaks D-ID's documented requests, states and errors, and can misbehave."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "someone@example.org:s3cr3t-of-the-account"
EXPIRED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>'


class Service:
    """What the server knows; ``answers`` are given, in order, instead of its own: path's beginning to list."""

    def __init__(self, video: bytes) -> None:
        self.video = video
        self.answers: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.states = ["created", "started", "done"]
        self.last: dict[str, Any] = {}
        self.count: Counter[str] = Counter()
        self.url = ""

    def bodies(self, path: str) -> list[Any]:
        return [json.loads(body) for _, asked, _, body in self.asked if asked == path and body.startswith(b"{")]

    def reply(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        for start, planned in self.answers.items():
            if f"{method} {path}".startswith(start) and planned:
                found = planned.pop(0)
                if found is not None:
                    return found
        if path.startswith("/result/"):
            assert "Authorization" not in headers, "the key is not for the store"
            return 200, self.video, {"Content-Type": "video/mp4"}
        if headers.get("Authorization") != f"Basic {KEY}":
            return 401, {"kind": "AuthorizationError", "description": f"bad key {headers.get('Authorization')}"}, {}
        if path == "/credits":
            credit = {"owner_id": "x", "remaining": 17, "total": 20, "product_id": "p", "expire_at": "2030-01-01"}
            return 200, {"credits": [credit], "remaining": 17, "total": 20}, {}
        if path in {"/images", "/audios"} and method == "POST":
            field = path[1:-1]
            named = re.search(rb'name="(\w+)"; filename="([^"]+)"', body)
            if named is None or named[1].decode() != field:
                return (
                    400,
                    {
                        "kind": "ValidationError",
                        "description": "validation failed",
                        "details": {"body": {"message": f"'{field}' is required"}},
                    },
                    {},
                )
            return 201, {"id": f"{field}_1", "url": f"s3://d-id-{field}s/1/{named[2].decode()}"}, {}
        if path == "/consents":
            return 201, {"id": "cst_1", "text": "I, [user name] confirm: lake, grass, salad", "created_at": "now"}, {}
        if path.startswith("/consents/"):
            return 200, {"id": "cst_1", "status": "done"}, {}
        if method == "POST" and path in {"/talks", "/clips", "/animations", "/translations"}:
            given = json.loads(body)
            if path in {"/talks", "/clips"} and "script" not in given:
                return (
                    400,
                    {
                        "kind": "ValidationError",
                        "description": "validation failed",
                        "details": {"body.script": {"message": "'script' is required"}},
                    },
                    {},
                )
            self.last = given
            if path == "/translations":
                return 201, {"translations": [{"id": "trs_1", "name": "n"}]}, {}
            kind = {"/talks": "tlk_1", "/clips": "clp_1", "/animations": "anm_1"}[path]
            return (
                201,
                {
                    "id": kind,
                    "object": path[1:-1],
                    "created_at": "now",
                    "created_by": "google-oauth2|1",
                    "status": "created",
                },
                {},
            )
        if method == "DELETE":
            return 200, {"id": path.rpartition("/")[2]}, {}
        if method == "GET" and path.count("/") == 2:
            name = path.rpartition("/")[2]
            state = self.states[min(self.count[name], len(self.states) - 1)]
            self.count[name] += 1
            job = {
                "id": name,
                "status": state,
                "user_id": "google-oauth2|1",
                "face": {"overlap": "no", "detection": [1, 2, 3, 4]},
            }
            if state == "done":
                job |= {
                    "result_url": f"{self.url}/result/{name}.mp4?Expires={self.count[name]}",
                    "duration": 1,
                    "config": {"result_format": ".mp4", "logo": {"url": "ai", "position": [0, 0]}},
                }
            if state == "error":
                job["error"] = {"kind": "FaceError", "description": "face not detected"}
            if state == "rejected":
                job["error"] = {"kind": "ModerationError", "description": "the image was flagged"}
            return 200, job, {}
        return (
            405,
            {"kind": "MethodNotAllowedError", "description": "API documentation is available at https://docs.d-id.com"},
            {},
        )


class Served:
    def __init__(self, service: Service) -> None:
        self.service = service

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def _do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.partition("?")[0]
                service.asked.append((self.command, path, dict(self.headers), body))
                status, answer, headers = service.reply(self.command, path, dict(self.headers), body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                slow, half = float(headers.pop("X-Slow", 0)), "X-Half" in headers
                headers.pop("X-Half", None)
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    if slow:
                        for number in range(len(data)):
                            self.wfile.write(data[number : number + 1])
                            self.wfile.flush()
                            time.sleep(slow)
                    else:
                        self.wfile.write(data[: len(data) // 2] if half else data)
                except OSError:
                    pass

            def do_GET(self) -> None:
                self._do()

            def do_POST(self) -> None:
                self._do()

            def do_DELETE(self) -> None:
                self._do()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        service.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Service:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self.service

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
