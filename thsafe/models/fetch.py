"""Bringing weights into the home: from a pinned address, a mirror folder or a file; checked, atomic, resumable."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO, Final

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import InputError, MissingError, StoreError, UsageError
from thsafe.core.types import Json, Progress
from thsafe.home import Home
from thsafe.media.files import write_whole
from thsafe.models.card import ModelCard
from thsafe.models.checkpoint import Format, require_weights_format, sniff

_CHUNK: Final = 1 << 20
_TIMEOUT_SECONDS: Final = 60
_RECEIPT: Final = "receipt.json"


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


def receipt(card: ModelCard, home: Home) -> dict[str, Json]:
    """What was noted when the weights were pulled: ``sha256``, ``bytes``, ``at``, ``accepted`` (the licence's words).

    Empty where nothing was noted.
    """
    try:
        noted: dict[str, Json] = json.loads((home.models / card.name / _RECEIPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted


def pull(
    card: ModelCard,
    home: Home,
    *,
    file: Path | None = None,
    mirror: Path | None = None,
    accept_licence: bool = False,
    progress: Progress,
) -> Path:
    """Bring the weights into the home and return their place.

    A download that broke off goes on where it stopped. Proxies are those of ``https_proxy`` and its like.

    Args:
        card: which weights.
        home: where to.
        file: take them from this file.
        mirror: take them from this folder, which holds ``NAME/FILE`` or ``FILE``.
        accept_licence: the user keeps to a licence that forbids commercial use; noted in the receipt.
        progress: told the bytes.

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
    source = file or (_in_mirror(card, mirror) if mirror is not None else None)
    if source is None and not card.url:
        raise UsageError(
            f"{card.title} has no address that a program may fetch from.",
            code="model.no-address",
            next_step=f"get {card.file} from {card.page}, then: thsafe models pull {card.name} --file PATH",
        )
    target = home.models / card.name / card.file
    home.prepare()
    part = target.with_name(f".{card.file}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _require_room(card, part)
        if source is not None:
            part.unlink(missing_ok=True)
            _copy(card, source, part, progress)
        else:
            _download(card, part, progress)
        digest = _check(card, part)
        size = part.stat().st_size
        part.replace(target)
    except OSError as problem:
        raise StoreError(
            f"The weights of {card.title} could not be stored.",
            code="store.models",
            found=str(problem),
            next_step="check the free space: df -h; the same command goes on where it stopped",
        ) from problem
    except InputError:
        part.unlink(missing_ok=True)  # it is whole and wrong: nothing to go on from
        raise
    accepted = "" if card.commercial_use else card.licence
    noted = {"sha256": digest, "bytes": size, "at": to_text(system_clock()), "accepted": accepted}
    write_whole(target.with_name(_RECEIPT), json.dumps(noted, indent=2).encode())
    return target


def verify(card: ModelCard, home: Home, *, progress: Progress) -> dict[str, Json]:
    """Hash the installed weights again and hold them against card and receipt.

    Returns:
        ``sha256``, ``bytes``, ``format``, ``as_pulled`` and ``as_published``: whether it is the very file that the
        authors publish; None where the card names none.

    Raises:
        MissingError: ``model.missing``.
        InputError: ``model.not-weights``, ``model.digest`` or ``model.changed``.
    """
    path = require_weights(card, home)
    progress.start(card.name, None)
    digest = _check(card, path)
    noted = receipt(card, home).get("sha256", "")
    if noted and noted != digest:
        raise InputError(
            f"The weights of {card.title} are not those that were pulled.",
            code="model.changed",
            found=f"SHA-256 {digest}",
            rule=f"SHA-256 {noted}",
            next_step=f"pull them again: thsafe models pull {card.name}",
        )
    return {
        "name": card.name,
        "sha256": digest,
        "bytes": path.stat().st_size,
        "format": str(sniff(path)),
        "as_pulled": bool(noted),
        "as_published": as_published(card, digest),
    }


def as_published(card: ModelCard, digest: str) -> bool | None:
    """Whether a file of this SHA-256 is the authors' own; None where the card does not name theirs."""
    known = card.sha256 or card.published_sha256
    return digest == known if known else None


def _require_room(card: ModelCard, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    free = shutil.disk_usage(part.parent).free
    if free < card.size - have:
        raise StoreError(
            f"There is no room for the weights of {card.title}.",
            code="store.models",
            found=f"{free / 1e6:.0f} MB free",
            rule=f"{(card.size - have) / 1e6:.0f} MB",
            next_step="make room, or set THSAFE_HOME to a folder on another disk",
        )


def _in_mirror(card: ModelCard, mirror: Path) -> Path:
    for place in (mirror / card.name / card.file, mirror / card.file):
        if place.is_file():
            return place
    raise InputError(
        f"The mirror has no weights of {card.title}.",
        code="model.not-in-mirror",
        found=f"neither {card.name}/{card.file} nor {card.file} in {mirror}",
        next_step=f"copy {card.file} there, or give --file PATH",
    )


def _copy(card: ModelCard, source: Path, part: Path, progress: Progress) -> None:
    if not source.is_file():
        raise InputError(f"{source} is not a file.", code="input.missing", next_step="give the path of the weights")
    if not card.sha256:  # nothing else would tell these weights from other files
        require_weights_format(source)
    progress.start(card.name, source.stat().st_size)
    with source.open("rb") as opened, part.open("wb") as out:
        _pour(opened, out, progress)


def _download(card: ModelCard, part: Path, progress: Progress) -> None:
    """Fetch what is not there yet; a server that does not know ranges sends all of it again."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(card.url)  # noqa: S310 - the pinned https address of a card
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        # an opener of its own: the shared one keeps the proxies of its first use
        response = urllib.request.build_opener().open(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as problem:
        problem.close()
        if problem.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is there
        raise _unreachable(card, f"HTTP {problem.code}") from problem
    except (urllib.error.URLError, OSError, http.client.HTTPException) as problem:
        raise _unreachable(card, str(getattr(problem, "reason", problem))) from problem
    with response:
        resumed = have > 0 and response.status == http.client.PARTIAL_CONTENT
        length = response.headers.get("Content-Length")
        total = int(length) + (have if resumed else 0) if length else None
        progress.start(card.name, total)
        if resumed:
            progress.advance(have)
        with part.open("ab" if resumed else "wb") as out:
            try:
                _pour(response, out, progress)
            except (http.client.HTTPException, TimeoutError, ConnectionError) as problem:
                raise _broke_off(card, part, total) from problem
    if total is not None and part.stat().st_size < total:
        raise _broke_off(card, part, total)


def _pour(source: BinaryIO | Any, out: BinaryIO, progress: Progress) -> None:
    while chunk := source.read(_CHUNK):
        out.write(chunk)
        progress.advance(len(chunk))
    out.flush()
    os.fsync(out.fileno())


def _unreachable(card: ModelCard, why: str) -> StoreError:
    return StoreError(
        f"{card.url} does not answer.",
        code="network.unreachable",
        found=why,
        next_step=f"get the file elsewhere, then: thsafe models pull {card.name} --file PATH",
    )


def _broke_off(card: ModelCard, part: Path, total: int | None) -> StoreError:
    return StoreError(
        f"The download of {card.title} broke off.",
        code="network.broke-off",
        found=f"{part.stat().st_size} of {total if total is not None else 'unknown'} bytes",
        next_step=f"the same command goes on from there: thsafe models pull {card.name}",
    )


def _check(card: ModelCard, path: Path) -> str:
    """The digest of a file that is what the card says."""
    size = path.stat().st_size
    page = sniff(path) is Format.HTML
    if page or size < card.smallest_bytes:
        raise InputError(
            f"This is not the file of {card.title}.",
            code="model.not-weights",
            found=f"{size} bytes" + (" of HTML" if page else ""),
            rule=f"at least {card.smallest_bytes} bytes",
            next_step=f"get {card.file} again from {card.page}",
        )
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if card.sha256 and digest != card.sha256:
        raise InputError(
            f"The file of {card.title} has another content than the card says.",
            code="model.digest",
            found=f"SHA-256 {digest}",
            rule=f"SHA-256 {card.sha256}",
            next_step=f"get {card.file} again from {card.page}; do not use this one",
        )
    return digest
