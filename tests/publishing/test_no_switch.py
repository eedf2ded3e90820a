"""Nothing on the surface turns a mark off: no option, no argument of the library, no variable, no file in the home."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thsafe.cli.main import cli, run
from thsafe.core.types import Verdict
from thsafe.generation import Generator
from thsafe.registry import engine, engine_names
from thsafe.verification import verify

ROOT = Path(__file__).resolve().parents[2]
MARKS = ("label", "watermark", "mark", "manifest", "c2pa", "sign", "log", "gate", "consent", "policy", "provenance")
OFF = ("no", "skip", "disable", "without", "off", "strip", "remove", "hide", "bypass")
VARIABLES = {
    "THSAFE_HOME", "THSAFE_DB", "THSAFE_CONSENT", "THSAFE_DEBUG", "NO_COLOR", "NO_PROXY", "no_proxy", "XDG_DATA_HOME",
    # Where a user's own program is, and a vendor's key: they choose what draws, and never what is marked.
    "THSAFE_SADTALKER", "THSAFE_FACEFUSION", "THSAFE_DID_KEY",
}  # fmt: skip
"""Every variable whose value the source reads by name; a new one is looked at by a person before it stands here."""


def _generating() -> list[tuple[str, click.Command]]:
    group = cli.get_command(click.Context(cli), "generate")
    assert isinstance(group, click.Group)
    return sorted(group.commands.items())


def _everything() -> list[tuple[tuple[str, ...], click.Command]]:
    """Every command of the program that is no group, with the words that call it."""
    found: list[tuple[tuple[str, ...], click.Command]] = []

    def walk(command: click.Command, words: tuple[str, ...]) -> None:
        if not isinstance(command, click.Group):
            found.append((words, command))
            return
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            walk(inner, (*words, name))

    walk(cli, ())
    return found


def test_no_variable_is_read_that_nobody_looked_at() -> None:
    found: set[str] = set()
    for package in ("thsafe", "generators", "policies", "detectors"):
        for path in (ROOT / package).rglob("*.py"):
            found |= _variables(ast.parse(path.read_text()))
    assert {"THSAFE_HOME", "THSAFE_CONSENT"} <= found
    assert not {name for name in found if name.startswith("THSAFE")} - VARIABLES
    assert not {name for name in found if any(word in name.lower().split("_") for word in (*MARKS, *OFF))} - VARIABLES


def _variables(tree: ast.AST) -> set[str]:
    """Names in ``os.environ.get("X")``, ``os.environ["X"]``, ``os.getenv("X")``, and constants used so."""
    constants = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Constant)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        source = ast.unparse(node) if isinstance(node, (ast.Call, ast.Subscript)) else ""
        if not source.startswith(("os.environ", "os.getenv")):
            continue
        keys = [node.slice] if isinstance(node, ast.Subscript) else node.args if isinstance(node, ast.Call) else []
        for key in keys[:1]:
            if isinstance(key, ast.Constant):
                found.add(str(key.value))
            elif isinstance(key, ast.Name) and isinstance(constants.get(key.id), str):
                found.add(str(constants[key.id]))
    return found


def test_no_parameter_of_an_engine_is_about_a_mark() -> None:
    """Neither the constructor nor a verb has a parameter that names a mark, but ``consent``, which only adds records."""
    classes = [Generator, *(engine(name) for name in engine_names())]
    for kind in classes:
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if name.startswith("_") and name != "__init__":
                continue
            words = {word for parameter in inspect.signature(method).parameters for word in parameter.split("_")}
            assert not words & (set(MARKS) - {"consent"}), f"{kind.__name__}.{name}"
            assert not words & set(OFF), f"{kind.__name__}.{name}"


def test_all_commands_are_walked() -> None:
    named = {words for words, _ in _everything()}
    assert {("label",), ("live",), ("generate", "say"), ("generate", "dialogue"), ("consent", "request")} <= named
    assert len(named) > 50


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_invented_option_is_accepted(data: st.DataObject) -> None:
    words, _ = data.draw(st.sampled_from(_everything()))
    option = f"--{data.draw(st.sampled_from(OFF))}-{data.draw(st.sampled_from(MARKS))}"
    option = data.draw(st.sampled_from([option, f"{option}=1", option.replace("-", "_").replace("__", "--")]))
    assert run([*words, option, "-o", "never.mp4"]) == 2
    assert not Path("never.mp4").exists()


def test_no_choice_of_an_option_is_off() -> None:
    for words, command in _everything():
        for parameter in command.params:
            # A time stamp is no mark: it says when, and where there is no network it cannot be had.
            if isinstance(parameter.type, click.Choice) and parameter.name != "tsa_policy":
                assert not {str(choice) for choice in parameter.type.choices} & set(OFF), f"{words} {parameter.name}"


def test_no_flag_has_an_opposite_that_takes_a_mark_away() -> None:
    """Click makes ``--x/--no-x`` of one declaration: none of them may be about a mark."""
    for words, command in _everything():
        for parameter in command.params:
            for option in parameter.secondary_opts:
                assert not set(option.strip("-").split("-")) & set(MARKS), f"{words} {option}"
            for option in parameter.opts:
                parts = set(option.strip("-").split("-"))
                assert not (parts & set(OFF) and parts & set(MARKS)), f"{words} {option}"


@pytest.mark.parametrize("value", ["0", "off"])
def test_hostile_surroundings_change_nothing(installation, tiny, tmp_path, monkeypatch, value) -> None:
    for mark in MARKS:
        for form in ("THSAFE_{}", "THSAFE_NO_{}", "THSAFE_SKIP_{}", "THSAFE_DISABLE_{}", "{}"):
            monkeypatch.setenv(form.format(mark.upper()), value if "NO" not in form else "1")
    monkeypatch.delenv("THSAFE_CONSENT")
    for name in ("config.toml", "config.yaml", "config.json", "settings.toml", "thsafe.toml", ".thsaferc", ".env"):
        text = "\n".join(f"{mark} = false" for mark in MARKS)
        (installation.home.path / name).write_text(text)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    output = tiny.Tiny(30).say(tmp_path / "out.mp4")
    report = verify(output.path)
    assert report.verdict is Verdict.DISCLOSED
    assert report.finding("watermark").detail["mark_id"] == output.watermark_id
    assert report.finding("log").code == "IDENTICAL"
    marks = installation.ledger.entry(output.ledger_index).event["marks"]
    assert any(name.startswith("label.") for name in marks)
