"""A file at an address, brought here once and carefully: for addresses that strangers give.

Only public addresses are connected to. A name is resolved once, every answer is checked, and the connection goes to the
checked address itself, so that a name which answers differently the second time (DNS rebinding) gains nothing. Every
redirect is a new address under the same rules. Proxies of the environment are not used: they would hide where it goes.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from thsafe.core.errors import InputError, StoreError, ThsafeError, UsageError
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_failure

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]

_CHUNK = 1 << 18
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PLAIN = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
"""Printable ASCII without space and backslash; parsers disagree on all other characters."""
_MOST_ADDRESS = 2048
_CLOSED_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # Teredo, ORCHID, benchmarks and other protocols
        "2001:db8::/32", "3fff::/20",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "5f00::/16",  # segment routing
    )
)  # fmt: skip
_UNICAST = ipaddress.ip_network("2000::/3")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRules:
    """What may be fetched, from where, how much and for how long."""

    schemes: tuple[str, ...] = ("https",)
    hosts: tuple[str, ...] = ()
    """Names that may be asked, such as ``media.example`` or ``.example`` for all below it; empty: any."""
    ports: tuple[int, ...] = (80, 443)
    networks: tuple[str, ...] = ()
    """Networks that are reached although they are not public, such as ``10.1.0.0/16``: set by whoever runs this."""
    max_bytes: int = 512 << 20
    seconds: float = 120
    """For everything: names, redirects and the file."""
    redirects: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What was brought."""

    name: str
    """The last part of the address's path; as little trusted as any name."""
    size: int
    host: str


def is_address(text: str) -> bool:
    """Whether someone means an address and not the name of a file."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def fetch(
    address: str,
    target: Path,
    *,
    rules: RemoteRules | None = None,
    progress: Progress | None = None,
    resolver: Resolver | None = None,
    cancelled: threading.Event | None = None,
) -> Fetched:
    """Bring the file at an address.

    Args:
        address: ``https://host/path``.
        target: a new file; nothing is left of it when this fails.
        rules: what is allowed.
        progress: told the bytes.
        resolver: host and port to addresses; for tests.
        cancelled: ends the transfer when it is set.

    Raises:
        UsageError: ``address.form``, ``address.scheme``, ``address.host`` or ``address.port``: not allowed here.
        InputError: ``address.private``: it leads to a machine that is not public; ``address.redirects``,
            ``address.status``, ``address.encoding``, ``address.size`` or ``address.slow``.
        StoreError: ``network.unreachable``, or the file cannot be written.
    """
    allowed = rules or RemoteRules()
    deadline = time.monotonic() + allowed.seconds
    place = _checked(address, allowed)
    for _ in range(allowed.redirects + 1):
        with _response(place, allowed, resolver or _resolve, deadline) as response:
            if response.status in _REDIRECTS:
                place = _checked(_next(place, response), allowed, before=place)
                continue
            if response.status != http.client.OK:
                raise InputError(
                    "The address gives no file.", code="address.status", found=f"HTTP status {response.status}"
                )
            size = _store(response, target, allowed, progress or Silent(), deadline, cancelled)
            return Fetched(name=_name(place), size=size, host=str(place.hostname))
    raise InputError(
        "The address leads from one address to the next.",
        code="address.redirects",
        rule=f"at most {allowed.redirects} redirects are followed",
    )


def check_address(address: str, rules: RemoteRules) -> None:
    """Whether an address may be asked at all, without asking; raises UsageError as ``fetch``."""
    _checked(address, rules)


def check_reachable(host: str, port: int, rules: RemoteRules, *, resolver: Resolver | None = None) -> None:
    """Whether every address of a host may be connected to; for an endpoint that the operator has set.

    Raises:
        InputError: ``address.private``.
        StoreError: ``network.unreachable``: the name has no address.
    """
    place = urlsplit(f"https://{f'[{host}]' if ':' in host else host}:{port}/")
    _addresses(place, rules, resolver or _resolve)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet; forms that hide another address in it do not."""
    if isinstance(address, ipaddress.IPv4Address):
        open_to_all = address.is_global and not address.is_multicast and not address.is_reserved
        return open_to_all and not _in_closed(address)
    if address.scope_id is not None or address not in _UNICAST or not address.is_global or _in_closed(address):
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP


