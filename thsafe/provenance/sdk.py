"""The C2PA SDK behind one door: settings that hold, errors in a closed set, nothing else.

The SDK (c2pa-python 0.38, c2pa-rs 0.91) ignores settings that it does not know, mistyped ones included, so a hardening
that was never applied looks like one that was. Every settings document is therefore checked here against the keys that
were found to work with this version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import c2pa

from thsafe.core.errors import InputError, MarkError
from thsafe.core.types import Json

_CLAIM_SIGNING = "1.3.6.1.4.1.62558.2.1"
_DOCUMENT_SIGNING = "1.3.6.1.5.5.7.3.36"
CLAIM_USAGES = f"{_CLAIM_SIGNING}\n{_DOCUMENT_SIGNING}"
"""Extended key usages that sign claims besides the SDK's built-in ones.

Without them the SDK calls certificates of the official programme invalid, when reading and when signing.
"""

_KNOWN: Mapping[str, Mapping[str, type]] = {
    "trust": {"trust_config": str, "anchors": list},
    "verify": {
        "remote_manifest_fetch": bool,
        "ocsp_fetch": bool,
        "verify_trust": bool,
        "verify_after_reading": bool,
        "verify_after_sign": bool,
        "verify_timestamp_trust": bool,
    },
    "core": {
        "allowed_network_hosts": list,
        "decode_identity_assertions": bool,
        "merkle_tree_chunk_size_in_kb": int,
        "backing_store_memory_threshold_in_mb": int,
    },
    "builder": {"thumbnail": dict},
}
_KNOWN_ANCHOR = {"trust_anchors", "trust_uri", "trust_kind"}
_KINDS = {"manifest", "tsa", "cawg"}


def check_settings(settings: Mapping[str, Json]) -> None:
    """Raise ValueError for a key or type that the SDK would silently ignore."""
    for section, values in settings.items():
        if section not in _KNOWN:
            raise ValueError(f"the SDK has no settings section {section!r}")
        for name, value in values.items():
            expected = _KNOWN[section].get(name)
            if expected is None or not isinstance(value, expected):
                raise ValueError(f"the SDK has no setting {section}.{name} of type {type(value).__name__}")
    for anchor in settings.get("trust", {}).get("anchors", []):
        if set(anchor) != _KNOWN_ANCHOR or anchor["trust_kind"] not in _KINDS:
            raise ValueError(f"an anchor has the fields {sorted(anchor)} and kind {anchor.get('trust_kind')!r}")


def reading_settings(anchors: list[Json]) -> dict[str, Json]:
    """Settings for a file from anywhere: nothing is fetched, no identity is resolved, no host may be reached."""
    settings: dict[str, Json] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
        "core": {"allowed_network_hosts": [], "decode_identity_assertions": False},
        "trust": {"trust_config": CLAIM_USAGES},
    }
    if anchors:
        settings["trust"]["anchors"] = anchors
    check_settings(settings)
    return settings


def parsing_settings() -> dict[str, Json]:
    """Settings for looking at what a manifest says without judging it: no hash is taken, nothing is fetched."""
    settings = reading_settings([])
    settings["verify"]["verify_after_reading"] = False
    check_settings(settings)
    return settings


def signing_settings(*, merkle_chunk_kb: int | None) -> dict[str, Json]:
    """Settings for signing: no manifest of an input is fetched, thumbnails are ours to give.

    The SDK asks the time-stamp authority whatever the host list says; it is the one connection that signing makes.
    """
    settings: dict[str, Json] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": True},
        "core": {"allowed_network_hosts": [], "decode_identity_assertions": False},
        "trust": {"trust_config": CLAIM_USAGES},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if merkle_chunk_kb is not None:
        settings["core"]["merkle_tree_chunk_size_in_kb"] = merkle_chunk_kb
    check_settings(settings)
    return settings


def context(settings: Mapping[str, Json]) -> c2pa.Context:
    """A context of these settings; raises ValueError for one that the SDK would ignore or refuse."""
    check_settings(settings)
    try:
        return c2pa.Context.from_dict(dict(settings))
    except c2pa.C2paError as problem:
        raise ValueError(f"the SDK refuses the settings: {problem}") from problem


class NoCredentials(Exception):
    """The file holds no manifest."""


class RemoteOnly(Exception):
    """The file points to a manifest elsewhere, which is never fetched."""


class Unsupported(Exception):
    """The SDK cannot look into this kind of file."""


class Malformed(Exception):
    """There is something where the manifest should be, but it cannot be read as one."""


@contextmanager
def reading() -> Iterator[None]:
    """Map everything that reading raises to the four answers above; InputError where the file cannot be opened."""
    try:
        yield
    except c2pa.C2paError as problem:
        text = str(problem)
        if isinstance(problem, c2pa.C2paError.ManifestNotFound):
            raise NoCredentials(text) from problem
        if text.startswith("Remote") or isinstance(problem, c2pa.C2paError.RemoteManifest):
            raise RemoteOnly(text) from problem
        if isinstance(problem, c2pa.C2paError.NotSupported):
            raise Unsupported(text) from problem
        raise Malformed(text) from problem
    except OSError as problem:
        raise InputError(
            "The file cannot be read.", code="input.unreadable", found=problem.strerror or str(problem)
        ) from problem
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as problem:
        # Crafted stores reach the binding's own JSON handling with parts missing.
        raise Malformed(f"{type(problem).__name__}: {problem}") from problem


# The SDK has no error of its own for the time-stamp authority: it is the only host asked while signing, and its answer
# the only DER that is decoded.
_STAMP_TROUBLES = ("timestamp", "time stamp", "time_stamp", "http resolver", "decode error")


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Map what signing raises to MarkError."""
    try:
        yield
    except c2pa.C2paError as problem:
        text = str(problem)
        if any(word in text.lower() for word in _STAMP_TROUBLES):
            raise MarkError(
                "The time-stamp authority gave no time stamp.",
                code="provenance.timestamp",
                found=text,
                next_step="check its address, or choose the time-stamp policy best-effort",
            ) from problem
        raise MarkError(
            f"The credentials for {what} cannot be written.", code="provenance.sign", found=text
        ) from problem
