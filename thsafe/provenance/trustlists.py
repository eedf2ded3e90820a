"""The official trust lists on this machine: read from a file or fetched on request, recorded, watched for age.

The lists (C2PA conformance programme, CC BY 4.0) are never part of this package: whom to believe is the user's choice,
and a copy would age. What is kept is the list as PEM and beside it a record of where it came from and when.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from thsafe.core.clock import Clock, from_text, system_clock, to_text
from thsafe.core.errors import InputError, StoreError, UsageError
from thsafe.core.types import Json
from thsafe.home import Home
from thsafe.provenance.trust import Trust, TrustKind, TrustList, keep_list, trust_folder

_SCHEMA = "thsafe.trust-list/1"
_BASE = "https://raw.githubusercontent.com/c2pa-org/conformance-public/main/trust-list/"
_TRUSTED = "http://c2pa.org/conformance/trust-list/trusted"
_MOST_BYTES = 4 << 20
_MOST_SECONDS = 20
_OLD = timedelta(days=365)
"""Age at which a list that names no next issue counts as stale; the official ones are issued for a year."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Official:
    """One of the programme's lists."""

    name: str
    kind: TrustKind
    title: str
    """As it calls itself (ETSI TS 119 602 ``SchemeName``)."""
    url: str


OFFICIAL = (
    Official(name="official", kind=TrustKind.C2PA, title="C2PA Trust List", url=_BASE + "C2PA-TRUST-LIST.json"),
    Official(name="official", kind=TrustKind.TSA, title="C2PA TSA Trust List", url=_BASE + "C2PA-TSA-TRUST-LIST.json"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a list on this machine came from."""

    source: str
    """The address, or ``file``."""
    sha256: str
    """Of the bytes that were read."""
    added: str
    issued: str | None = None
    """As the list says, RFC 3339."""
    next_update: str | None = None
    """When its issuer publishes the next, as the list says."""

    def due(self) -> datetime:
        """From when on it is stale."""
        return from_text(self.next_update) if self.next_update else from_text(self.added) + _OLD


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFacts:
    """One row of ``thsafe trust list``."""

    name: str
    kind: str
    certificates: int
    origin: Origin | None
    """None for a file that was put into the folder by hand, and for the installation's own root."""
    stale: bool


Fetch = Callable[[str], bytes]


def update_from_file(home: Home, source: Path, *, kind: TrustKind | None, clock: Clock = system_clock) -> ListFacts:
    """Take an official list from a file.

    Args:
        home: whose lists.
        source: LoTE JSON, which says itself what it is, or PEM.
        kind: what a PEM list is for; for JSON None, or the same as the file says.
        clock: the time to record.

    Raises:
        InputError: the file cannot be read, or is neither form, or older than the list it would replace.
        UsageError: a PEM file without kind, or a kind that contradicts the file.
    """
    try:
        with source.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except OSError as problem:
        raise InputError(
            "The trust list cannot be read.", code="input.unreadable", found=problem.strerror or str(problem)
        ) from problem
    return _take(home, data, source="file", kind=kind, clock=clock)


def update_from_network(home: Home, *, fetch: Fetch | None = None, clock: Clock = system_clock) -> list[ListFacts]:
    """Fetch both official lists, then keep both: one that fails keeps nothing.

    Raises:
        StoreError: an address cannot be reached, or answers too slowly or too much.
        InputError: an answer is no trust list, another one than asked for, or older than what is kept.
    """
    answers = [(item, (fetch or fetch_https)(item.url)) for item in OFFICIAL]
    for item, data in answers:
        _parse(data, kind=item.kind)
    return [_take(home, data, source=item.url, kind=item.kind, clock=clock) for item, data in answers]


def fetch_https(url: str) -> bytes:
    """The body at an address: at most 4 MiB in 20 seconds, nothing but HTTPS.

    Raises:
        StoreError: ``network.trust-list``.
    """
    import urllib.error
    from urllib import request

    opener = request.OpenerDirector()
    # No handler for anything but HTTPS, so that no redirect leads elsewhere either.
    for handler in (
        request.ProxyHandler(),
        request.HTTPSHandler(),
        request.HTTPRedirectHandler(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
        request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    try:
        with opener.open(url, timeout=_MOST_SECONDS) as answer:
            return read_limited(answer.read)
    except (urllib.error.URLError, OSError, ValueError) as problem:
        raise StoreError(
            "The official trust list cannot be fetched.",
            code="network.trust-list",
            found=f"{url}: {problem}",
            next_step="fetch it elsewhere, then: thsafe trust update --from FILE",
        ) from problem


def read_limited(read: Callable[[int], bytes], *, seconds: float = _MOST_SECONDS) -> bytes:
    """All that ``read`` gives; raises ValueError past 4 MiB or the time, checked between reads."""
    import time

    deadline, data = time.monotonic() + seconds, bytearray()
    while piece := read(64 << 10):
        data += piece
        if len(data) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise ValueError(f"took longer than {seconds:g} seconds")
    return bytes(data)


def describe_lists(home: Home, now: datetime) -> list[ListFacts]:
    """Every list that ``verify`` goes by, with its origin and whether it is stale.

    Raises:
        InputError: a file in the trust folder is damaged.
        UsageError: a file there does not say what it is for.
    """
    return [_facts(home, item, now) for item in Trust.of_home(home).lists]


def stale_words(home: Home, now: datetime) -> Iterator[str]:
    """One sentence for each list that its issuer has replaced by now."""
    for item in describe_lists(home, now):
        if item.stale and item.origin is not None:
            yield (
                f"The trust list {item.name} ({item.kind}) was due for renewal on {to_text(item.origin.due())[:10]}: "
                "thsafe trust update."
            )


def _take(home: Home, data: bytes, *, source: str, kind: TrustKind | None, clock: Clock) -> ListFacts:
    parsed, pem, issued, next_update = _parse(data, kind=kind)
    now = clock()
    found = TrustList(name="official", kind=parsed, pem=pem)
    found.certificates()
    before = _origin(home, found)
    if before is not None and before.issued and issued and from_text(issued) < from_text(before.issued):
        raise InputError(
            "This trust list is older than the one that is kept.",
            code="trust.older",
            found=f"issued {issued}, kept {before.issued}",
            next_step="take the newer one",
        )
    origin = Origin(
        source=source,
        sha256=hashlib.sha256(data).hexdigest(),
        added=to_text(now),
        issued=issued,
        next_update=next_update,
    )
    keep_list(home, found, json.dumps({"schema": _SCHEMA, **asdict(origin)}, indent=2).encode() + b"\n")
    return _facts(home, found, now)


def _parse(data: bytes, *, kind: TrustKind | None) -> tuple[TrustKind, bytes, str | None, str | None]:
    """Kind, PEM, time of issue and time of the next issue."""
    if len(data) > _MOST_BYTES:
        raise _unusable(f"more than {_MOST_BYTES >> 20} MiB")
    if b"-----BEGIN CERTIFICATE-----" in data:
        if kind not in {item.kind for item in OFFICIAL}:
            raise UsageError(
                "A PEM list does not say what it is for.",
                code="trust.kind",
                rule="c2pa for claim signers, tsa for time stamps",
                next_step="add --kind c2pa or --kind tsa, or take the JSON form",
            )
        return kind or TrustKind.C2PA, data, None, None
    try:
        entry = json.loads(data)["LoTE"]
        information = entry["ListAndSchemeInformation"]
        title = str(information["SchemeName"][0]["value"])
        issued, next_update = str(information["ListIssueDateTime"]), str(information["NextUpdate"])
        from_text(issued)
        from_text(next_update)
        pem = b"".join(_certificates(entry["TrustedEntitiesList"]))
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as problem:
        raise _unusable(f"{type(problem).__name__}: {problem}") from problem
    official = next((item for item in OFFICIAL if item.title == title), None)
    if official is None:
        raise _unusable(f'it calls itself "{title}"')
    if kind is not None and kind is not official.kind:
        raise UsageError(
            "The trust list is of another kind.",
            code="trust.kind",
            found=f'"{title}" is for {official.kind}, asked for {kind}',
        )
    return official.kind, pem, issued, next_update


def _certificates(entities: Json) -> Iterator[bytes]:
    """PEM of every identity whose service is trusted now."""
    for entity in entities:
        for service in entity["TrustedEntityServices"]:
            information = service["ServiceInformation"]
            if information["ServiceStatus"] != _TRUSTED:
                continue
            for certificate in information["ServiceDigitalIdentity"]["X509Certificates"]:
                try:
                    der = base64.b64decode(certificate["val"], validate=True)
                except binascii.Error as problem:
                    raise ValueError("a certificate is not base64") from problem
                body = base64.encodebytes(der)
                yield b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


def _facts(home: Home, item: TrustList, now: datetime) -> ListFacts:
    origin = _origin(home, item)
    return ListFacts(
        name=item.name,
        kind=str(item.kind),
        certificates=len(item.certificates()),
        origin=origin,
        stale=origin is not None and now > origin.due(),
    )


def _origin(home: Home, item: TrustList) -> Origin | None:
    place = trust_folder(home) / f"{item.name}.{item.kind}.json"
    try:
        record = json.loads(place.read_text(encoding="utf-8"))
        origin = Origin(**{name: value for name, value in record.items() if name != "schema"})
        origin.due()
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as problem:
        raise InputError(
            f"The record of the trust list {item.name} is damaged.",
            code="trust.record",
            found=f"{place.name}: {problem}",
            next_step="add the list again",
        ) from problem
    return origin


def _unusable(found: str) -> InputError:
    return InputError(
        "This is no official trust list.",
        code="trust.list",
        found=found,
        rule="LoTE JSON (ETSI TS 119 602) or PEM, as published by the conformance programme",
        next_step="for anchors of your own choice: thsafe trust add FILE --kind KIND --name NAME",
    )
