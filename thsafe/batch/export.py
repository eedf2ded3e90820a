"""What came of a batch as JSONL, CSV or Parquet: streamed, written whole or not at all."""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from thsafe.batch.sources import path_of
from thsafe.core.errors import MissingError, UsageError
from thsafe.core.types import Json
from thsafe.media.files import plain_name, write_failure
from thsafe.remote import is_address

if TYPE_CHECKING:
    from thsafe.store.batches import Batches, Item, Result

_Row = TypeVar("_Row")
FORMATS = ("jsonl", "csv", "parquet")
COLUMNS = (
    "number", "source", "state", "verdict", "sha256", "sentence", "error", "message", "attempts", "seconds", "at",
    "key", "log_entry",
)  # fmt: skip
_PAGE = 500


def export(batches: Batches, batch_id: str, target: Path, *, form: str, states: Sequence[str] = ()) -> int:
    """Write one row an item, in the order of the batch.

    Args:
        batches: of the database.
        batch_id: the whole id.
        target: the file.
        form: one of ``FORMATS``; JSONL has the whole report of each item, the others its words.
        states: only items in these; none: all.

    Returns:
        How many rows were written.

    Raises:
        UsageError: ``export.form``.
        MissingError: ``export.pyarrow``.
        StoreError: the disk refuses; no file is left.
    """
    if form not in FORMATS:
        raise UsageError(
            f'A batch cannot be written as "{form}".', code="export.form", next_step="--format " + "|".join(FORMATS)
        )
    records = _records(batches, batch_id, states, whole=form == "jsonl")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if form == "parquet":
            count = _write_parquet(records, temporary)
        else:
            with temporary.open("w", encoding="utf-8", newline="") as stream:
                count = (_write_jsonl if form == "jsonl" else _write_csv)(records, stream)
        temporary.replace(target)
    except OSError as problem:
        raise write_failure(target, problem.errno, 0) from problem
    finally:
        temporary.unlink(missing_ok=True)
    return count


def write_lines(batches: Batches, batch_id: str, stream: TextIO, *, states: Sequence[str] = ()) -> int:
    """The JSONL form into an open stream."""
    return _write_jsonl(_records(batches, batch_id, states, whole=True), stream)


def _pages(rows: Iterator[_Row], size: int) -> Iterator[list[_Row]]:
    while page := list(islice(rows, size)):
        yield page


def _records(batches: Batches, batch_id: str, states: Sequence[str], *, whole: bool) -> Iterator[dict[str, Json]]:
    for page in _pages(batches.items(batch_id, *states), _PAGE):
        results = batches.results(item.key for item in page if item.state == "done")
        for item in page:
            yield _record(item, results.get(item.key or ""), whole=whole)


def _record(item: Item, result: Result | None, *, whole: bool) -> dict[str, Json]:
    error = item.error or {}
    report = dict(result.report) if result is not None else {}
    if "file" in report:
        # The report is that of the content, whoever had it first; here it is about this file.
        name = item.source.rpartition("/")[2] if is_address(item.source) else path_of(item.source).name
        report["file"] = plain_name(name)
    record: dict[str, Json] = {
        "number": item.number,
        "source": item.source,
        "state": item.state,
        "verdict": result.verdict if result else None,
        "sha256": result.sha256 if result else None,
        "sentence": report.get("sentence"),
        "error": error.get("error"),
        "message": error.get("message"),
        "attempts": item.attempts,
        "seconds": item.seconds,
        "at": item.at,
        "key": item.key,
        "log_entry": result.position if result else None,
    }
    if not whole:
        return record
    return record | {"error": item.error, "report": report or None, "task": item.task}


def _write_jsonl(records: Iterator[dict[str, Json]], stream: TextIO) -> int:
    count = 0
    for record in records:
        stream.write(json.dumps(record, ensure_ascii=False) + "\n")
        count += 1
    return count


def _write_csv(records: Iterator[dict[str, Json]], stream: TextIO) -> int:
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    count = 0
    for record in records:
        writer.writerow({name: _cell(value) for name, value in record.items()})
        count += 1
    return count


def _cell(value: Json) -> Json:
    """A file's name may begin like a formula, which spreadsheets would run (CWE-1236)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _write_parquet(records: Iterator[dict[str, Json]], target: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as problem:
        raise MissingError(
            "Parquet needs pyarrow.",
            code="export.pyarrow",
            found=str(problem),
            next_step="pip install 'thsafe[parquet]', or --format jsonl",
        ) from problem
    kinds = {"number": pa.int64(), "attempts": pa.int32(), "seconds": pa.float64(), "log_entry": pa.int64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    count = 0
    with pq.ParquetWriter(target, schema) as writer:
        for page in _pages(records, _PAGE * 10):
            writer.write_table(pa.Table.from_pylist(list(page), schema=schema))
            count += len(page)
    return count
