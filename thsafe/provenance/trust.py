"""Whom we believe, and for what: lists of anchors kept apart by kind.

The SDK loads anchors of several kinds and then lets any of them vouch for anything: a time-stamp or identity anchor
also makes claim signers trusted. So each certificate is given to the SDK once, under a URI that stands for the exact
set of lists that hold it, and the verdict asks which set the SDK found, not whether it found one.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from thsafe.core.errors import InputError, StoreError, UsageError
from thsafe.core.types import Json
from thsafe.home import Home

_URI = "urn:thsafe:anchors:"


class TrustKind(StrEnum):
    """What the anchors of a list may vouch for."""

    DEVELOPMENT = "development"
    """This installation's own root: its claims and its time stamps."""
    C2PA = "c2pa"
    """Claim signers, such as the official C2PA trust list or anchors the user has chosen."""
    LEGACY = "legacy"
    """Claim signers of the frozen interim list, told apart from the official one."""
    TSA = "tsa"
    """Time stamps only."""
    CAWG = "cawg"
    """Identities only; never given to the SDK here, since identities are not resolved."""


_FOR_CLAIMS = frozenset({TrustKind.DEVELOPMENT, TrustKind.C2PA, TrustKind.LEGACY})
_USER_KINDS = frozenset(str(kind) for kind in TrustKind if kind is not TrustKind.DEVELOPMENT)
_FOR_STAMPS = frozenset({TrustKind.DEVELOPMENT, TrustKind.TSA})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustList:
    """One list of anchors."""

    name: str
    kind: TrustKind
    pem: bytes = field(repr=False)

    def certificates(self) -> list[x509.Certificate]:
        """The anchors; raises InputError ``trust.pem`` if they are not PEM certificates."""
        try:
            return x509.load_pem_x509_certificates(self.pem)
        except ValueError as problem:
            raise InputError(
                f"The trust list {self.name} is not a list of PEM certificates.",
                code="trust.pem",
                found=str(problem),
                next_step="remove the file from the trust folder, or add it again",
            ) from problem


@dataclass(frozen=True, slots=True)
class Trust:
    """The lists that a reading goes by; with none every signer is unknown."""

    lists: tuple[TrustList, ...] = ()

    @classmethod
    def of_home(cls, home: Home) -> Trust:
        """This installation's own root, if it has one, and the user's lists ``trust/NAME.KIND.pem``."""
        lists = []
        root = home.keys / "root.pem"
        if root.is_file():
            lists.append(TrustList(name="this installation", kind=TrustKind.DEVELOPMENT, pem=root.read_bytes()))
        for path in sorted(trust_folder(home).glob("*.pem")):
            name, _, kind = path.stem.rpartition(".")
            if kind not in _USER_KINDS:
                raise UsageError(
                    f"The trust list {path.name} does not say what it is for.",
                    code="trust.kind",
                    found=path.name,
                    rule="NAME.KIND.pem with KIND one of c2pa, legacy, tsa, cawg",
                    next_step=f"mv '{path}' '{path.with_name(path.stem + '.c2pa.pem')}'",
                )
            lists.append(TrustList(name=name, kind=TrustKind(kind), pem=path.read_bytes()))
        return cls(tuple(lists))

    def anchor_sets(self) -> list[tuple[frozenset[TrustList], list[x509.Certificate]]]:
        """Certificates grouped by the exact set of lists that hold them; CAWG lists left out."""
        holders: dict[x509.Certificate, set[TrustList]] = {}
        for item in self.lists:
            if item.kind is not TrustKind.CAWG:
                for certificate in item.certificates():
                    holders.setdefault(certificate, set()).add(item)
        groups: dict[frozenset[TrustList], list[x509.Certificate]] = {}
        for certificate, names in holders.items():
            groups.setdefault(frozenset(names), []).append(certificate)
        return list(groups.items())

    def sdk_anchors(self) -> list[Json]:
        """The SDK's ``trust.anchors``."""
        anchors = []
        for place, (lists, certificates) in enumerate(self.anchor_sets()):
            claims = any(item.kind in _FOR_CLAIMS for item in lists)
            pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates).decode()
            kind = "manifest" if claims else "tsa"
            anchors.append({"trust_anchors": pem, "trust_uri": self.uri(place), "trust_kind": kind})
        return anchors

    def uri(self, place: int) -> str:
        """What the group at a place of ``anchor_sets`` is called when it is given to the SDK."""
        return f"{_URI}{place}"

    def claim_list(self, uri: str | None) -> TrustList | None:
        """The list that vouches for a claim signer found under ``uri``, the strongest first; None if none may."""
        order = (TrustKind.C2PA, TrustKind.LEGACY, TrustKind.DEVELOPMENT)
        return _first(self._holders(uri), order)

    def stamp_list(self, uri: str | None) -> TrustList | None:
        """The list that vouches for a time stamp found under ``uri``; None if none may."""
        return _first(self._holders(uri), tuple(_FOR_STAMPS))

    def _holders(self, uri: str | None) -> frozenset[TrustList]:
        for place, (lists, _) in enumerate(self.anchor_sets()):
            if uri == self.uri(place):
                return lists
        return frozenset()


def trust_folder(home: Home) -> Path:
    """Where the user's lists are."""
    return home.path / "trust"


def add_list(home: Home, source: Path, *, kind: TrustKind, name: str) -> TrustList:
    """Add a PEM file to the user's lists.

    Raises:
        UsageError: the name is not one word, or the kind is not the user's to give.
        InputError: the file holds no PEM certificates.
    """
    if not name.replace("-", "").replace("_", "").isalnum() or kind is TrustKind.DEVELOPMENT:
        raise UsageError(
            "The trust list cannot be called that.",
            code="trust.name",
            found=f"{name}.{kind}",
            rule="letters, digits and dashes; kind c2pa, legacy, tsa or cawg",
        )
    try:
        added = TrustList(name=name, kind=kind, pem=source.read_bytes())
    except OSError as problem:
        raise InputError(
            "The trust list cannot be read.", code="input.unreadable", found=problem.strerror or str(problem)
        ) from problem
    added.certificates()
    keep_list(home, added)
    return added


def keep_list(home: Home, kept: TrustList, record: bytes | None = None) -> None:
    """Write a list into the user's folder, and beside it the record of its origin; raises StoreError if it cannot."""
    folder = trust_folder(home)
    home.prepare()
    name = f"{kept.name}.{kept.kind}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if record is None:
            (folder / f"{name}.json").unlink(missing_ok=True)
        else:
            _replace(folder / f"{name}.json", record)
        _replace(folder / f"{name}.pem", kept.pem)
    except OSError as problem:
        raise StoreError(
            "The trust list cannot be kept.",
            code="store.trust",
            found=str(problem),
            next_step="mend the folder's permissions, or free some space",
        ) from problem


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _first(lists: Iterable[TrustList], order: Sequence[TrustKind]) -> TrustList | None:
    by_kind = {item.kind: item for item in lists}
    return next((by_kind[kind] for kind in order if kind in by_kind), None)