def _in_closed(address: Address) -> bool:
    return any(address.version == network.version and address in network for network in _CLOSED_NETWORKS)


def _checked(address: str, rules: RemoteRules, *, before: SplitResult | None = None) -> SplitResult:
    """The parts of an address that may be asked."""
    if len(address) > _MOST_ADDRESS or not _PLAIN.fullmatch(address):
        raise _malformed("it holds characters that an address cannot have, or is too long")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as problem:
        raise _malformed(str(problem)) from problem
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise _malformed("it has no host, or a user name")
    downgraded = before is not None and before.scheme == "https" and parts.scheme != "https"
    if parts.scheme not in rules.schemes or parts.scheme not in _PORTS or downgraded:
        raise UsageError(
            "Addresses of this kind are not fetched.",
            code="address.scheme",
            found=parts.scheme,
            rule="allowed: " + ", ".join(rules.schemes),
            next_step="bring the file itself",
        )
    if rules.hosts and not any(_is_host(parts.hostname, allowed) for allowed in rules.hosts):
        raise UsageError(
            "This host is not among those that files are fetched from.",
            code="address.host",
            found=parts.hostname,
            next_step="bring the file itself",
        )
    if (port or _PORTS[parts.scheme]) not in rules.ports:
        raise UsageError(
            "Nothing is fetched from this port.",
            code="address.port",
            found=str(port),
            rule="allowed: " + ", ".join(str(number) for number in rules.ports),
            next_step="bring the file itself",
        )
    return parts


def _is_host(name: str, allowed: str) -> bool:
    name, allowed = name.rstrip(".").lower(), allowed.lower()
    return name.endswith(allowed) if allowed.startswith(".") else name == allowed


def _next(place: SplitResult, response: http.client.HTTPResponse) -> str:
    target = response.getheader("Location") or ""
    # Spaces and other raw characters in a Location are a server's mistake that browsers mend; here they are refused.
    return urljoin(place.geturl(), target)


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(item[4][0]) for item in found]


def _addresses(place: SplitResult, rules: RemoteRules, resolver: Resolver) -> list[Address]:
    """Where a host is, all of it allowed; one private answer among public ones is an attack or a mistake."""
    host = str(place.hostname)
    try:
        answers = resolver(host, _port(place))
    except (OSError, UnicodeError) as problem:
        raise _unreachable(place, str(getattr(problem, "strerror", None) or problem)) from problem
    found = []
    for text in answers:
        address = ipaddress.ip_address(text)
        networks = [ipaddress.ip_network(network) for network in rules.networks]
        inside = any(address.version == network.version and address in network for network in networks)
        if not inside and not is_public(address):
            raise InputError(
                "The address leads to a machine that is not on the public internet.",
                code="address.private",
                rule="files are fetched from public addresses only",
                next_step="bring the file itself",
            )
        found.append(address)
    if not found:
        raise _unreachable(place, "the name has no address")
    return found


def _port(place: SplitResult) -> int:
    return place.port or _PORTS[place.scheme]


