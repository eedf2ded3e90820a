"""Lists of crops: DeepfakeBench's JSON read as samples, with label, method, identities and split.

``{dataset: {label: {split: {[compression:] {video: {"label": …, "frames": […]}}}}}}``; only FaceForensics++ has
compression levels. Polarity is one for all: label 1 is a manipulation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from thsafe.core.errors import InputError

GENUINE: Final = frozenset(
    {"FF-real", "DFD_real", "CelebDFv1_real", "CelebDFv2_real", "DFDC_Real", "DFDCP_Real", "UADFV_Real", "genuine"}
)
"""Labels of what was not manipulated; every other label is of a manipulation."""
SPLITS: Final = ("train", "val", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One crop."""

    path: Path
    label: int
    """1: manipulated."""
    method: str
    """The list's own label, such as ``FF-F2F``."""
    video: str
    """Unique: method, compression and name, for ``000_003`` is a video of every method."""
    identities: tuple[str, ...]
    """Who is in it, as far as the name says: target, then source."""
    twin: Path | None = None
    """The genuine crop that it was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faceless:
    """Frames of one video that were looked at and showed no face."""

    label: int
    method: str
    video: str
    identities: tuple[str, ...]
    frames: int


def read_list(path: Path, split: str, *, root: Path | None = None, compression: str = "") -> tuple[Sample, ...]:
    """The samples of one split, in the list's order.

    Args:
        path: the JSON.
        split: ``train``, ``val`` or ``test``.
        root: what its paths are relative to; by default the folder above the list's own.
        compression: ``raw``, ``c23`` or ``c40``, where the list has levels; empty for all.

    Raises:
        InputError: ``list.unreadable``, ``list.form``, ``list.split`` (nothing for it) or ``list.path`` (leads out).
    """
    base = (root or path.resolve().parent.parent).resolve()
    samples = [
        sample
        for label, level, name, entry in _entries(path, split, compression)
        for sample in _samples(base, label, level, name, entry)
    ]
    if not samples:
        raise InputError(
            f"{path.name} has no crops for {split}{' at ' + compression if compression else ''}.",
            code="list.split",
            next_step="choose another split, or prepare the data again",
        )
    return tuple(samples)


def read_faceless(path: Path, split: str, *, compression: str = "") -> tuple[Faceless, ...]:
    """What the list says of frames without a face (``missing``, our own key); arguments and errors as ``read_list``."""
    return tuple(
        Faceless(
            label=int(label not in GENUINE),
            method=label,
            video=_video(label, level, name),
            identities=_people(label, name),
            frames=int(entry["missing"]),
        )
        for label, level, name, entry in _entries(path, split, compression)
        if entry.get("missing")
    )


def _entries(path: Path, split: str, compression: str) -> list[tuple[str, str, str, Mapping[str, Any]]]:
    """(label, compression, name, entry) of every video of a split."""
    try:
        whole = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(
            f"{path.name} is no list of crops.",
            code="list.unreadable",
            found=str(problem),
            next_step="thsafe data prepare ffpp ROOT makes one",
        ) from problem
    try:
        return [
            (_checked(entry, label), level, str(name), entry)
            for dataset in whole.values()
            for label, splits in dataset.items()
            for level, videos in _levels(splits.get(split, {}))
            if not (compression and level and level != compression)
            for name, entry in videos.items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise InputError(
            f"{path.name} is not in the form of DeepfakeBench's lists.",
            code="list.form",
            found=f"{type(problem).__name__}: {problem}",
            rule="{dataset: {label: {split: {video: {label, frames}}}}}",
            next_step="thsafe data prepare ffpp ROOT makes one",
        ) from problem


def _checked(entry: Mapping[str, Any], label: str) -> str:
    """The entry's own label, after a look at the rest of it."""
    frames, twins = entry["frames"], entry.get("twins", [])
    if not all(isinstance(name, str) for name in (*frames, *twins)) or (twins and len(twins) != len(frames)):
        raise ValueError("frames and twins are lists of paths, of one length")
    if not isinstance(entry.get("missing", 0), int):
        raise TypeError("missing is a number")
    return str(entry.get("label", label))


def _levels(videos: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(compression, videos); the level is empty where the list has none."""
    if videos and all("frames" not in value for value in videos.values()):
        yield from videos.items()
    else:
        yield "", videos


def _samples(base: Path, label: str, level: str, name: str, entry: Mapping[str, Any]) -> Iterator[Sample]:
    frames, twins = entry["frames"], entry.get("twins", [])
    for number, frame in enumerate(frames):
        yield Sample(
            path=_inside(base, frame),
            label=int(label not in GENUINE),
            method=label,
            video=_video(label, level, name),
            identities=_people(label, name),
            twin=_inside(base, twins[number]) if twins else None,
        )


def _video(label: str, level: str, name: str) -> str:
    return "/".join(part for part in (label, level, name) if part)


def _people(label: str, name: str) -> tuple[str, ...]:
    """Who is in it: FaceForensics' 000_003, Celeb-DF's id0_id1_0003 and the actors' 01_02__scene name two people."""
    parts = name.partition("__")[0].split("_")
    if label in {"CelebDFv1_fake", "CelebDFv2_fake", "DFD_fake"} or label.startswith("FF-"):
        return tuple(parts[:2])
    if label in {"CelebDFv1_real", "CelebDFv2_real", "DFD_real"} or label.startswith("DFDCP_"):
        return (parts[0],)
    # ours: <person>__<clip>
    return (name.partition("__")[0],)


def _inside(base: Path, name: str) -> Path:
    """The path a list names; its separators may be those of Windows, its way may not lead out of the data."""
    path = (base / name.replace("\\", "/")).resolve()
    if not path.is_relative_to(base):
        raise InputError(
            "The list names a file outside its own folder.",
            code="list.path",
            found=name,
            rule=f"below {base}",
            next_step="prepare the data again, or give --root",
        )
    return path
