"""Where consents lie on this machine: records, withdrawals, status lists, trusted collectors, and the vault."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from thsafe.consent.files import malformed, read_object, write_json
from thsafe.consent.record import ConsentRecord
from thsafe.consent.status import StatusFolder
from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import Json
from thsafe.home import Home

PICTURES: Final = "pictures"
"""The vault's entry of places by digest."""


@dataclass(frozen=True, slots=True)
class ConsentStore:
    """The folder ``consents`` of one installation; every file has mode 0600."""

    home: Home

    @property
    def records(self) -> Path:
        """One ``<uuid>.json`` per record."""
        return self.home.consents / "records"

    @property
    def vault(self) -> Path:
        """One ``<uuid>.json`` per record: values and salts behind commitments, places of pictures; it stays here."""
        return self.home.consents / "vault"

    @property
    def statuses(self) -> StatusFolder:
        """Status lists kept or fetched."""
        return StatusFolder(self.home.consents / "status")

    @property
    def withdrawals(self) -> Path:
        """Signed withdrawals and suspensions of records that this installation keeps the list for."""
        return self.home.consents / "withdrawals"

    def add(self, record: ConsentRecord, vault: Mapping[str, Json] | None = None) -> Path:
        """Keep a record, and what must not be in it beside what is kept already; returns the record's file."""
        name = _name(record.id)
        if vault:
            write_json(self.vault / name, {**self.vault_of(record.id), **vault})
        write_json(self.records / name, dict(record.document))
        return self.records / name

    def get(self, consent_id: str) -> ConsentRecord:
        """The record with that id.

        Raises:
            UsageError: ``consent.unknown``.
        """
        path = self.records / _name(consent_id)
        if not path.is_file():
            raise UsageError(
                "There is no consent with that id here.",
                code="consent.unknown",
                found=consent_id[:80],
                next_step="thsafe consent list",
            )
        return read_record(path)

    def list(self) -> tuple[ConsentRecord, ...]:
        """All records that can be read, in order of their names; a damaged file hides no other."""
        return tuple(self._each())

    def find_for(self, sha256: str) -> tuple[ConsentRecord, ...]:
        """The records that name these bytes, the one that lasts longest first."""
        found = [record for record in self._each() if record.covers_media(sha256)]
        return tuple(sorted(found, key=lambda record: record.terms.valid_until, reverse=True))

    def vault_of(self, consent_id: str) -> dict[str, Json]:
        """The personal values behind a record's commitments; empty where there are none or they were erased."""
        path = self.vault / _name(consent_id)
        return read_object(path, "vault file") if path.is_file() else {}

    def pictures_of(self, consent_id: str) -> dict[str, Path]:
        """Where approved pictures were when the record was made, by digest; they may have moved or changed since."""
        noted = self.vault_of(consent_id).get(PICTURES)
        if not isinstance(noted, Mapping):
            return {}
        return {sha256: Path(place) for sha256, place in noted.items() if isinstance(place, str)}

    def forget(self, consent_id: str) -> bool:
        """Erase the personal values and salts of a record; whether there were any."""
        path = self.vault / _name(consent_id)
        there = path.is_file()
        path.unlink(missing_ok=True)
        return there

    def _each(self) -> Iterator[ConsentRecord]:
        for path in sorted(self.records.glob("*.json")):
            try:
                yield read_record(path)
            except InputError:
                continue


def read_record(path: Path) -> ConsentRecord:
    """Read a record's file.

    Raises:
        InputError: ``consent.unreadable`` or ``consent.malformed``.
    """
    return ConsentRecord.parse(read_object(path, "consent record"))


def _name(consent_id: str) -> str:
    # Only what ConsentRecord.parse admits as an id may become a file name.
    name = consent_id.removeprefix("urn:uuid:")
    if not name.replace("-", "").isalnum() or len(name) != 36:
        raise malformed("consent id", consent_id[:80])
    return f"{name}.json"
