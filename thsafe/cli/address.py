"""The options that say which addresses may be fetched, the same wherever one may be given."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from thsafe.remote import RemoteRules

_OPTIONS = (
    click.option(
        "--url-host",
        "url_hosts",
        multiple=True,
        metavar="HOST",
        help="Fetch from this host only (.example: all below it). Repeatable.",
    ),
    click.option(
        "--url-scheme",
        "url_schemes",
        multiple=True,
        type=click.Choice(["https", "http"]),
        help="Repeatable; https alone if none is given.",
    ),
    click.option(
        "--url-port",
        "url_ports",
        multiple=True,
        type=click.IntRange(1, 65535),
        help="Repeatable; 80 and 443 if none is given.",
    ),
    click.option(
        "--url-network",
        "url_networks",
        multiple=True,
        metavar="CIDR",
        help="A network that is reached although it is not public. Repeatable.",
    ),
)


def address_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--url-host``, ``--url-scheme``, ``--url-port`` and ``--url-network``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def address_rules(
    hosts: tuple[str, ...],
    schemes: tuple[str, ...],
    ports: tuple[int, ...],
    networks: tuple[str, ...],
    *,
    most: int | None = None,
) -> RemoteRules:
    """The rules that the options make.

    Args:
        hosts: as given.
        schemes: as given.
        ports: as given.
        networks: as given.
        most: bytes at most, if that is less than usual.

    Raises:
        UsageError: ``usage.network``.
    """
    import ipaddress

    from thsafe.core.errors import UsageError
    from thsafe.remote import RemoteRules

    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as problem:
            raise UsageError(
                f"{network} is no network.", code="usage.network", found=str(problem), next_step="such as 10.1.0.0/16"
            ) from problem
    usual = RemoteRules()
    return RemoteRules(
        hosts=hosts,
        schemes=schemes or usual.schemes,
        ports=ports or usual.ports,
        networks=networks,
        max_bytes=usual.max_bytes if most is None else min(usual.max_bytes, most),
    )
