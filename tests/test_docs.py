"""The documentation says what is: reference pages are fresh, links lead somewhere, commands and code exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from thsafe.cli.main import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _blocks(language: str) -> list[tuple[str, str]]:
    return [(page.name, body) for page in PAGES for kind, body in _BLOCK.findall(page.read_text()) if kind == language]


def _commands() -> list[tuple[str, str]]:
    found = []
    for page, body in _blocks("console"):
        found += [(page, line[2:]) for line in body.splitlines() if line.startswith("$ thsafe ")]
    return found


def test_reference_pages_are_fresh() -> None:
    # In a process of its own: click keeps a command's help option in the words of whoever asked first.
    script = ROOT / "docs" / "make_reference.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("page", "line"), _commands())
def test_every_command_shown_can_be_given(page: str, line: str) -> None:
    words = shlex.split(re.sub(r"[<>|].*$", "", line), comments=True)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="thsafe")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        below = command.get_command(context, words[0])
        assert below is not None, f"{page}: {line}"
        command, context, words = below, click.Context(below, parent=context, info_name=words[0]), words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = {word.split("=")[0] for word in words if word.startswith("--")} - known - {"--help"}
    assert not unknown, f"{page}: {line}"


def _leaves(command: click.Command, context: click.Context) -> list[tuple[click.Command, click.Context]]:
    if not isinstance(command, click.Group):
        return [(command, context)]
    found = []
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        found += _leaves(below, click.Context(below, parent=context, info_name=name))
    return found


@pytest.mark.parametrize(
    ("command", "context"),
    [pytest.param(*leaf, id=leaf[1].command_path) for leaf in _leaves(cli, click.Context(cli, info_name="thsafe"))],
)
def test_every_command_shows_an_example_of_itself(command: click.Command, context: click.Context) -> None:
    """One that could be typed: its options are there, and nothing that must be given is missing."""
    examples = [
        line.strip()
        for line in (command.epilog or "").replace("\\\n", " ").splitlines()
        if context.command_path in line
    ]
    assert examples, f"{context.command_path} --help shows none"
    for line in examples:
        words = shlex.split(re.sub(r" [<>|].*$", "", line.split(context.command_path, 1)[1]), comments=True)
        try:
            command.make_parser(context).parse_args(list(words))
        except click.UsageError as problem:
            pytest.fail(f"{line}: {problem.format_message()}")
        given = {word.split("=")[0] for word in words}
        for parameter in command.params:
            if parameter.required and isinstance(parameter, click.Option):
                assert given & {*parameter.opts}, f"{line}: {parameter.opts[0]} is missing"


def test_commands_were_found() -> None:
    assert len(_commands()) > 15


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith(("http:", "https:", "mailto:")):
                assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_every_exit_code_and_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in sorted((ROOT / "docs").rglob("*.md")):
        assert str(page.relative_to(ROOT / "docs")) in navigation, page


def test_every_setting_is_documented() -> None:
    packages = ("thsafe", "generators", "detectors", "policies")
    code = "\n".join(path.read_text() for package in packages for path in (ROOT / package).rglob("*.py"))
    page = (ROOT / "docs/reference/files.md").read_text()
    # click's own variable for completion scripts is nobody's setting
    named = set(re.findall(r"\bTHSAFE_[A-Z_]+\b", code)) - {"THSAFE_COMPLETE"}
    assert {name for name in named if f"`{name}`" not in page and f"${name}`" not in page} == set()


def test_every_dependency_has_a_licence_on_the_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (ROOT / "docs/reference/licences.md").read_text()
    extras = dict(project["optional-dependencies"])
    for name in ("bench", "dev", "docs", "fuzz"):
        extras.pop(name)
    wanted = [Requirement(text) for items in (project["dependencies"], *extras.values()) for text in items]
    assert [item.name for item in wanted if f"| {canonicalize_name(item.name)} |" not in page] == []
    assert "not stated" not in page


def test_copyleft_parts_of_the_ordinary_installation_are_explained() -> None:
    page = (ROOT / "docs/reference/licences.md").read_text()
    always = page.split("## Always installed")[1].split("\n## ")[0]
    copyleft = [line for line in always.splitlines() if re.search(r"(?<!L)GPL", line)]
    assert all(line.startswith(("| av |", "| numpy |", "| scipy |")) for line in copyleft), copyleft
    assert "x264" in page.split("## Always installed")[0]
