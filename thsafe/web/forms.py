"""Forms of the studio: read from our own pages only, their files put under names of ours, and no file opened here.

Whoever opens a file for good is the worker, whose end harms nobody.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from thsafe.core.errors import InputError, UsageError
from thsafe.media.files import write_failure
from thsafe.web.uploads import check_announced

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

    from thsafe.web.service import Service

_MOST_FILES = 3
_MOST_FIELDS = 40
_MOST_FIELD = 64 << 10


async def form_of(request: Request) -> FormData:
    """A form from one of our pages, its files on disk; the caller closes it.

    The body's length is known before it is read, so nothing grows beyond what was announced and allowed.

    Raises:
        UsageError: ``upload.form``.
        ServiceError: ``service.form`` or ``service.too-large``.
        StoreError: the disk is full.
    """
    service: Service = request.app.state.service
    if not request.headers.get("content-length", "").isdigit():
        raise UsageError("The form does not say how long it is.", code="upload.form", next_step="send Content-Length")
    check_announced(request, service.settings, service.schedule.folders.room())
    try:
        form = await request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=_MOST_FIELD)
    except HTTPException as problem:
        raise UsageError("The form cannot be read.", code="upload.form", found=str(problem.detail)[:200]) from problem
    service.access.check_form(request, text_of(form, "word"))
    return form


def text_of(form: FormData, name: str) -> str:
    """A field's text; empty where there is none."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


def file_of(form: FormData, name: str) -> UploadFile | None:
    """An uploaded file that is not empty."""
    value = form.get(name)
    return value if isinstance(value, UploadFile) and value.size else None


def stored(form: FormData, name: str, target: Path) -> Path:
    """An uploaded file under a name of ours; what it was called elsewhere is of no use here.

    Raises:
        UsageError: ``upload.empty``.
        StoreError: the disk is full.
    """
    given = file_of(form, name)
    if given is None:
        raise UsageError(
            "No file was chosen.", code="upload.empty", found=f"nothing as {name}", next_step="go back and choose one"
        )
    given.file.seek(0)
    try:
        with target.open("wb") as file:
            shutil.copyfileobj(given.file, file)
    except OSError as problem:
        raise write_failure(target, problem.errno, given.size or 0) from problem
    return target


def stored_picture(form: FormData, name: str, target: Path) -> Path:
    """The same for a still picture, as far as its beginning tells; raises also InputError ``input.…``."""
    from thsafe.media.probe import sniff_file

    path = stored(form, name, target)
    signature, _ = sniff_file(path)
    if not signature.image_type:
        raise InputError(
            "This is not a picture.",
            code="input.kind",
            found=signature.container,
            next_step="choose a still picture, such as PNG or JPEG",
        )
    return path
