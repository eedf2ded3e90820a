"""The consent page: a request's terms in words, the six words to read aloud, camera and microphone, a signed record.

Signing is ``thsafe consent record`` at this machine's desk: a key of the person's own, the recording's digest. The
recording and the picture are here for as long as signing takes and are deleted with it; what stays is what that
command keeps. The recording itself stays in the person's browser, which offers it for saving.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from thsafe.catalogue import LANGUAGES, Catalogue, Phrase, catalogue
from thsafe.consent.collect import ConsentRequest, parse_request
from thsafe.consent.files import malformed
from thsafe.consent.words import in_words
from thsafe.core.errors import InputError, UsageError
from thsafe.media.files import write_failure
from thsafe.web import pages
from thsafe.web.forms import file_of, form_of, stored_picture, text_of
from thsafe.web.problems import ServiceError, unknown
from thsafe.web.stagedoor import guarded

if TYPE_CHECKING:
    from thsafe.consent.record import ConsentRecord
    from thsafe.core.types import Json
    from thsafe.web.service import Service

_KEPT = 3600.0
"""Seconds that a sitting may take."""
_MOST_SITTINGS = 8
_MOST_REQUEST = 1 << 20
MOST_PIECE = 4 << 20
MOST_RECORDING = 256 << 20
_MOST_NAME = 200
_GLOSSED = {"modes": "mode", "purposes": "purpose", "never": "purpose", "territories": "territory"}
_WITH_CAMERA = {"Permissions-Policy": "geolocation=(), camera=(self), microphone=(self)"}

router = guarded("/consent")
SittingId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{24}$")]


@dataclass(slots=True, kw_only=True)
class Sitting:
    """One request that somebody reads and may agree to."""

    id: str
    request: ConsentRequest
    folder: FilePath
    began: float
    signed: ConsentRecord | None = None
    signing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Nobody signs twice by pressing twice: each time would make a key and a record."""

    @property
    def recording(self) -> FilePath:
        """As much of the recording as has come."""
        return self.folder / "recording"

    @property
    def picture(self) -> FilePath:
        """The picture that the person names."""
        return self.folder / "picture"


class Sittings:
    """The requests that are open in the browser; none outlives the server."""

    def __init__(self, folder: FilePath) -> None:
        self._folder = folder
        self._open: dict[str, Sitting] = {}

    def start(self) -> None:
        """Delete what a killed server left: it may be somebody's face."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700, parents=True)

    def stop(self) -> None:
        """Delete everything."""
        self._open.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new(self, request: ConsentRequest) -> Sitting:
        """Open one; the oldest of many is closed, and each after an hour."""
        while len(self._open) >= _MOST_SITTINGS:
            self.close(min(self._open.values(), key=lambda sitting: sitting.began))
        number = secrets.token_urlsafe(18)
        folder = self._folder / number
        folder.mkdir(mode=0o700)
        sitting = Sitting(id=number, request=request, folder=folder, began=time.monotonic())
        self._open[number] = sitting
        asyncio.get_running_loop().call_later(_KEPT, self.close, sitting)
        return sitting

    def find(self, number: str) -> Sitting:
        """One by its id; raises ServiceError ``service.unknown``."""
        sitting = self._open.get(number)
        if sitting is None:
            raise unknown("consent request")
        return sitting

    def close(self, sitting: Sitting) -> None:
        """Delete everything of it."""
        self._open.pop(sitting.id, None)
        shutil.rmtree(sitting.folder, ignore_errors=True)


@router.get("")
async def start(request: Request) -> Response:
    """Where a request is given."""
    return pages.render_form(request, "capture.html")


@router.post("")
async def take(request: Request) -> Response:
    """The request's file."""
    fields = await form_of(request)
    try:
        given = file_of(fields, "request")
        if given is None:
            raise UsageError("No file was chosen.", code="upload.empty", next_step="go back and choose the request")
        data = await given.read(_MOST_REQUEST + 1)
        if len(data) > _MOST_REQUEST:
            raise malformed("consent request", f"{given.size} bytes")
        asked = _read(data)
    finally:
        await fields.close()
    sitting = _sittings(request).new(asked)
    language = text_of(fields, "lang")
    more = f"?lang={language}" if language in LANGUAGES else ""
    return RedirectResponse(f"/consent/{sitting.id}{more}", status_code=303)


@router.get("/{number}")
async def read(request: Request, number: SittingId) -> Response:
    """The terms, the words, the camera; or the signed record."""
    sitting = _sittings(request).find(number)
    if sitting.signed is not None:
        return _signed(request, sitting)
    words = catalogue(pages.language_of(request))
    response = pages.render_form(
        request,
        "capture_read.html",
        sitting=sitting,
        rows=[(name, _told(words, name, text)) for name, text in in_words(sitting.request.terms)],
        phrase=sitting.request.phrase,
        piece=MOST_PIECE // 4,
        most=MOST_RECORDING,
    )
    response.headers.update(_WITH_CAMERA)
    return response


@router.put("/{number}/recording")
async def piece(request: Request, number: SittingId, offset: int) -> Response:
    """A piece of the recording, at the place where the last one ended; place 0 begins anew."""
    service: Service = request.app.state.service
    service.access.check_form(request, request.headers.get("x-form-word", ""))
    sitting = _sittings(request).find(number)
    if sitting.signed is not None:
        raise ServiceError("This is signed already.", code="capture.place", found="a signed record")
    data = await _body(request)
    size = await run_in_threadpool(_append, sitting, data, offset)
    return Response(json.dumps({"size": size}), media_type="application/json")


