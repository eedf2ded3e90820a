"""The manifest store as a C2PA Soft Binding Resolution API: marks in, manifests out.

Reading only: ``/matches/byBinding``, ``/matches/byContent``, ``/manifests/{id}`` and ``/services/supportedAlgorithms``
of the OpenAPI description in C2PA 2.4; its routes that write or that fetch an address are refused in words, and every
refusal is a problem document (RFC 9457). Answers hold manifest ids, scores and signed manifests, which are public by
nature; no path, no consent, no log entry. Matches are possible ones: the asker holds the manifest against his file.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from thsafe.core.errors import ThsafeError
from thsafe.sandbox import Leads, Sandbox

if TYPE_CHECKING:
    from thsafe.core.types import Json
    from thsafe.home import Home
    from thsafe.installation import Installation
    from thsafe.provenance.lookup import Candidate

_MOST_UPLOADED = 512 << 20
_MOST_ASKED = 1 << 20
"""Bytes of a JSON question; the longest fingerprint, of two hours of sound, is 700 KB."""
_SECONDS_TO_UPLOAD = 300
_MOST_RESULTS = 100
_USUAL_RESULTS = 10
_HEX_DIGITS = 16
_ASSETS = ("image/", "audio/", "video/", "application/octet-stream", "application/mp4")
"""Media types of uploads; what the file is, is read from its bytes."""


class _BadRequest(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    manifest_id: str
    score: int
    """0 to 100; 100 where a mark or the encoded content leads to exactly one output."""


Examine = Callable[[Path], Awaitable[Leads]]
"""Takes an uploaded file and says where its marks lead."""


def resolution_app(
    home: Home,
    *,
    most_bytes: int = _MOST_UPLOADED,
    hosts: tuple[str, ...] = (),
    examine: Examine | None = None,
    folder: Path | None = None,
) -> Starlette:
    """The application over one installation's store.

    Args:
        home: whose outputs are found.
        most_bytes: size of an upload at most.
        hosts: names to answer to besides the loopback ones; others are refused, so that no web page can reach in
            through a name of its own.
        examine: examines uploads; by default one at a time in a sandbox of this application's own.
        folder: where uploads are put; by default the system's temporary folder.

    Raises:
        SigningError: ``keys.missing`` where nothing was set up.
    """
    from thsafe.installation import Installation

    resolver = _Resolver(Installation.open(home), most_bytes, examine or _in_sandbox(home), folder)
    return Starlette(
        routes=[
            Route("/matches/byBinding", resolver.by_binding, methods=["GET", "POST"]),
            Route("/matches/byContent", resolver.by_content, methods=["POST"]),
            Route("/matches/byReference", _refuse_reference, methods=["POST"]),
            Route("/manifests", _refuse_writing, methods=["POST"]),
            Route("/bindings", _refuse_writing, methods=["POST", "PUT"]),
            Route("/manifests/{manifest_id}", resolver.manifest, methods=["GET"]),
            Route("/manifests/{manifest_id}", _refuse_writing, methods=["DELETE"]),
            Route("/services/supportedAlgorithms", resolver.algorithms, methods=["GET"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", *hosts])],
        exception_handlers={_BadRequest: _refused, HTTPException: _not_served},
    )


class _Resolver:
    def __init__(self, installation: Installation, most_bytes: int, examine: Examine, folder: Path | None) -> None:
        self._installation = installation
        self._most_bytes = most_bytes
        self._examine = examine
        self._folder = folder
        self._examining = asyncio.Semaphore(1)  # one file at a time: each decodes frames and searches for marks

    async def algorithms(self, _request: Request) -> Response:
        """Which bindings can be asked for."""
        watermark, *fingerprints = _algorithms()
        return JSONResponse(
            {"watermarks": [{"alg": watermark}], "fingerprints": [{"alg": alg} for alg in fingerprints]}
        )

    async def by_binding(self, request: Request) -> Response:
        """Outputs with a given watermark id or with a fingerprint like the given one."""
        asked = dict(request.query_params) if request.method == "GET" else await _json_body(request)
        algorithm, value = asked.get("alg"), asked.get("value")
        if not isinstance(algorithm, str) or not isinstance(value, str):
            raise _BadRequest(400, "binding.missing", "alg and value are needed")
        most = _most(asked.get("maxResults") or request.query_params.get("maxResults"))
        found = await run_in_threadpool(self._by_binding, algorithm, _decoded(value))
        return _matches(found, most)

    async def by_content(self, request: Request) -> Response:
        """Outputs that an uploaded file (the bare bytes as the body) may be a copy of."""
        algorithm = request.query_params.get("alg")
        if algorithm is not None and algorithm not in _algorithms():
            raise _BadRequest(400, "binding.algorithm", "this algorithm is not supported here")
        most = _most(request.query_params.get("maxResults"))
        hint = _hint(request)
        if not request.headers.get("content-type", "application/octet-stream").lower().startswith(_ASSETS):
            raise _BadRequest(415, "content.type", "an image, audio or video file is looked for")
        with tempfile.TemporaryDirectory(prefix="thsafe-upload-", dir=self._folder) as folder:
            upload = Path(folder) / "upload"
            try:
                async with asyncio.timeout(_SECONDS_TO_UPLOAD):
                    await self._receive(request, upload)
            except TimeoutError as problem:
                raise _BadRequest(408, "content.slow", "the upload took too long") from problem
            async with self._examining:
                try:
                    leads = await self._examine(upload)
                except ThsafeError as problem:
                    raise _BadRequest(422, problem.code, problem.message) from problem
        found = await run_in_threadpool(self._by_content, leads, algorithm, hint)
        return _matches(found, most)

    async def manifest(self, request: Request) -> Response:
        """The signed manifest store under an id, or its active manifest alone."""
        from thsafe.provenance.jumbf import active_manifest

        outputs = self._installation.ledger.outputs
        alone = request.query_params.get("returnActiveManifest", "false").lower()
        if alone not in {"true", "false"}:
            raise _BadRequest(400, "manifest.parameter", "returnActiveManifest is true or false")
        record = await run_in_threadpool(outputs.by_manifest, request.path_params["manifest_id"])
        if record is None:
            raise _BadRequest(404, "manifest.unknown", "no manifest is stored under this id")
        if not record.manifest:
            raise _BadRequest(410, "manifest.erased", "this manifest was erased for the person shown")
        store = active_manifest(record.manifest) if alone == "true" else record.manifest
        return Response(store, media_type="application/c2pa")

    def _by_binding(self, algorithm: str, value: bytes) -> list[_Found]:
        from thsafe.provenance.lookup import search_fingerprint
        from thsafe.provenance.prints import sounds
        from thsafe.provenance.soundprint import search_soundprint

        watermark, picture, sound = _algorithms()
        outputs = self._installation.ledger.outputs
        if algorithm == watermark:
            record = outputs.by_watermark(_watermark_id(value))
            return [_Found(manifest_id=record.manifest_id, score=100)] if record is not None and record.manifest else []
        try:
            if algorithm == picture:
                return _scored(search_fingerprint(_fingerprint_text(value), outputs))
            if algorithm == sound:
                return _scored(search_soundprint(_fingerprint_text(value), sounds(outputs.fingerprints())))
        except ValueError as problem:
            raise _BadRequest(400, "binding.value", "the value is no fingerprint of this version") from problem
        raise _BadRequest(400, "binding.algorithm", "this algorithm is not supported here")

    def _by_content(self, leads: Leads, algorithm: str | None, hint: tuple[str, bytes] | None) -> list[_Found]:
        watermark, picture, sound = _algorithms()
        hinted = [] if hint is None else self._by_binding(*hint)
        outputs = self._installation.ledger.outputs
        found: dict[str, _Found] = {}
        led = None if algorithm is not None or leads.manifest_id is None else outputs.by_manifest(leads.manifest_id)
        if algorithm in {None, watermark} and leads.mark_id is not None:
            led = outputs.by_watermark(leads.mark_id)
        if led is not None and led.manifest and not leads.moved:
            found[led.manifest_id] = _Found(manifest_id=led.manifest_id, score=100)
        for alg, text in ((picture, leads.fingerprint), (sound, leads.soundprint)):
            if algorithm in {None, alg} and text is not None:
                for item in self._by_binding(alg, text.encode()):
                    found.setdefault(item.manifest_id, item)
        # A hint says where to look first; what the content itself does not lead to is not answered.
        first = {item.manifest_id for item in hinted}
        return sorted(found.values(), key=lambda item: item.manifest_id not in first)

    async def _receive(self, request: Request, target: Path) -> None:
        """The body to disk, piece by piece; nothing is held in memory."""
        written = 0
        with target.open("xb") as file:
            async for piece in request.stream():
                written += len(piece)
                if written > self._most_bytes:
                    raise _BadRequest(413, "content.size", f"the file is larger than {self._most_bytes} bytes")
                await run_in_threadpool(file.write, piece)
        if written == 0:
            raise _BadRequest(400, "content.missing", "the body is the file")


def _in_sandbox(home: Home) -> Examine:
    sandbox = Sandbox(home)

    async def examine(upload: Path) -> Leads:
        def work() -> Leads:
            return sandbox.examine(upload, name="", folder=upload.parent, fingerprint=True).leads

        return await run_in_threadpool(work)

    return examine


def _algorithms() -> tuple[str, str, str]:
    """Of the watermark, of the picture's fingerprint, of the sound's."""
    from thsafe.provenance.fingerprint import ALGORITHM as FINGERPRINT
    from thsafe.provenance.soundprint import ALGORITHM as SOUNDPRINT
    from thsafe.watermark import ALGORITHM as WATERMARK

    return WATERMARK, FINGERPRINT, SOUNDPRINT


def _scored(candidates: tuple[Candidate, ...]) -> list[_Found]:
    return [_Found(manifest_id=item.manifest_id, score=_score(item.match.share)) for item in candidates]


def _hint(request: Request) -> tuple[str, bytes] | None:
    """Algorithm and value of an additional soft binding that the asker knows of."""
    algorithm, value = (request.query_params.get(name) for name in ("hintAlg", "hintValue"))
    if algorithm is None and value is None:
        return None
    if algorithm not in _algorithms() or value is None:
        raise _BadRequest(400, "binding.hint", "hintAlg is an algorithm supported here and comes with hintValue")
    return algorithm, _decoded(value)


def _matches(found: list[_Found], most: int) -> Response:
    rows = [{"manifestId": item.manifest_id, "similarityScore": item.score} for item in found[:most]]
    return JSONResponse({"matches": rows})


def _score(share: float) -> int:
    """A likeness is never certain: 99 at most."""
    return min(99, round(share * 100))


def _most(value: object) -> int:
    try:
        most = _USUAL_RESULTS if value is None else int(str(value))
    except ValueError:
        most = 0
    if not 1 <= most <= _MOST_RESULTS:
        raise _BadRequest(400, "binding.results", f"maxResults is a number from 1 to {_MOST_RESULTS}")
    return most


async def _json_body(request: Request) -> dict[str, Json]:
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > _MOST_ASKED:
            raise _BadRequest(413, "binding.size", "the question is too long")
    try:
        asked = json.loads(bytes(data))
    except (ValueError, RecursionError) as problem:
        raise _BadRequest(400, "binding.json", "the body is not JSON") from problem
    if not isinstance(asked, dict):
        raise _BadRequest(400, "binding.json", "the body is not an object")
    return asked


def _decoded(value: str) -> bytes:
    try:
        # In an address "+" arrives as a space.
        return base64.b64decode(value.replace(" ", "+").replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise _BadRequest(400, "binding.value", "the value is not base64") from problem


def _watermark_id(value: bytes) -> str:
    """The id as the store holds it, from its eight bytes or from their sixteen digits as in the manifest."""
    text = value.hex() if len(value) == _HEX_DIGITS // 2 else value.decode("latin-1").lower()
    if len(text) != _HEX_DIGITS or not set(text) <= set("0123456789abcdef"):
        raise _BadRequest(400, "binding.value", "the value is no watermark id of 64 bits")
    return text


def _fingerprint_text(value: bytes) -> str:
    """As in the manifest, from the bytes themselves or from their base64 text."""
    return base64.b64encode(value).decode() if value.startswith((b"TF\x01", b"TS\x01")) else value.decode("latin-1")


async def _refuse_reference(_request: Request) -> Response:
    raise _BadRequest(403, "reference.refused", "no address is fetched here: upload the file to /matches/byContent")


async def _refuse_writing(_request: Request) -> Response:
    raise _BadRequest(403, "store.reading-only", "manifests get in here by being published, and by nothing else")


async def _refused(_request: Request, problem: Exception) -> Response:
    if not isinstance(problem, _BadRequest):
        raise problem
    return _problem(problem.status, problem.code, problem.message)


async def _not_served(_request: Request, problem: Exception) -> Response:
    """Unknown addresses and methods, in the same form."""
    if not isinstance(problem, HTTPException):
        raise problem
    response = _problem(problem.status_code, "route.unknown", "no such route here")
    response.headers.update(problem.headers or {})
    return response


def _problem(status: int, code: str, message: str) -> Response:
    """A problem document (RFC 9457)."""
    words = {"type": f"urn:thsafe:problem:{code}", "title": message, "status": status, "code": code}
    return JSONResponse(words, status_code=status, media_type="application/problem+json")
