"""Jobs of generation, one a line of CSV or JSONL: which way of generating, and what that way asks for.

A job says ``do`` (``say``, ``animate``, ``lipsync``…), ``output``, perhaps ``engine``, and the arguments of that way by
the names they have in Python. Lists are written ``a;b`` in CSV. Relative paths are meant from the file's own folder.
"""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thsafe.core.errors import InputError, ThsafeError
from thsafe.core.types import Json

if TYPE_CHECKING:
    from thsafe.generation import Generator

VERBS = ("say", "animate", "lipsync", "drive", "dialogue", "generate", "swap", "puppet", "talk")
_NOT_FOR_JOBS = frozenset(
    {"self", "home", "progress", "options", "client", "checkout", "checkout_python", "webhook", "webhook_port"}
)
"""Set by whoever runs this machine, not by a line in a list."""
_LISTS = frozenset({"consent", "territories", "declares"})
_MOST_LINE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One line."""

    line: int
    task: dict[str, Json]
    """``engine``, ``do``, ``options`` of the engine, ``arguments`` of the verb, and which of them are ``files``."""


def read_jobs(path: Path, folder: Path) -> Iterator[Job]:
    """Every job, checked for form.

    Args:
        path: ``.csv`` with a header line, else JSON lines.
        folder: where relative outputs go.

    Raises:
        InputError: ``jobs.form``: what is wrong with which line; or the file cannot be read.
        UsageError: ``engine.unknown``.
    """
    seen: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = _csv(stream) if path.suffix.lower() == ".csv" else _jsonl(stream)
            for line, row in rows:
                try:
                    job = Job(line=line, task=_task(row, path.absolute().parent, folder))
                except ThsafeError as problem:
                    raise _wrong(path, line, problem.message, next_step=problem.next_step) from problem
                except (TypeError, ValueError) as problem:
                    raise _wrong(path, line, str(problem)) from problem
                output = str(job.task["arguments"]["output_path"])
                if output in seen:
                    raise _wrong(path, line, f"line {seen[output]} has the same output, {output}")
                seen[output] = line
                yield job
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise InputError(
            f"The jobs in {path} cannot be read.", code="input.unreadable", found=str(problem)
        ) from problem


def _csv(stream: Any) -> Iterator[tuple[int, dict[str, Json]]]:
    reader = csv.DictReader(stream, strict=True)
    for row in reader:
        if None in row or None in row.values():
            yield reader.line_num, {"": "this line has more or fewer fields than the header"}
        else:
            yield reader.line_num, {name.strip(): value for name, value in row.items() if value != ""}


def _jsonl(stream: Any) -> Iterator[tuple[int, dict[str, Json]]]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        if len(line) > _MOST_LINE:
            raise ValueError("the line is too long")
        try:
            row = json.loads(line)
        except ValueError as problem:
            row = {"": f"not JSON: {problem}"}
        yield number, row if isinstance(row, dict) else {"": "not a JSON object"}


def _task(row: dict[str, Json], beside: Path, folder: Path) -> dict[str, Json]:
    from thsafe.registry import engine

    if "" in row:
        raise ValueError(str(row[""]))
    rest = dict(row)
    verb, name = str(rest.pop("do", "")), str(rest.pop("engine", "embedded"))
    if verb not in VERBS:
        raise ValueError(f'"do" must be one of {", ".join(VERBS)}; found "{verb}"')
    kind = engine(name)
    method = getattr(kind, verb, None)
    if method is None:
        raise ValueError(f'the engine {name} has no way "{verb}"')
    if "output" not in rest:
        raise ValueError('"output" is missing')
    rest["output_path"] = rest.pop("output")
    arguments, options = _annotations(method), _options(kind)
    files: list[str] = []
    sorted_out: dict[str, dict[str, Json]] = {"arguments": {}, "options": {}}
    for given, value in rest.items():
        where, kinds = ("arguments", arguments) if given in arguments else ("options", options)
        if given not in kinds:
            known = ", ".join(sorted({"output", *arguments, *options} - {"output_path"}))
            raise ValueError(f'{name} {verb} knows no "{given}"; it knows: {known}')
        place = folder if given in {"output_path", "save_performance", "captions"} else beside
        sorted_out[where][given] = _value(given, value, kinds[given], place)
        if "PathLike" in kinds[given] and place is beside and value:
            files.append(given)
    missing = [
        known
        for known, parameter in inspect.signature(method).parameters.items()
        if known != "self" and parameter.default is parameter.empty and known not in sorted_out["arguments"]
    ]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    return {"engine": name, "do": verb, **sorted_out, "files": sorted(files)}


def _options(kind: type[Generator]) -> dict[str, str]:
    found: dict[str, str] = {}
    for base in kind.__mro__:
        if "__init__" in vars(base) and base is not object:
            found |= _annotations(vars(base)["__init__"])
    return found


def _annotations(function: Any) -> dict[str, str]:
    return {
        name: str(parameter.annotation)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in _NOT_FOR_JOBS
    }


def _value(name: str, value: Json, kind: str, place: Path) -> Json:
    """A field as its argument wants it: text from CSV becomes a number, a path is made absolute."""
    if name in _LISTS:
        items = [item.strip() for item in value.split(";") if item.strip()] if isinstance(value, str) else list(value)
        if name == "declares":
            return [item for item in items if item != "nothing"]
        return [str(place / item) for item in items] if name == "consent" else items
    if value is None:
        return None
    if "PathLike" in kind or name == "output_path":
        if not isinstance(value, str):
            raise TypeError(f'"{name}" is the name of a file')
        return str(place / value)
    wanted: Mapping[str, type] = {"bool": bool, "int": int, "float": float}
    for word, cast in wanted.items():
        if kind.split(" | ", maxsplit=1)[0] == word:
            return _number(name, value, cast)
    if kind.startswith("str") and not isinstance(value, str):
        raise TypeError(f'"{name}" is a text')
    if kind.startswith(("Sequence", "tuple")) and isinstance(value, str):
        return (
            [float(item) for item in value.split(";")] if "float" in kind else [int(item) for item in value.split(";")]
        )
    return value


def _number(name: str, value: Json, cast: type) -> Json:
    if cast is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() not in words:
            raise ValueError(f'"{name}" is true or false; found "{value}"')
        return words[str(value).lower()]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise TypeError(f'"{name}" is a number')
    try:
        return cast(value)
    except ValueError as problem:
        raise ValueError(f'"{name}" is a number; found "{value}"') from problem


def _wrong(path: Path, line: int, why: str, *, next_step: str = "") -> InputError:
    return InputError(
        f"Line {line} of {path.name} is no job.",
        code="jobs.form",
        found=why,
        next_step=next_step or "mend the line; an example: thsafe batch generate --help",
        log="nothing was planned",
    )
