"""Signing: a marked file in, the same file with credentials out, or nothing at all.

The destination appears in one step (temporary file, fsync, rename): the SDK alone truncates its destination on failure
and destroys a file that is signed onto itself. The file is streamed; the only connection made is to the time-stamp
authority.
"""

from __future__ import annotations

import errno
import io
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import c2pa

from thsafe.core.errors import InputError, MarkError, SigningError, ThsafeError, UsageError
from thsafe.core.types import Json
from thsafe.keys import KeyRing
from thsafe.keys.choice import TimeStampPolicy
from thsafe.keys.signers import ClaimSigner
from thsafe.media.files import write_failure
from thsafe.provenance import sdk
from thsafe.provenance.manifest import (
    Ingredient,
    ManifestFacts,
    build_manifest,
    ingredient_definition,
    refuse_personal,
    thumbnail_name,
)
from thsafe.provenance.timestamp import LoopbackAuthority

SIGNABLE = frozenset(
    {
        "video/mp4", "video/quicktime", "audio/mp4", "audio/wav", "audio/mpeg", "audio/flac",
        "image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff", "image/avif", "image/heic",
    }
)  # fmt: skip
"""Media types that the SDK was found to sign and read back."""
_ALGORITHMS = {
    "es256": c2pa.C2paSigningAlg.ES256,
    "es384": c2pa.C2paSigningAlg.ES384,
    "es512": c2pa.C2paSigningAlg.ES512,
    "ps256": c2pa.C2paSigningAlg.PS256,
    "ed25519": c2pa.C2paSigningAlg.ED25519,
}
_MERKLE_FROM = 1 << 30
"""From this size on the hash is taken in pieces: peak memory 47 MB instead of 556 MB, at 1.7 times the time."""
_MERKLE_CHUNK_KB = 1024
_LEAST_ROOM = 1 << 20
"""Bytes: with less than this left beside the unfinished copy, a failed signature failed for want of room."""
_ATTEMPTS = 3
_FIRST_WAIT = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A file that now has credentials."""

    manifest_id: str
    manifest_bytes: bytes
    """The manifest store, as a recovery service keeps it."""
    size: int
    """Bytes of the finished file."""
    time_stamped: bool


def sign(
    src: Path,
    dst: Path,
    *,
    facts: ManifestFacts,
    ingredients: Sequence[Ingredient] = (),
    thumbnail_jpeg: bytes | None = None,
    ring: KeyRing,
    timestamp: TimeStampPolicy = "required",
    tsa_url: str | None = None,
    signer: ClaimSigner | None = None,
) -> Signed:
    """Sign ``src`` into ``dst``.

    Without ``tsa_url`` development keys are stamped by an authority of their own on the loopback interface. Another
    ``signer`` than the ring's may be given (``thsafe.keys.signers.open_signer``).

    Raises:
        UsageError: ``src`` and ``dst`` are one file, or a fact is not well formed.
        InputError: the kind of file cannot carry credentials, or cannot be read.
        SigningError: the certificate or key is unfit, or the signer failed.
        MarkError: ``provenance.timestamp`` or ``provenance.sign``; ``dst`` is as it was before.
    """
    _refuse(src, dst, facts)
    signer = signer or ring.claim_signer()
    temporary = dst.with_name(f".{dst.name}.{secrets.token_hex(4)}.signing")
    definition = build_manifest(facts, ingredients)
    refuse_personal(json.dumps(definition) + json.dumps([item.title for item in ingredients]), ingredients)
    try:
        with ExitStack() as stack:
            if timestamp == "off":
                tsa_url = None
            elif tsa_url is None and ring.development:
                tsa_url = stack.enter_context(LoopbackAuthority(ring)).url
            elif tsa_url is None and timestamp == "required":
                raise UsageError(
                    "A time stamp is required and no authority is named.",
                    code="provenance.timestamp-url",
                    next_step="name an RFC 3161 authority, or choose the time-stamp policy best-effort",
                )

            def attempt(url: str | None) -> bytes:
                return _write(src, temporary, facts, ingredients, definition, thumbnail_jpeg, signer, url)

            manifest = _with_policy(attempt, timestamp, tsa_url)
        signed = _read_back(temporary, facts, manifest, must_be_stamped=timestamp == "required")
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(dst)
    except OSError as problem:
        # The source was readable a moment ago: what fails here is writing the copy, most often for want of room.
        raise write_failure(dst, problem.errno, src.stat().st_size) from problem
    except MarkError as problem:
        # The SDK seldom says that the disk is full; the unfinished copy still fills it here.
        if problem.code == "provenance.sign" and shutil.disk_usage(dst.parent).free < _LEAST_ROOM:
            raise write_failure(dst, errno.ENOSPC, src.stat().st_size) from problem
        raise
    finally:
        temporary.unlink(missing_ok=True)
    return signed


def _refuse(src: Path, dst: Path, facts: ManifestFacts) -> None:
    if not src.is_file():
        raise InputError("The file to sign does not exist.", code="input.missing", found=src.name)
    if src.resolve() == dst.resolve() or (dst.exists() and src.samefile(dst)):
        raise UsageError(
            "A file is never signed onto itself.",
            code="provenance.in-place",
            rule="a failure would leave nothing of it",
            next_step="give another name for the output",
        )
    if facts.media_type not in SIGNABLE:
        raise InputError(
            f"{facts.media_type} cannot carry credentials.",
            code="provenance.unsupported",
            found=facts.media_type,
            rule="C2PA has no embedding for WebM, Matroska, Ogg and raw AAC that can be written here",
            next_step="convert to MP4: ffmpeg -i IN.webm OUT.mp4",
        )


def _with_policy(attempt: Callable[[str | None], bytes], policy: TimeStampPolicy, url: str | None) -> bytes:
    """Ask the authority up to three times; without an answer ``required`` fails and ``best-effort`` goes on without."""
    if url is None:
        return attempt(None)
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise UsageError(
            "The time-stamp authority's address is not a URL.",
            code="provenance.timestamp-url",
            found=url,
            rule="http(s)",
        )
    for number in range(_ATTEMPTS):
        try:
            return attempt(url)
        except MarkError as problem:
            if problem.code != "provenance.timestamp":
                raise
            if number + 1 == _ATTEMPTS and policy == "required":
                raise
        if number + 1 < _ATTEMPTS:
            time.sleep(_FIRST_WAIT * 2**number)
    return attempt(None)


def _write(
    src: Path,
    temporary: Path,
    facts: ManifestFacts,
    ingredients: Sequence[Ingredient],
    definition: dict[str, Json],
    thumbnail_jpeg: bytes | None,
    signer: ClaimSigner,
    tsa_url: str | None,
) -> bytes:
    chunk = _MERKLE_CHUNK_KB if src.stat().st_size >= _MERKLE_FROM and _is_bmff(facts.media_type) else None
    context = sdk.context(sdk.signing_settings(merkle_chunk_kb=chunk))
    if thumbnail_jpeg is not None:
        definition = {**definition, "thumbnail": {"format": "image/jpeg", "identifier": "thumbnail.jpg"}}
    with sdk.writing(f"{facts.media_type} output"), ExitStack() as stack:
        # Text has no bytes to look into: it is named in the definition and not added from a stream.
        spoken = [
            ingredient_definition(n, item, has_credentials=False)
            for n, item in enumerate(ingredients)
            if item.path is None
        ]
        builder = stack.enter_context(c2pa.Builder({**definition, "ingredients": spoken}, context))
        if thumbnail_jpeg is not None:
            builder.add_resource("thumbnail.jpg", io.BytesIO(thumbnail_jpeg))
        for number, item in enumerate(ingredients):
            if item.path is not None:
                _add_ingredient(builder, number, item)
        native = stack.enter_context(_NativeSigner(signer, tsa_url))
        source = stack.enter_context(src.open("rb"))
        # The SDK reads back what it wrote, hence w+.
        target = stack.enter_context(temporary.open("w+b"))
        try:
            manifest: bytes = builder.sign(native.handle, facts.media_type, source, target)
        except c2pa.C2paError as problem:
            if native.failure is not None:
                raise native.failure from problem
            raise
    return manifest


def _add_ingredient(builder: c2pa.Builder, number: int, item: Ingredient) -> None:
    if item.path is None:
        return
    signed = has_credentials(item.path, item.media_type)
    definition = ingredient_definition(number, item, has_credentials=signed)
    if item.thumbnail_jpeg is not None:
        builder.add_resource(thumbnail_name(number), io.BytesIO(item.thumbnail_jpeg))
    with item.path.open("rb") as stream:
        builder.add_ingredient(json.dumps(definition), item.media_type, stream)


def has_credentials(path: Path, media_type: str | None = None) -> bool:
    """Whether a manifest is embedded in the file, readable or not; says nothing about what it is worth."""
    context = sdk.context(sdk.parsing_settings())
    try:
        with sdk.reading(), path.open("rb") as stream, c2pa.Reader(media_type, stream, context=context):
            return True
    except sdk.Malformed:
        return True
    except (sdk.NoCredentials, sdk.RemoteOnly, sdk.Unsupported):
        return False


class _NativeSigner:
    """The SDK's signer around ours; keeps the reason why ours failed, which the SDK would lose."""

    def __init__(self, signer: ClaimSigner, tsa_url: str | None) -> None:
        self._signer = signer
        self.failure: ThsafeError | None = None
        algorithm = _ALGORITHMS[signer.algorithm]
        self.handle = c2pa.Signer.from_callback(self._sign, algorithm, signer.chain_pem.decode(), tsa_url)

    def _sign(self, data: bytes) -> bytes:
        try:
            return self._signer.sign(data)
        except ThsafeError as problem:
            self.failure = problem
        except Exception as problem:  # noqa: BLE001 - any key store may stand behind the port; the reason must not be lost
            self.failure = SigningError(
                "The signer failed.", code="keys.signer", found=f"{type(problem).__name__}: {problem}"
            )
        return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.handle.close()


