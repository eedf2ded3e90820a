"""Bodies of requests, to disk piece by piece: nothing is held in memory, nothing waits for a sender that dawdles.

What a form calls its file is kept as a label for people and never used as a path.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from thsafe.core.errors import UsageError
from thsafe.media.files import plain_name, write_failure
from thsafe.web.problems import ServiceError

if TYPE_CHECKING:
    from starlette.requests import Request

    from thsafe.web.settings import Settings

_FLUSH = 1 << 20
_MOST_FIELD = 4096
_MOST_FIELDS = 10
_MOST_HEADER = 4096
_GRACE = 30.0
_RESERVE = 64 << 20
"""Bytes of the disk that uploads leave free."""

FieldCheck = Callable[[dict[str, str]], None]


@dataclass(slots=True)
class Form:
    """What a form brought."""

    fields: dict[str, str] = field(default_factory=dict)
    file_name: str = ""
    size: int = 0
    """Bytes of the file; 0: there was none."""


def check_announced(request: Request, settings: Settings, room: int) -> None:
    """Refuse a body that is too large by its own account, before a byte of it is read.

    Raises:
        ServiceError: ``service.too-large``.
        StoreError: ``store.disk-full``.
    """
    announced = request.headers.get("content-length", "")
    size = int(announced) if announced.isascii() and announced.isdigit() and len(announced) < 20 else 0
    if size > settings.max_upload + _MOST_FIELDS * (_MOST_FIELD + _MOST_HEADER):
        raise _too_large(settings, f"{size} bytes")
    if size + _RESERVE > room:
        raise write_failure(settings.jobs / "upload", 28, size)


async def body_to_disk(request: Request, target: Path, settings: Settings) -> int:
    """The bare body into a new file; returns its size.

    Raises:
        ServiceError: ``service.too-large`` or ``service.slow``.
        UsageError: ``upload.empty`` or ``upload.broken``.
        StoreError: the disk is full.
    """
    with _Writer(target, settings) as writer:
        async for piece in _pieces(request, settings):
            await writer.take(piece)
        await writer.finish()
    if writer.size == 0:
        raise UsageError("The body is empty.", code="upload.empty", next_step="send the file as the body")
    return writer.size


async def form_to_disk(request: Request, target: Path, settings: Settings, *, check: FieldCheck) -> Form:
    """A ``multipart/form-data`` body: its one file into a new file, its fields into memory.

    Args:
        request: the request.
        target: where the part named ``file`` goes.
        settings: limits.
        check: called with the fields that came before the file, before any of the file is written.

    Raises:
        ServiceError: as ``body_to_disk``.
        UsageError: ``upload.form``: the body is no such form, or has more than it should.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary or len(boundary) > 200:
        raise _malformed("no boundary")
    reader = _FormReader(check)
    with _Writer(target, settings) as writer:
        try:
            parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type] # its type wants all keys
            async for piece in _pieces(request, settings):
                parser.write(piece)
                await writer.take(reader.taken())
            parser.finalize()
        except FormParserError as problem:
            raise _malformed(str(problem)[:200]) from problem
        if not reader.ended:
            raise _malformed("it breaks off")
        await writer.finish()
    reader.form.size = writer.size
    return reader.form


class _Writer:
    """A new file that is there whole or not at all."""

    def __init__(self, target: Path, settings: Settings) -> None:
        self._target = target
        self._settings = settings
        self._waiting = bytearray()
        self._file: BinaryIO | None = None
        self._whole = False
        self.size = 0

    def __enter__(self) -> Self:
        self._file = self._target.open("xb")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        if not self._whole:
            self._target.unlink(missing_ok=True)

    async def take(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > self._settings.max_upload:
            raise _too_large(self._settings, "more")
        self._waiting += piece
        if len(self._waiting) >= _FLUSH:
            await run_in_threadpool(self._flush, sync=False)

    async def finish(self) -> None:
        await run_in_threadpool(self._flush, sync=True)
        self._whole = self.size > 0

    def _flush(self, *, sync: bool) -> None:
        if self._file is None:
            return
        try:
            self._file.write(self._waiting)
            self._waiting = bytearray()
            if sync:
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as problem:
            raise write_failure(self._target, problem.errno, self.size) from problem


async def _pieces(request: Request, settings: Settings) -> AsyncIterator[bytes]:
    """The body as it comes; raises for a sender that pauses too long or is too slow on the whole."""
    stream = request.stream()
    began, received = time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(settings.idle_seconds):
                piece = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as problem:
            raise _slow(settings) from problem
        except ClientDisconnect as problem:
            raise UsageError("The upload broke off.", code="upload.broken", next_step="send it again") from problem
        received += len(piece)
        taken = time.monotonic() - began
        if taken > _GRACE and received < (taken - _GRACE) * settings.slowest:
            raise _slow(settings)
        yield piece


class _FormReader:
    """The parser's callbacks: one part named ``file``, a few short fields."""

    def __init__(self, check: FieldCheck) -> None:
        self.form = Form()
        self.ended = False
        self._check = check
        self._taken = bytearray()
        self._header = bytearray()
        self._value = bytearray()
        self._disposition = b""
        self._name: str | None = None
        self._text = bytearray()
        self._files = self._parts = 0

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def taken(self) -> bytes:
        """What came of the file since the last time."""
        piece, self._taken = bytes(self._taken), bytearray()
        return piece

    def _part_begin(self) -> None:
        self._parts += 1
        self._name, self._disposition, self._text = None, b"", bytearray()
        if self._parts > _MOST_FIELDS:
            raise _malformed(f"more than {_MOST_FIELDS} parts")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._bound(self._header)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound(self._value)

    def _header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part without a name")
        self._name = options[b"name"].decode("utf-8", "replace")
        if self._name == "file":
            self._files += 1
            if self._files > 1:
                raise _malformed("more than one file")
            self._check(self.form.fields)
            self.form.file_name = plain_name(options.get(b"filename", b"").decode("utf-8", "replace"))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file":
            self._taken += data[start:end]
        else:
            self._text += data[start:end]
            self._bound(self._text)

    def _part_end(self) -> None:
        if self._name is not None and self._name != "file":
            self.form.fields.setdefault(self._name, self._text.decode("utf-8", "replace"))

    def _end(self) -> None:
        self.ended = True

    @staticmethod
    def _bound(text: bytearray) -> None:
        if len(text) > _MOST_FIELD:
            raise _malformed(f"a field of more than {_MOST_FIELD} bytes")


def _malformed(found: str) -> UsageError:
    return UsageError(
        "The body is not a form with one file.",
        code="upload.form",
        found=found,
        next_step="send multipart/form-data with a part named file, or the bare file as the body",
    )


def _too_large(settings: Settings, found: str) -> ServiceError:
    return ServiceError(
        "The file is larger than this server takes.",
        code="service.too-large",
        found=found,
        rule=f"at most {settings.max_upload} bytes",
        next_step="verify it on a machine of your own: thsafe verify FILE",
    )


def _slow(settings: Settings) -> ServiceError:
    return ServiceError(
        "The upload is too slow.",
        code="service.slow",
        rule=f"no pause over {settings.idle_seconds:g} s, and {settings.slowest} bytes in a second on average",
        next_step="send it over a better connection",
    )
