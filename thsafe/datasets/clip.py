"""One clip of a data set, what is missing of one, and what a data set is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from thsafe.core.types import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One recording of one data set. Paths are relative to the data set's root, with ``/``; None is unknown."""

    id: str
    """Unique in the data set."""
    video: str | None = None
    audio: str | None = None
    """Sound in a file of its own; None where the video has it, or there is none."""
    person: str | None = None
    """Whose face or voice, under the data set's own name."""
    split: str | None = None
    """``pretrain``, ``train``, ``val`` or ``test``."""
    label: str = "real"
    """``real`` or ``fake``."""
    method: str | None = None
    """How a fake was made."""
    people: tuple[str, ...] = ()
    """Of a fake: whose picture was altered, then whose face or movement was put there."""
    text: str | None = None
    """What is said."""
    emotion: str | None = None
    intensity: str | None = None
    view: str | None = None
    """From where it was filmed, or how it was compressed: one recording, seen in several ways."""
    start: float | None = None
    """Seconds: the part of the file that is meant."""
    end: float | None = None
    box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1 of the face as shares of the picture."""
    attributes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """Its fields without those that are unknown or empty."""
        return {name: value for name, value in asdict(self).items() if value not in {None, ()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`as_json`; raises ValueError or TypeError for anything else."""
        known = {item.name for item in fields(cls)}
        if not set(value) <= known or not isinstance(value.get("id"), str):
            raise ValueError(f"no clip: {sorted(set(value) - known)[:3] or value.get('id')!r}")
        given: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that the data set's layout promises and that is not there, or is not what it should be."""

    what: str
    """The kind of gap, the same for all of its kind: ``video without its text``."""
    where: str
    """Relative to the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A data set of others: what it is, under which terms it comes, and how its folders are read."""

    name: str
    title: str
    paper: str
    licence: str
    """In words, as the authors state it; theirs is what counts."""
    access: str
    """How one gets it."""
    layout: str
    """What lies below the root."""
    read: Callable[[Path], Iterator[Clip | Gap]] = field(repr=False)
    """Every clip and every gap, in a fixed order; raises InputError ``data.layout`` where it is something else."""
    caution: str = ""
