"""How often one client may ask: a bucket for each, forgotten when it is full again."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable

_MOST_CLIENTS = 100_000


class Rate:
    """So many in a minute, in bursts of as many."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> float:
        """Take one; returns 0, or the seconds until there is one again."""
        now = self._clock()
        if len(self._left) > _MOST_CLIENTS:
            self._forget(now)
        name = network_of(client)
        left = self._filled(name, now)
        if left < 1:
            return (1 - left) * 60 / self._most
        self._left[name] = (left - 1, now)
        return 0.0

    def _filled(self, name: str, now: float) -> float:
        left, then = self._left.get(name, (self._most, now))
        return min(self._most, left + (now - then) * self._most / 60)

    def _forget(self, now: float) -> None:
        self._left = {name: kept for name, kept in self._left.items() if self._filled(name, now) < self._most}
        if len(self._left) > _MOST_CLIENTS:
            self._left.clear()  # a flood from everywhere: counting clients does not help against it


def network_of(client: str) -> str:
    """Who is counted as one client: an IPv4 address, or an IPv6 network of 64 bits, which is one subscriber's."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
