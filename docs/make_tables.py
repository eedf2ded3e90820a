"""Reference pages read from the code: the law table, the gate's rules, errors, events, and the Python interface."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import thsafe
from policies.bundle import PolicyBundle
from policies.rules import IN_FORCE, Rule
from thsafe.core import errors

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("thsafe", "generators", "detectors", "policies")
_EVENTS = {
    "intent": "a job was allowed; written before anything is rendered",
    "refusal": "a job was refused, with the rules that forbade it",
    "output": "a file was finished; written before it gets its name",
    "failed": "an allowed job ended without an output, with the error's code",
    "identified": "how the pictured person was compared with the consent",
    "live": "a live stream began or ended",
    "verify": "a file was verified: its digest and the verdict",
    "publish": "a receipt for a platform was written",
    "witness": "another log's checkpoint was taken as its witness",
    "erase": "a person's fields were made unreadable",
}


def law() -> str:
    """The law table with its dates."""
    rules = PolicyBundle.load().rules
    lines = [
        "# Law table",
        "",
        "What the gate makes outputs carry, and what an audit holds files against, row by row from",
        "`policies/rules.yaml`. Nothing here is legal advice. A rule obliges where its state is `in-force`,",
        "`code` or `house` and its dates hold; `draft`, `bill` and `unverified` only inform. Where the rule's own",
        "text was not read, it says what was read instead, and an audit can never fail a file by it.",
    ]
    for pack in dict.fromkeys(rule.pack for rule in rules):
        lines += [
            "",
            f"## {pack}",
            "",
            "| rule | says | state | from | until | source, read on |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_law_row(rule) for rule in rules if rule.pack == pack]
    return "\n".join([*lines, ""])


def _law_row(rule: Rule) -> str:
    source = f"{rule.source} ({rule.accessed})"
    if not rule.source_read:
        source += f"; **own text not read**: {rule.read_instead or 'nothing'}"
    state = rule.status if rule.status in IN_FORCE else f"{rule.status} (informs)"
    cells = (f"`{rule.id}`", rule.says, state, _day(rule.since), _day(rule.until), source)
    return "| " + " | ".join(_cell(text) for text in cells) + " |"


def _day(day: date | None) -> str:
    return "–" if day is None else day.isoformat()


def gate() -> str:
    """What each rule of the gate says when it forbids."""
    notes = PolicyBundle.load().notes.values()
    lines = [
        "# Rules of the gate",
        "",
        "One bare permit, and one `forbid … unless` for each requirement, so a refusal names every requirement",
        "that is not met. Policies that you add may only forbid. `thsafe policy show` prints the texts, `thsafe",
        "policy test` asks them.",
    ]
    for file in dict.fromkeys(note.file for note in notes):
        lines += ["", f"## {file}", "", "| id | belongs to | says | next step |", "|---|---|---|---|"]
        for note in notes:
            if note.file == file:
                cells = (
                    f"`{note.id}`",
                    f"`{note.rule}`" if note.rule else "–",
                    note.words or note.effect,
                    note.next_step or "–",
                )
                lines.append("| " + " | ".join(_cell(text) for text in cells) + " |")
    return "\n".join([*lines, ""])


def error_codes() -> str:
    """Every error code in the code, with its exit code and first sentence."""
    kinds = {
        name: int(kind.exit_code)
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.ThsafeError)
    }
    found: dict[str, tuple[int, str]] = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for code, exit_code, message in _raised(ast.parse(path.read_text(encoding="utf-8")), kinds):
            found.setdefault(code, (exit_code, message))
    lines = [
        "# Error codes",
        "",
        "What stands in `error[CODE]` on the terminal and in `code` with `--json`. Each error also says what was",
        "found, by which rule, and what to do next. `…` stands for what depends on the case. Refusals by the gate",
        "carry the id of the [rule](policies.md).",
        "",
        "| code | exit | says |",
        "|---|---|---|",
    ]
    rows = [f"| `{code}` | {number} | {_cell(message)} |" for code, (number, message) in sorted(found.items())]
    return "\n".join([*lines, *rows, ""])


def _raised(tree: ast.AST, kinds: dict[str, int]) -> Iterator[tuple[str, int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in kinds:
            continue
        code = next((_text(word.value) for word in node.keywords if word.arg == "code"), "")
        if code and node.args:
            yield code, kinds[node.func.id], _text(node.args[0])


def _text(node: ast.AST) -> str:
    """A literal as it is, with … for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return re.sub("…+", "…", "".join(_text(part) for part in node.values))
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return "…"


def events() -> str:
    """The kinds of log entries."""
    written = set(
        re.findall(r'"type": "([a-z-]+)"', "\n".join(path.read_text() for path in (ROOT / "thsafe").rglob("*.py")))
    )
    lines = [
        "# Log entries",
        "",
        "Kinds of events in the audit log. An entry holds digests, ids, moments and words of closed vocabularies;",
        "what is personal is encrypted beside it and can be erased. `thsafe log show` prints them, `--json`",
        "whole.",
        "",
        "| type | means |",
        "|---|---|",
    ]
    return "\n".join([*lines, *(f"| `{name}` | {words} |" for name, words in _EVENTS.items() if name in written), ""])


def interface() -> str:
    """The documented import surface, from its own signatures and docstrings."""
    lines = [
        "# Python interface",
        "",
        "`from thsafe import …`: this is all that is promised to stay. [Examples](python.md). An engine's",
        "constructor takes what belongs to every job: `purpose`, `territory`, `home`, `progress` and the like.",
    ]
    for name in sorted(thsafe.__all__):
        thing = getattr(thsafe, name)
        lines += ["", f"## {name}", "", *_described(name, thing)]
        if inspect.isclass(thing) and "generators" in thing.__module__:
            for verb, method in inspect.getmembers(thing, inspect.isfunction):
                if not verb.startswith("_") and method.__module__.startswith("generators") and verb != "render":
                    lines += ["", f"### {name}.{verb}", "", *_described(verb, method)]
    return "\n".join([*lines, ""])


def _described(name: str, thing: object) -> list[str]:
    try:
        signature = str(inspect.signature(thing)) if callable(thing) else ""
    except ValueError:
        signature = ""
    signature = re.sub(r"'([^']*)'", r"\1", signature)
    return ["```text", f"{name}{signature}", "", inspect.getdoc(thing) or "", "```"]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {
    "law.md": law,
    "policies.md": gate,
    "errors.md": error_codes,
    "events.md": events,
    "python-interface.md": interface,
}
