"""One index for every data set: JSON lines, or Parquet where pyarrow is installed.

The first line says which data set, its terms and where its root is; each further line is one :class:`Clip`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from thsafe.core.errors import InputError, MissingError, UsageError
from thsafe.datasets.clip import Clip, DataSet, Gap
from thsafe.datasets.faces import CELEBVHQ, MEAD, OBAMANET
from thsafe.datasets.forgeries import FACEFORENSICS
from thsafe.datasets.lips import LRS2, LRW
from thsafe.datasets.voices import VOXCELEB1, VOXCELEB2
from thsafe.media.files import write_whole

if TYPE_CHECKING:
    from thsafe.core.types import Json, Progress

SCHEMA: Final = "thsafe.index/1"
KNOWN: Final[Mapping[str, DataSet]] = {
    item.name: item for item in (LRW, LRS2, VOXCELEB1, VOXCELEB2, MEAD, CELEBVHQ, FACEFORENSICS, OBAMANET)
}
_EXAMPLES: Final = 5
_ENDINGS: Final = (".jsonl", ".parquet")
_TOLD_EVERY: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The clips of one data set."""

    dataset: str
    title: str
    licence: str
    access: str
    root: Path
    clips: tuple[Clip, ...]
    caution: str = ""

    def choose(
        self,
        *,
        split: str | None = None,
        limit: int | None = None,
        pictured: bool = False,
        known: Sequence[str] = (),
    ) -> tuple[Clip, ...]:
        """Clips that can be measured, evenly out of all where there are more than wanted.

        Args:
            split: of this one only.
            limit: so many at most.
            pictured: with a picture.
            known: names of fields that must be known.

        Raises:
            InputError: ``data.nothing``: there is none.
        """
        fitting = [
            clip
            for clip in self.clips
            if (split is None or clip.split == split)
            and (not pictured or clip.video is not None)
            and all(getattr(clip, name) for name in known)
        ]
        if not fitting:
            wanted = [*known, *(["picture"] if pictured else []), *([f"split {split}"] if split else [])]
            raise InputError(
                f"No clip of the index of {self.title} can be measured so.",
                code="data.nothing",
                found=f"{len(self.clips)} clips, none with " + ", ".join(wanted),
                next_step="choose another --split, or another data set: thsafe data sets",
            )
        if limit is None or len(fitting) <= limit:
            return tuple(fitting)
        return tuple(fitting[number * len(fitting) // limit] for number in range(limit))

    def path_of(self, clip: Clip) -> Path | None:
        """Where the clip's picture is; None where it has none."""
        return None if clip.video is None else self.root / clip.video

    def sound_of(self, clip: Clip) -> Path | None:
        """Where its sound is, in a file of its own or in the video's."""
        return self.path_of(clip) if clip.audio is None else self.root / clip.audio


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Gaps of one kind."""

    what: str
    count: int
    examples: tuple[str, ...]

    def as_json(self) -> dict[str, Json]:
        """As plain values."""
        return asdict(self)


def dataset(name: str) -> DataSet:
    """A data set by name.

    Raises:
        UsageError: ``data.unknown``.
    """
    if name not in KNOWN:
        raise UsageError(
            f'No reader is called "{name}".',
            code="data.unknown",
            found=name,
            next_step="choose one of: " + ", ".join(KNOWN),
        )
    return KNOWN[name]


def look(kind: DataSet, root: Path, progress: Progress) -> tuple[Index, tuple[Missing, ...]]:
    """Read a data set's folders.

    Args:
        kind: which.
        root: where its layout begins.
        progress: told of the clips.

    Returns:
        Every clip, and what is missing, by kind, the most frequent first.

    Raises:
        InputError: ``data.layout``, ``data.splits``, ``data.unreadable``, ``data.empty`` or ``data.twice``.
    """
    if not root.is_dir():
        raise InputError(
            f"There is no folder {root}.", code="data.layout", rule=kind.layout, next_step="give the data set's folder"
        )
    clips: list[Clip] = []
    counted: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    progress.start(f"reading {kind.title}", None)
    for item in kind.read(root):
        if isinstance(item, Gap):
            counted[item.what] += 1
            examples.setdefault(item.what, [])
            if len(examples[item.what]) < _EXAMPLES:
                examples[item.what].append(item.where)
            continue
        clips.append(item)
        if len(clips) % _TOLD_EVERY == 0:
            progress.advance(_TOLD_EVERY)
    if not clips:
        raise InputError(
            f"There is no clip of {kind.title} in {root}.",
            code="data.empty",
            found="; ".join(f"{what}: {count}" for what, count in counted.most_common(3)) or "no files",
            rule=kind.layout,
            next_step=f"get the data set: {kind.access}",
        )
    twice = [name for name, count in Counter(clip.id for clip in clips).items() if count > 1]
    if twice:
        raise InputError(
            f"Two files of {kind.title} stand for one clip.",
            code="data.twice",
            found=", ".join(twice[:3]),
            next_step="keep one of the two copies",
        )
    gaps = tuple(
        Missing(what=what, count=count, examples=tuple(examples[what])) for what, count in counted.most_common()
    )
    found = Index(
        dataset=kind.name,
        title=kind.title,
        licence=kind.licence,
        access=kind.access,
        root=root.absolute(),
        clips=tuple(clips),
        caution=kind.caution,
    )
    return found, gaps


def write(index: Index, path: Path) -> None:
    """Write an index whole, as JSON lines or Parquet by the name's ending.

    Raises:
        UsageError: ``data.index-kind``.
        MissingError: ``data.parquet``: pyarrow is not installed.
        StoreError: the disk is full or the folder not writable.
    """
    _check_ending(path)
    head = _head(index)
    rows = [clip.as_json() for clip in index.clips]
    if path.suffix == ".parquet":
        write_whole(path, _parquet(head, rows))
        return
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in (head, *rows))
    write_whole(path, text.encode())


def read(path: Path) -> Index:
    """Read an index.

    Raises:
        InputError: ``data.index``: it is none; ``input.missing``.
        UsageError: ``data.index-kind``.
        MissingError: ``data.parquet``.
    """
    _check_ending(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", code="input.missing", next_step="thsafe data index NAME ROOT")
    try:
        head, rows = _from_parquet(path) if path.suffix == ".parquet" else _from_lines(path)
        _check_schema(head)
        return Index(
            dataset=str(head["dataset"]),
            title=str(head["title"]),
            licence=str(head["licence"]),
            access=str(head["access"]),
            root=Path(str(head["root"])),
            clips=tuple(Clip.from_json(row) for row in rows),
            caution=str(head.get("caution", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise InputError(
            f"{path.name} is no index of thsafe.",
            code="data.index",
            found=f"{type(problem).__name__}: {problem}"[:200],
            rule=f"a first line with schema {SCHEMA}, then one clip on each line",
            next_step="make it anew: thsafe data index NAME ROOT",
        ) from problem


def is_index(path: Path) -> bool:
    """Whether a file is an index by its name."""
    return path.suffix in _ENDINGS


def _check_schema(head: Mapping[str, Any]) -> None:
    if head.get("schema") != SCHEMA:
        raise ValueError(f"schema {head.get('schema')!r}")


def _head(index: Index) -> dict[str, Json]:
    head: dict[str, Json] = {
        "schema": SCHEMA,
        "dataset": index.dataset,
        "title": index.title,
        "licence": index.licence,
        "access": index.access,
        "root": str(index.root),
        "clips": len(index.clips),
    }
    return head | ({"caution": index.caution} if index.caution else {})


def _from_lines(path: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    head: dict[str, Any] = next(rows, {})
    return head, rows


def _parquet(head: Mapping[str, Json], rows: list[dict[str, Json]]) -> bytes:
    import io

    arrow, parquet = _pyarrow()
    text, number = arrow.string(), arrow.float64()
    kinds = dict.fromkeys(("start", "end"), number) | {"box": arrow.list_(number)}
    kinds |= dict.fromkeys(("people", "attributes"), arrow.list_(text))
    schema = arrow.schema(
        [(name, kinds.get(name, text)) for name in Clip.__dataclass_fields__],
        metadata={"thsafe": json.dumps(dict(head), ensure_ascii=False)},
    )
    out = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), out, compression="zstd")
    return out.getvalue()


def _from_parquet(path: Path) -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    arrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path)
    except arrow.ArrowException as problem:
        raise ValueError(str(problem)) from problem
    head = json.loads((table.schema.metadata or {}).get(b"thsafe", b"{}"))
    rows = ({name: value for name, value in row.items() if value is not None} for row in table.to_pylist())
    return head, rows


def _pyarrow() -> tuple[Any, Any]:
    import importlib

    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as problem:
        raise MissingError(
            "Parquet needs pyarrow.",
            code="data.parquet",
            next_step="pip install 'thsafe[parquet]', or write JSON lines: -o index.jsonl",
        ) from problem


def _check_ending(path: Path) -> None:
    if not is_index(path):
        raise UsageError(
            "An index ends in .jsonl or .parquet.",
            code="data.index-kind",
            found=path.name,
            next_step=f"name it {path.with_suffix('.jsonl').name}",
        )
