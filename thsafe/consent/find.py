"""Where a consent for a job may lie: named by the caller, named by the environment, beside the input, in the store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from thsafe.consent.files import read_object
from thsafe.consent.present import is_presentation, presented_record
from thsafe.consent.record import ConsentRecord
from thsafe.consent.store import ConsentStore
from thsafe.core.types import Json, MediaRef

VARIABLE: Final = "THSAFE_CONSENT"
"""Paths of consents, separated as in PATH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One consent that might cover an input, and where it was found."""

    record: ConsentRecord
    presentation: Mapping[str, Json] | None
    """What came with it; None for a bare record, which this installation presents itself."""
    origin: str
    """For sentences."""


def named(consents: Sequence[Path | ConsentRecord]) -> list[Candidate]:
    """The consents that the caller and the environment name.

    Raises:
        InputError: a file named so cannot be read: it was meant to count.
    """
    paths = [Path(text) for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    return [
        Candidate(record=item, presentation=None, origin=item.id) if isinstance(item, ConsentRecord) else _read(item)
        for item in [*consents, *paths]
    ]


def nearby(ref: MediaRef, store: ConsentStore) -> list[Candidate]:
    """The consent beside an input (``<stem>.consent.json``), then those in the store that name its bytes.

    Raises:
        InputError: the file beside the input cannot be read.
    """
    beside = None if ref.path is None else ref.path.with_name(f"{ref.path.stem}.consent.json")
    return [
        *([_read(beside)] if beside is not None and beside.is_file() else []),
        *(
            Candidate(record=record, presentation=None, origin=f"{record.id} in the consent store")
            for record in store.find_for(ref.sha256)
        ),
    ]


def _read(path: Path) -> Candidate:
    document = read_object(path, "consent")
    if is_presentation(document):
        return Candidate(record=presented_record(document), presentation=document, origin=path.name)
    return Candidate(record=ConsentRecord.parse(document), presentation=None, origin=path.name)