def _read_back(path: Path, facts: ManifestFacts, manifest: bytes, *, must_be_stamped: bool) -> Signed:
    """What was written is what was asked for; raises MarkError otherwise."""
    context = sdk.context(sdk.parsing_settings())
    try:
        with sdk.reading(), path.open("rb") as stream, c2pa.Reader(facts.media_type, stream, context=context) as reader:
            report = json.loads(reader.json())
            label = str(report["active_manifest"])
            stamped = "time" in report["manifests"][label].get("signature_info", {})
    except (sdk.NoCredentials, sdk.RemoteOnly, sdk.Unsupported, sdk.Malformed) as problem:
        raise _not_written(f"{type(problem).__name__}: {problem}") from problem
    if label != facts.label:
        raise _not_written(f"the label {label}, not {facts.label}")
    if must_be_stamped and not stamped:
        raise _not_written("no time stamp")
    return Signed(manifest_id=label, manifest_bytes=manifest, size=path.stat().st_size, time_stamped=stamped)


def _not_written(found: str) -> MarkError:
    return MarkError(
        "The credentials in the signed file are not those that were asked for.",
        code="provenance.read-back",
        found=found,
    )


def _is_bmff(media_type: str) -> bool:
    return media_type in {"video/mp4", "video/quicktime", "audio/mp4", "image/avif", "image/heic"}