@router.post("/{number}/sign")
async def sign(request: Request, number: SittingId) -> Response:
    """The person agrees: signs at this machine's desk."""
    fields = await form_of(request)
    try:
        sitting = _sittings(request).find(number)
        if text_of(fields, "agree") != "yes":
            raise UsageError(
                "Nothing was signed: you have not agreed.",
                code="capture.agree",
                next_step="read the terms and tick that you agree, or close the page",
            )
        async with sitting.signing:
            if sitting.signed is None:
                sitting.signed = await run_in_threadpool(_sign, sitting, fields, request.app.state.service)
    finally:
        await fields.close()
    return RedirectResponse(f"/consent/{sitting.id}?lang={pages.language_of(request)}", status_code=303)


@router.get("/{number}/signed.json")
async def record(request: Request, number: SittingId) -> Response:
    """The signed record, to send back."""
    signed = _sittings(request).find(number).signed
    if signed is None:
        raise unknown("signed record")
    data = json.dumps(dict(signed.document), ensure_ascii=False, indent=2).encode()
    headers = {"Content-Disposition": 'attachment; filename="signed.json"'}
    return Response(data, media_type="application/json", headers=headers)


@router.post("/{number}/leave")
async def leave(request: Request, number: SittingId) -> Response:
    """The person does not agree, or is done."""
    await form_of(request)
    sittings = _sittings(request)
    sittings.close(sittings.find(number))
    return RedirectResponse("/consent", status_code=303)


def _told(words: Catalogue, heading: str, text: str) -> Phrase:
    """A term in the reader's language; words of the vocabulary keep themselves beside what they mean."""
    if heading not in _GLOSSED:
        return words.sentence(text)
    parts = []
    for word in text.split(", "):
        key = f"{_GLOSSED[heading]}.{word}"
        meaning = words.say(key) if words.has(key) else word
        parts.append(word if meaning.lower().replace(" ", "-") == word.lower() else f"{meaning} ({word})")
    return Phrase(", ".join(parts), words.language)


def _sittings(request: Request) -> Sittings:
    found: Sittings = request.app.state.sittings
    return found


def _read(data: bytes) -> ConsentRequest:
    """A request that can be answered here; raises InputError or UsageError."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise malformed("consent request", "not JSON") from problem
    if not isinstance(document, dict):
        raise malformed("consent request", "not an object")
    asked = parse_request(document)
    if asked.assurance == "wallet":
        raise UsageError(
            "This request asks for what a wallet presents, not for a recording.",
            code="capture.wallet",
            next_step="thsafe consent record REQUEST --agree --wallet FILE -o signed.json",
        )
    return asked


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_PIECE:
            raise ServiceError("The piece is too large.", code="service.too-large", rule=f"at most {MOST_PIECE} bytes")
    return bytes(data)


def _append(sitting: Sitting, data: bytes, offset: int) -> int:
    have = sitting.recording.stat().st_size if sitting.recording.exists() else 0
    if offset not in {0, have}:
        raise ServiceError("A piece is missing before this one.", code="capture.place", found=f"{have} bytes are here")
    if offset + len(data) > MOST_RECORDING:
        raise ServiceError(
            "The recording is too long.",
            code="service.too-large",
            rule=f"at most {MOST_RECORDING} bytes",
            next_step="record the six words alone",
        )
    try:
        with sitting.recording.open("ab" if offset else "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise write_failure(sitting.recording, problem.errno, len(data)) from problem
    return offset + len(data)


def _sign(sitting: Sitting, fields: FormData, service: Service) -> ConsentRecord:
    """``thsafe consent record``; then nothing of face or voice is left here, whether it succeeded or not."""
    from thsafe.desk import Desk

    name = text_of(fields, "name").strip()
    if len(name) > _MOST_NAME or not name.isprintable():
        raise UsageError("This is no name.", code="capture.name", rule=f"{_MOST_NAME} characters on one line at most")
    try:
        _check_recording(sitting)
        return Desk(home=service.settings.home).give(
            sitting.request,
            portrait=stored_picture(fields, "picture", sitting.picture) if file_of(fields, "picture") else None,
            name=name or None,
            recording=sitting.recording,
            check_words=text_of(fields, "check") == "yes",
        )
    finally:
        for path in (sitting.recording, sitting.picture):
            path.unlink(missing_ok=True)


def _check_recording(sitting: Sitting) -> None:
    """Make sure that somebody can be heard in it at all; who listens decides whether it is the person."""
    from thsafe.media.probe import probe

    if not sitting.recording.exists():
        raise UsageError(
            "There is no recording.", code="consent.recording", next_step="record yourself reading the words"
        )
    if probe(sitting.recording).audio_codec is None:
        raise InputError(
            "The recording has no sound.",
            code="consent.recording",
            found="a picture without a sound track",
            next_step="let the page use the microphone and record again",
        )


def _signed(request: Request, sitting: Sitting) -> Response:
    signed = sitting.signed
    if signed is None:
        raise unknown("signed record")
    from thsafe.consent.collect import missing_signers

    values: dict[str, Json] = {"sitting": sitting, "record": signed, "missing": sorted(missing_signers(signed))}
    return pages.render_form(request, "capture_signed.html", **values)