@contextmanager
def _response(
    place: SplitResult, rules: RemoteRules, resolver: Resolver, deadline: float
) -> Iterator[http.client.HTTPResponse]:
    """Ask one address and read the head of its answer; a server that drips is cut off at the deadline."""
    opened = _connect(place, _addresses(place, rules, resolver), deadline)
    watch = threading.Timer(max(0.1, deadline - time.monotonic()), _cut, [opened])
    watch.daemon = True
    watch.start()
    try:
        connection = http.client.HTTPConnection(str(place.hostname), _port(place))
        connection.sock = opened
        path = (place.path or "/") + (f"?{place.query}" if place.query else "")
        headers = {"User-Agent": "thsafe-verify", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            yield response
    except ThsafeError:
        raise
    except (OSError, http.client.HTTPException, ValueError) as problem:
        if time.monotonic() >= deadline:
            raise too_slow(rules) from problem
        raise _unreachable(place, f"{type(problem).__name__}") from problem
    finally:
        watch.cancel()
        opened.close()


def _connect(place: SplitResult, addresses: Sequence[Address], deadline: float) -> socket.socket:
    problem: OSError = OSError("no address")
    for address in addresses:
        left = max(0.1, min(10.0, deadline - time.monotonic()))
        plain = None
        try:
            plain = socket.create_connection((str(address), _port(place)), timeout=left)
            plain.settimeout(max(0.1, min(30.0, deadline - time.monotonic())))
            if place.scheme == "https":
                return ssl.create_default_context().wrap_socket(plain, server_hostname=place.hostname)
        except (OSError, ValueError) as failed:
            problem = failed if isinstance(failed, OSError) else OSError(str(failed))
            if plain is not None:
                plain.close()
        else:
            return plain
    raise _unreachable(place, str(problem.strerror or problem)) from problem


def _cut(opened: socket.socket) -> None:
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _store(
    response: http.client.HTTPResponse,
    target: Path,
    rules: RemoteRules,
    progress: Progress,
    deadline: float,
    cancelled: threading.Event | None,
) -> int:
    """The body to disk, whole or not at all; returns its size."""
    if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
        raise InputError(
            "The server sends the file packed.", code="address.encoding", rule="packed answers may be bombs"
        )
    length = response.length
    if length is not None and length > rules.max_bytes:
        raise too_large(rules, f"{length} bytes")
    progress.start("fetch", length)
    written = 0
    try:
        with target.open("xb") as file:
            while piece := response.read1(_CHUNK):
                written += len(piece)
                _check_going(written, rules, deadline, cancelled)
                try:
                    file.write(piece)
                except OSError as problem:
                    raise write_failure(target, problem.errno, written) from problem
                progress.advance(len(piece))
            file.flush()
            os.fsync(file.fileno())
        _check_whole(written, length, rules, deadline)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return written


def _check_going(written: int, rules: RemoteRules, deadline: float, cancelled: threading.Event | None) -> None:
    if written > rules.max_bytes:
        raise too_large(rules, "more")
    if time.monotonic() >= deadline:
        raise too_slow(rules)
    if cancelled is not None and cancelled.is_set():
        raise InputError("Fetching was stopped.", code="address.cancelled")


def _check_whole(written: int, length: int | None, rules: RemoteRules, deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise too_slow(rules)  # cut off, which looks like an end where the length was not told
    if length is not None and written < length:
        raise StoreError("The transfer broke off.", code="network.broke-off", found=f"{written} of {length} bytes")


def _name(place: SplitResult) -> str:
    return unquote(place.path.rpartition("/")[2])[:200] or str(place.hostname)


def _malformed(why: str) -> UsageError:
    return UsageError(
        "This is not the address of a file.",
        code="address.form",
        found=why,
        next_step="give an address such as https://host/clip.mp4",
    )


def too_large(rules: RemoteRules, found: str) -> InputError:
    """What is fetched, from a server or an object store, is larger than the rules allow."""
    return InputError(
        "The file at the address is too large.",
        code="address.size",
        found=found,
        rule=f"at most {rules.max_bytes} bytes are fetched",
        next_step="fetch it yourself: thsafe verify FILE",
    )


def too_slow(rules: RemoteRules) -> InputError:
    """It did not come within the time that the rules allow."""
    return InputError(
        "The address answers too slowly.",
        code="address.slow",
        rule=f"everything must be here within {rules.seconds:g} seconds",
        next_step="fetch it yourself: thsafe verify FILE",
    )


def _unreachable(place: SplitResult, why: str) -> StoreError:
    return StoreError(
        f"{place.hostname} does not answer.",
        code="network.unreachable",
        found=why,
        next_step="check the address, or bring the file itself",
    )
