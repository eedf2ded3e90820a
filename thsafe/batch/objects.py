"""Files in object stores (``s3://``, ``gs://``, ``az://``), read through fsspec under the rules for addresses.

Credentials and endpoint are the operator's environment (``AWS_ENDPOINT_URL`` and its like, as obstore reads them); a
source names a bucket and a key, never a host. An endpoint on a private network needs ``--url-network`` as any address.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from thsafe.batch.sources import fits
from thsafe.core.errors import InputError, MissingError, StoreError, ThsafeError, UsageError
from thsafe.media.files import write_failure
from thsafe.remote import RemoteRules, check_reachable, too_large, too_slow

if TYPE_CHECKING:
    import fsspec

_STORES = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"),
}
_CHUNK = 1 << 20


def fetch_object(source: str, target: Path, rules: RemoteRules) -> str:
    """Bring one object; returns the last part of its key.

    Raises:
        UsageError: ``address.scheme`` or ``address.host``: such a store, or this bucket, is not asked here.
        InputError: ``input.missing``, ``address.size``, ``address.slow`` or ``address.private``.
        MissingError: ``objects.missing``.
        StoreError: ``network.unreachable``, or the disk refuses.
    """
    store, bucket, key = _parts(source, rules)
    files = _open(store, rules)
    deadline = time.monotonic() + rules.seconds
    with _asked(source):
        found = files.info(f"{bucket}/{key}")
        if found["type"] != "file":
            raise _absent(source)
        if int(found["size"]) > rules.max_bytes:
            raise too_large(rules, f"{found['size']} bytes")
        with files.open(f"{bucket}/{key}", "rb") as stream, target.open("xb") as file:
            written = 0
            while piece := stream.read(_CHUNK):
                written += len(piece)
                if written > rules.max_bytes:
                    raise too_large(rules, f"{written} bytes")
                if time.monotonic() > deadline:
                    raise too_slow(rules)
                try:
                    file.write(piece)
                except OSError as problem:
                    raise write_failure(target, problem.errno, written) from problem
    return key.rpartition("/")[2]


def list_objects(source: str, *, recursive: bool, match: Sequence[str], rules: RemoteRules) -> Iterator[str]:
    """The object of that name, or with ``recursive`` all below that prefix, a page of the store's at a time."""
    store, bucket, key = _parts(source, rules)
    if not recursive:
        if not key or key.endswith("/"):
            raise UsageError(
                f"{source} is a prefix.", code="batch.folder", next_step=f"thsafe batch verify {source} -r"
            )
        yield source
        return
    files = _open(store, rules)
    scheme = source.partition("://")[0]
    with _asked(source):
        for page in files.pages(bucket, key):
            for name in page:
                last = name.rpartition("/")[2]
                if last and not last.startswith(".") and fits(last, match):
                    yield f"{scheme}://{bucket}/{name}"


@contextmanager
def _asked(source: str) -> Iterator[None]:
    """Whatever kind of error a store's library has, as one of ours."""
    try:
        yield
    except ThsafeError:
        raise
    except FileNotFoundError as problem:
        raise _absent(source) from problem
    except Exception as problem:
        raise _unreachable(source, problem) from problem


class _Files:
    """What is asked of a store: fsspec for objects, pages of keys for prefixes."""

    def __init__(self, store: str, *, seconds: float, plain: bool) -> None:
        from obstore.fsspec import FsspecStore

        self._store = store
        self._options: dict[str, Any] = {
            "client_options": {"timeout": f"{seconds:g}s", "connect_timeout": "10s", "allow_http": plain},
            "retry_config": {"max_retries": 2},
        }
        self._files: fsspec.AbstractFileSystem = FsspecStore(store, skip_instance_cache=True, **self._options)

    def info(self, name: str) -> Any:
        return self._files.info(name)

    def open(self, name: str, mode: str) -> Any:
        return self._files.open(name, mode)

    def pages(self, bucket: str, prefix: str) -> Iterator[list[str]]:
        """Fsspec's own listing comes whole; a bucket may hold millions."""
        from obstore.store import from_url

        scheme = {"s3": "s3", "gs": "gs", "az": "az"}[self._store]
        store = from_url(f"{scheme}://{bucket}", **self._options)
        for page in store.list(prefix or None, chunk_size=1000):
            yield sorted(str(item["path"]) for item in page)


def _open(store: str, rules: RemoteRules) -> _Files:
    endpoint = next((os.environ[name] for name in _ENDPOINTS[store] if os.environ.get(name)), None)
    plain = False
    if endpoint is not None:
        parts = urlsplit(endpoint)
        plain = parts.scheme == "http"
        if plain and "http" not in rules.schemes:
            raise UsageError(
                "The object store is not asked without encryption.",
                code="address.scheme",
                found=endpoint,
                next_step="use an https endpoint, or allow it: --url-scheme https --url-scheme http",
            )
        check_reachable(str(parts.hostname), parts.port or (80 if plain else 443), rules)
    try:
        return _files(store, endpoint, rules.seconds, plain)
    except ImportError as problem:
        raise MissingError(
            "Object stores are read with fsspec and obstore.",
            code="objects.missing",
            found=str(problem),
            next_step="pip install 'thsafe[objects]'",
        ) from problem


@lru_cache(maxsize=8)
def _files(store: str, endpoint: str | None, seconds: float, plain: bool) -> _Files:
    """One a process: connections are kept from object to object. The endpoint is read from the environment anew."""
    del endpoint
    return _Files(store, seconds=seconds, plain=plain)


def _parts(source: str, rules: RemoteRules) -> tuple[str, str, str]:
    scheme, _, rest = source.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme.lower() not in _STORES or not bucket:
        raise UsageError(
            "Addresses of this kind are not fetched.",
            code="address.scheme",
            found=source,
            rule="allowed: https, and the object stores s3, gs and az",
            next_step="bring the file itself",
        )
    if rules.hosts and bucket not in rules.hosts:
        raise UsageError(
            "This bucket is not among those that files are fetched from.",
            code="address.host",
            found=bucket,
            next_step=f"--url-host {bucket}",
        )
    return _STORES[scheme.lower()], bucket, key


def _absent(source: str) -> InputError:
    return InputError("There is no such object.", code="input.missing", found=source)


def _unreachable(source: str, problem: BaseException) -> StoreError:
    return StoreError(
        "The object store gives no answer.",
        code="network.unreachable",
        found=f"{source}: {type(problem).__name__}: {str(problem)[:300]}",
        next_step="check the bucket, the credentials in the environment, and the endpoint",
    )
