"""Every command that a message tells people to type exists, with the options named."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from policies.bundle import PolicyBundle
from thsafe.cli.main import _COMMANDS, cli

ROOT = Path(__file__).resolve().parents[2]
_NAMES = "|".join(_COMMANDS)
_COMMAND = re.compile(rf"\bthsafe ((?:{_NAMES})\b(?: [a-z][a-z-]*)*)((?:[^;,()\n]*?(?:--[a-z-]+))*)")


def _said() -> Iterator[tuple[str, str]]:
    for note in PolicyBundle.load().notes.values():
        yield note.id, note.next_step
    for path in sorted((ROOT / "thsafe").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "next_step":
                parts = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
                yield path.name, " ".join(str(part) for part in parts)


def _commands() -> list[tuple[str, str, tuple[str, ...]]]:
    found = {
        (where, match[1].strip(), tuple(re.findall(r"--[a-z][a-z-]+", match[2])))
        for where, text in _said()
        for match in _COMMAND.finditer(text)
    }
    return sorted(found)


def _resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = cli
    context = click.Context(cli)
    while words and isinstance(command, click.Group):
        below = command.get_command(context, words[0])
        if below is None:
            break
        command, words = below, words[1:]
    return command, words


@pytest.mark.parametrize(("where", "words", "options"), _commands())
def test_the_command_exists(where: str, words: str, options: tuple[str, ...]) -> None:
    command, _ = _resolve(words.split())
    assert command is not cli, f"{where}: thsafe {words}"
    asks_for_help = options == ("--help",)
    alone = not isinstance(command, click.Group) or command.invoke_without_command
    assert alone or asks_for_help, f"{where}: thsafe {words}"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert not set(options) - known - {"--help"}, f"{where}: thsafe {words}"


def test_refusals_name_commands() -> None:
    named = {words.split()[1] for where, words, _ in _commands() if words.startswith("consent ")}
    assert {"new", "request", "record", "countersign", "present", "trust", "import-status", "suspend"} <= named
