"""Bringing weights into the home: from a pinned address or from a file the user has, checked, atomic."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO

from thsafe.core.errors import InputError, MissingError, StoreError, UsageError
from thsafe.core.types import Progress
from thsafe.home import Home
from thsafe.models.card import ModelCard

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 60


def installed_path(card: ModelCard, home: Home) -> Path | None:
    """Where the weights are, or None when they were not pulled."""
    path = home.models / card.name / card.file
    return path if path.is_file() else None


def require_weights(card: ModelCard, home: Home) -> Path:
    """Where the weights are; raises MissingError ``model.missing`` with the command that brings them."""
    path = installed_path(card, home)
    if path is None:
        how = f"thsafe models pull {card.name}"
        if not card.url:
            how += f" --file PATH   (get the file from {card.page})"
        raise MissingError(
            f"The weights of {card.title} are not installed.",
            code="model.missing",
            found=f"nothing at {home.models / card.name / card.file}",
            rule=f"licence: {card.licence}",
            next_step=how,
            log="nothing was written",
        )
    return path


def pull(
    card: ModelCard, home: Home, *, file: Path | None = None, accept_licence: bool = False, progress: Progress
) -> Path:
    """Bring the weights into the home and return their place.

    Raises:
        UsageError: the licence was not accepted, or there is no address and no file was given.
        InputError: the file is not what the card describes.
        StoreError: the download failed or the disk is full.
    """
    if not card.commercial_use and not accept_licence:
        raise UsageError(
            f"{card.title} may not be used commercially: {card.licence}.",
            code="model.licence",
            rule=card.page,
            next_step=f"if that is what you do, add --accept-noncommercial: thsafe models pull {card.name}"
            " --accept-noncommercial",
        )
    if file is None and not card.url:
        raise UsageError(
            f"{card.title} has no address that a program may fetch from.",
            code="model.no-address",
            next_step=f"get {card.file} from {card.page}, then: thsafe models pull {card.name} --file PATH",
        )
    target = home.models / card.name / card.file
    home.prepare()
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".pull-")
    try:
        with os.fdopen(handle, "wb") as out:
            digest = _copy(card, file, out, progress)
        _check(card, Path(temporary), digest)
        Path(temporary).replace(target)
    except OSError as problem:
        raise StoreError(
            f"The weights of {card.title} could not be stored.",
            code="store.models",
            found=str(problem),
            next_step="check the connection and the free space, or use --file",
        ) from problem
    finally:
        Path(temporary).unlink(missing_ok=True)
    return target


def _copy(card: ModelCard, file: Path | None, out: BinaryIO, progress: Progress) -> str:
    digest = hashlib.sha256()
    source: BinaryIO
    if file is not None:
        if not file.is_file():
            raise InputError(f"{file} is not a file.", code="input.missing", next_step="give the path of the weights")
        total: int | None = file.stat().st_size
        source = file.open("rb")
    else:
        try:
            source = urllib.request.urlopen(card.url, timeout=_TIMEOUT_SECONDS)  # noqa: S310 - pinned https address of a card
        except urllib.error.URLError as problem:
            raise StoreError(
                f"{card.url} does not answer.",
                code="network.unreachable",
                found=str(problem.reason),
                next_step=f"get the file elsewhere, then: thsafe models pull {card.name} --file PATH",
            ) from problem
        length = source.headers.get("Content-Length") if hasattr(source, "headers") else None
        total = int(length) if length else None
    with source:
        progress.start(card.name, total)
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
            progress.advance(len(chunk))
    return digest.hexdigest()


def _check(card: ModelCard, path: Path, digest: str) -> None:
    size = path.stat().st_size
    with path.open("rb") as opened:
        start = opened.read(512).lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")) or size < card.smallest_bytes:
        raise InputError(
            f"This is not the file of {card.title}.",
            code="model.not-weights",
            found=f"{size} bytes" + (" of HTML" if start.startswith(b"<") else ""),
            rule=f"at least {card.smallest_bytes} bytes",
            next_step=f"get {card.file} again from {card.page}",
        )
    if card.sha256 and digest != card.sha256:
        raise InputError(
            f"The file of {card.title} has another content than the card says.",
            code="model.digest",
            found=f"SHA-256 {digest}",
            rule=f"SHA-256 {card.sha256}",
            next_step=f"get {card.file} again from {card.page}; do not use this one",
        )
