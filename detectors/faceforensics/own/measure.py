"""The corpus, measured once: each clip after one or more fates, in one file a person.

Fakes and their genuine twins meet the same fates. People of the test split meet the named conditions, everybody else
chances; nothing of the test split is looked at when anything is fitted.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics.batches import MARGIN, load
from detectors.faceforensics.degrade import ClipFate
from detectors.faceforensics.listing import Sample, read_list
from detectors.faceforensics.own.pairs import Known, a_donor, known_clips, laid_over
from detectors.faceforensics.own.stretches import LEAST_FACE, Stretch, measured, stored_stretch
from detectors.faceforensics.selfmade.maker import ANEW
from thsafe.core.types import Progress, Silent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Measured = Mapping[str, NDArray[Any]]
    _Row = tuple[dict[str, Any], Measured]

QUALITIES: Final = ("as-is", "c23", "c40", "jpeg-75", "half-size")
ROUNDS: Final = 2
"""Fates of each clip that is trained on."""
_OVER: Final = "face-swap"
"""Whatever this is laid over, swaps joined in gradients are, too."""
PARTS: Final = ("traces", "temporal", "grid")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Measured stretches of a split, row by row."""

    parts: Measured
    """``PARTS``, each (n, …)."""
    methods: NDArray[np.str_]
    people: NDArray[np.str_]
    clips: NDArray[np.str_]
    """Of the person; a fake and its twin, or what was made over one, have the same."""
    qualities: NDArray[np.str_]
    """The named condition; of a drawn fate, what comes nearest."""
    faces: NDArray[np.float64]
    """Pixels of the face's longer side."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """1: manipulated."""
        return np.asarray(self.methods != "genuine", np.int64)

    def __len__(self) -> int:
        return len(self.methods)

    def rows(self, chosen: NDArray[Any]) -> Table:
        """Some of it."""
        return Table(
            parts={name: part[chosen] for name, part in self.parts.items()},
            methods=self.methods[chosen],
            people=self.people[chosen],
            clips=self.clips[chosen],
            qualities=self.qualities[chosen],
            faces=self.faces[chosen],
        )

    def items(self) -> Iterator[Measured]:
        """Row by row, as ``measured`` gives them."""
        return ({name: part[row] for name, part in self.parts.items()} for row in range(len(self)))


def measure(listing: Path, split: str, folder: Path, *, progress: Progress | None = None) -> Table:
    """Measure a split of the corpus; what is in ``folder`` already is taken from there.

    Args:
        listing: the corpus' list.
        split: ``train``, ``val`` or ``test``.
        folder: gets one file a person.
        progress: told how far it is.
    """
    telling = progress or Silent()
    by_person: dict[str, dict[str, list[Sample]]] = {}
    for sample in read_list(listing, split):
        by_person.setdefault(sample.identities[0], {}).setdefault(sample.video, []).append(sample)
    folder.mkdir(parents=True, exist_ok=True)
    telling.start(f"measuring {split}", len(by_person))
    tables = []
    for person, clips in by_person.items():
        path = folder / f"{person}.npz"
        if not path.exists():
            _measure_person(person, list(clips.values()), path, fixed=split == "test")
        tables.append(_load(path, person))
        telling.advance()
    if split != "test":
        tables += _measure_anew(read_list(listing, split), folder, telling)
    return joined(tables)


def joined(tables: Sequence[Table]) -> Table:
    """One table after the other."""
    return Table(
        parts={name: np.concatenate([table.parts[name] for table in tables]) for name in PARTS},
        methods=np.concatenate([table.methods for table in tables]),
        people=np.concatenate([table.people for table in tables]),
        clips=np.concatenate([table.clips for table in tables]),
        qualities=np.concatenate([table.qualities for table in tables]),
        faces=np.concatenate([table.faces for table in tables]),
    )


def _measure_person(person: str, clips: Sequence[Sequence[Sample]], path: Path, *, fixed: bool) -> None:
    from thsafe.media.faces import FaceFinder

    rows = []
    with FaceFinder() as finder:
        for samples in clips:
            stretch = stored_stretch(samples, finder)
            if stretch is None:
                continue
            clip = samples[0].video.partition("__")[2]
            for fate, quality in _fates(person, clip, stretch.face, fixed=fixed):
                rows.append(_row(samples[0].method, clip, quality, stretch, fate))
    _write(rows, path)


def _measure_anew(samples: Sequence[Sample], folder: Path, telling: Progress) -> list[Table]:
    """What the corpus has of the test split alone, made anew over the clips that other fakes are laid over, too."""
    laid = {(sample.identities[0], sample.video.partition("__")[2]) for sample in samples if sample.method == _OVER}
    people = sorted({person for person, _ in laid})
    telling.start("making and measuring anew", len(people))
    clips = [] if all(_anew(folder, person).exists() for person in people) else known_clips(samples)
    tables = []
    for person in people:
        path = _anew(folder, person)
        if not path.exists():
            rows: list[_Row] = []
            for clip in (known for known in clips if known.person == person and (person, known.name) in laid):
                rows += _anew_rows(clip, clips)
            if not rows:
                continue
            _write(rows, path)
        tables.append(_load(path, person))
        telling.advance()
    return tables


def _anew(folder: Path, person: str) -> Path:
    return folder / f"{person}.anew.npz"


def _anew_rows(clip: Known, clips: Sequence[Known]) -> Iterator[_Row]:
    frames = [load(path) for path in clip.paths]
    face = frames[0].shape[0] / MARGIN
    for method in ANEW:
        random = np.random.default_rng(zlib.crc32(f"{method}/{clip.person}/{clip.name}".encode()))
        donor = a_donor(method, clip, clips, random)
        given = [load(path) for path in donor.paths]
        made = laid_over(method, frames, clip.marks, given, donor.marks, int(random.integers(1 << 31)))
        stretch = Stretch(frames=made, marks=clip.marks, face=face)
        for fate, quality in _fates(clip.person, clip.name, face, fixed=False):
            yield _row(method, clip.name, quality, stretch, fate)


def _row(method: str, clip: str, quality: str, stretch: Stretch, fate: ClipFate) -> _Row:
    altered = stretch.scaled(fate.befall(stretch.frames), fate.scale)
    return {"method": method, "clip": clip, "quality": quality, "face": altered.face}, measured(altered)


def _write(rows: Sequence[_Row], path: Path) -> None:
    meta = [row for row, _ in rows]
    parts = {name: np.stack([found[name] for _, found in rows]) for name in PARTS}
    draft = path.with_suffix(".part.npz")
    np.savez(draft, meta=np.array(json.dumps(meta)), **parts)
    draft.replace(path)


def _fates(person: str, clip: str, face: float, *, fixed: bool) -> Iterator[tuple[ClipFate, str]]:
    if fixed:
        for quality in QUALITIES:
            yield ClipFate.fixed(quality, face=face, least=LEAST_FACE), quality
        return
    for turn in range(ROUNDS):
        random = np.random.default_rng([zlib.crc32(f"{person}/{clip}".encode()), turn])
        fate = ClipFate.drawn(random, face=face, least=LEAST_FACE)
        yield fate, _nearest(fate)


def _nearest(fate: ClipFate) -> str:
    """The named condition that a drawn fate comes nearest to."""
    if fate.codec == "h264":
        return "c40" if fate.quality >= 31 else "half-size" if fate.scale < 0.75 else "c23"
    return "jpeg-75" if fate.codec == "jpeg" else "as-is"


def _load(path: Path, person: str) -> Table:
    with np.load(path, allow_pickle=False) as stored:
        meta = json.loads(str(stored["meta"]))
        return Table(
            parts={name: stored[name] for name in PARTS},
            methods=np.array([row["method"] for row in meta]),
            people=np.array([person] * len(meta)),
            clips=np.array([row["clip"] for row in meta]),
            qualities=np.array([row["quality"] for row in meta]),
            faces=np.array([row["face"] for row in meta]),
        )
