"""``thsafe engines``: who can render, with what, and under which licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import json_option, print_json, progress_on_stderr
from thsafe.core.types import Json

if TYPE_CHECKING:
    from thsafe.generation import Generator
    from thsafe.home import Home


@click.group()
def engines() -> None:
    """Engines: what each can do, what it needs, and under which licence its output may be used."""


@engines.command(name="list", epilog="Example:\n\n\b\n  thsafe engines list")
@json_option
def list_(as_json: bool) -> None:
    """Show the engines and which are ready."""
    from thsafe.core.errors import ThsafeError
    from thsafe.home import Home
    from thsafe.plugins import plugins
    from thsafe.registry import engine_names

    home = Home.default()
    offered = plugins(home, engine_names())
    rows = [_facts(name, home) for name in engine_names()]
    others: list[str] = []
    for item in offered:
        try:
            rows.append(_facts(item.name, home))
        except ThsafeError as problem:  # not allowed, or broken
            others.append(f"{item.name}: {item.package} {item.version}; {problem.message} {problem.next_step}")
    if as_json:
        print_json(rows)
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        use = "commercial use allowed" if row["commercial_use"] else "non-commercial use only"
        click.echo(f"{row['name']:<{width}} {row['state']:<20} {row['pace']:<8} {', '.join(row['tasks'])}; {use}")
    for line in others:
        click.echo(line)


@engines.command(epilog="Example:\n\n\b\n  thsafe engines show wav2lip")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one engine: tasks, licence, weights, speed."""
    from thsafe.home import Home

    row = _facts(name, Home.default())
    if as_json:
        print_json(row)
        return
    for label, value in row.items():
        if label == "weights":
            for weights in value:
                state = "installed" if weights["installed"] else "not installed"
                click.echo(f"{'weights':<15} {weights['name']}, {state}; licence: {weights['licence']}")
        elif value != "":
            words = ("yes" if value else "no") if isinstance(value, bool) else value
            click.echo(f"{label.replace('_', ' '):<15} {', '.join(words) if isinstance(words, list) else words}")


@engines.command(epilog="Example:\n\n\b\n  thsafe engines check wav2lip")
@click.argument("name")
def check(name: str) -> None:
    """Make sure that an engine can render: its weights are there, unchanged, and their licence accepted."""
    from thsafe.home import Home
    from thsafe.models import find_card, installed_path
    from thsafe.models.fetch import verify
    from thsafe.registry import engine

    home = Home.default()
    kind = engine(name)
    kind(home=home).check()
    with progress_on_stderr() as progress:
        for model in kind.info.models:
            if installed_path(find_card(model), home):
                verify(find_card(model), home, progress=progress)
    click.echo(f"{name} can render")


@engines.command(epilog="Example:\n\n\b\n  thsafe engines allow still")
@click.argument("name")
def allow(name: str) -> None:
    """Let an engine of another installed package run here.

    It is code that runs with all your rights: allow what you trust. Consent, policy and marks stay as they are.
    """
    from thsafe import plugins
    from thsafe.home import Home
    from thsafe.registry import engine_names

    item = plugins.allow(name, Home.default(), engine_names())
    click.echo(f"allowed: {item.name} of {item.package} {item.version}")


@engines.command(epilog="Example:\n\n\b\n  thsafe engines withdraw still")
@click.argument("name")
def withdraw(name: str) -> None:
    """Let an engine of another package run no more."""
    from thsafe import plugins
    from thsafe.home import Home

    plugins.withdraw(name, Home.default())
    click.echo(f"no longer allowed: {name}")


def _facts(name: str, home: Home) -> dict[str, Json]:
    from thsafe.models import find_card, installed_path
    from thsafe.models.fetch import receipt
    from thsafe.registry import engine

    kind = engine(name)
    info = kind.info
    cards = [find_card(model) for model in info.models]
    weights = [
        {
            "name": card.name,
            "installed": installed_path(card, home) is not None,
            "licence": card.licence,
            "licence_accepted": card.commercial_use or bool(receipt(card, home).get("accepted")),
            "trained_on": card.trained_on,
        }
        for card in cards
    ]
    usable = {item["name"] for item in weights if item["installed"] and item["licence_accepted"]}
    ready = any(usable.issuperset(needed) for needed in info.needed()) if info.models else _can_render(kind, home)
    return {
        "name": info.name,
        "title": info.title,
        "state": "ready" if ready else "needs weights" if info.models else "needs setting up",
        "tasks": [str(task) for task in info.tasks],
        "licence": info.licence,
        "commercial_use": info.commercial_use,
        "needs": "" if ready else info.needs,
        "speed": info.speed,
        "pace": info.pace,
        "vram": info.vram,
        "weights": weights,
    }


def _can_render(kind: type[Generator], home: Home) -> bool:
    """Whether an engine without weights of ours says that it can."""
    from thsafe.core.errors import ThsafeError

    try:
        kind(home=home).require()
    except ThsafeError:
        return False
    return True
