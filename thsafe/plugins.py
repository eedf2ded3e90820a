"""Engines of others, found by their entry points; nothing of them is imported until a person has allowed it.

A plug-in is code that runs here with all rights of this user: allowing it is a decision about its authors. What is
allowed is a name from a certain package, so that another package cannot slip in under it; names of built-in engines are
taken.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Final

from thsafe.core.errors import EngineError, StoreError, UsageError
from thsafe.generation import Generator
from thsafe.media.files import write_whole

if TYPE_CHECKING:
    from thsafe.home import Home

GROUP: Final = "thsafe.generators"
_SCHEMA: Final = "thsafe.engines/1"
_KEPT: Final = ("run", "gate_of")
"""What asks the gate and publishes; no engine replaces it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """An engine that an installed package offers."""

    name: str
    package: str
    version: str
    allowed: bool


def plugins(home: Home, taken: Collection[str]) -> tuple[Plugin, ...]:
    """Every engine that installed packages offer, but for names that are taken; imports none of them."""
    allowed, found = _allowed(home), {}
    for entry in metadata.entry_points(group=GROUP):
        if entry.dist is None or entry.name in taken:
            continue
        package = entry.dist.name
        plugin = Plugin(
            name=entry.name,
            package=package,
            version=entry.dist.version,
            allowed=allowed.get(entry.name) == package,
        )
        found[entry.name, package] = plugin
    return tuple(found[key] for key in sorted(found))


def allow(name: str, home: Home, taken: Collection[str]) -> Plugin:
    """Put an engine on the allow-list.

    Raises:
        UsageError: ``engine.unknown``: no package offers it; ``engine.ambiguous``: several do.
    """
    offered = [plugin for plugin in plugins(home, taken) if plugin.name == name]
    if len(offered) != 1:
        raise UsageError(
            f'No installed package offers an engine "{name}".' if not offered else f'Several packages offer "{name}".',
            code="engine.ambiguous" if offered else "engine.unknown",
            found=", ".join(plugin.package for plugin in offered) or f"no entry point {GROUP}:{name}",
            next_step="install the package that offers it" if not offered else "uninstall all but one",
        )
    _write(home, {**_allowed(home), name: offered[0].package})
    return offered[0]


def withdraw(name: str, home: Home) -> None:
    """Take an engine off the allow-list; raises UsageError ``engine.unknown`` where it is not on it."""
    allowed = dict(_allowed(home))
    if allowed.pop(name, None) is None:
        raise UsageError(f'"{name}" is not on the allow-list.', code="engine.unknown", found=name)
    _write(home, allowed)


def load(name: str, home: Home, taken: Collection[str]) -> type[Generator] | None:
    """The class of an allowed plug-in; None where no package offers this name.

    Raises:
        UsageError: ``engine.not-allowed``.
        EngineError: ``engine.plugin``: it cannot be imported, or is no engine that asks the gate.
    """
    offered = [plugin for plugin in plugins(home, taken) if plugin.name == name]
    if not offered:
        return None
    plugin = next((item for item in offered if item.allowed), None)
    if plugin is None:
        raise UsageError(
            f'The engine "{name}" of another package is not allowed here.',
            code="engine.not-allowed",
            found=", ".join(f"{item.package} {item.version}" for item in offered),
            rule="code of others runs only once a person has allowed it",
            next_step=f"thsafe engines allow {name}",
        )
    entry = next(
        item
        for item in metadata.entry_points(group=GROUP, name=name)
        if item.dist is not None and item.dist.name == plugin.package
    )
    try:
        kind = entry.load()
    except Exception as problem:  # others' code may break in any way
        raise _unfit(plugin, f"{type(problem).__name__}: {problem}"[:300]) from problem
    wrong = unfitness(kind, name)
    if wrong:
        raise _unfit(plugin, wrong)
    found: type[Generator] = kind
    return found


def unfitness(kind: object, name: str) -> str:
    """Why a class cannot be the engine of this name; empty where it can."""
    if not (isinstance(kind, type) and issubclass(kind, Generator)):
        return "it is no class below thsafe.generation.Generator"
    replaced = [part for part in _KEPT if getattr(kind, part) is not getattr(Generator, part)]
    if replaced:
        return f"it replaces {', '.join(replaced)}, which ask the gate and publish"
    if getattr(kind, "__abstractmethods__", None):
        return "it does not render"
    named = getattr(getattr(kind, "info", None), "name", None)
    return "" if named == name else f"its info.name is {named!r}, its entry point {name!r}"


def _unfit(plugin: Plugin, why: str) -> EngineError:
    return EngineError(
        f'The engine "{plugin.name}" cannot be used.',
        code="engine.plugin",
        found=f"{plugin.package} {plugin.version}: {why}",
        rule="thsafe.testing.generator_contract",
        next_step="tell its authors, or thsafe engines withdraw " + plugin.name,
    )


def _allowed(home: Home) -> Mapping[str, str]:
    try:
        content = json.loads(home.engines.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise _damaged(home, str(problem)) from problem
    listed = content.get("allowed") if isinstance(content, dict) and content.get("schema") == _SCHEMA else None
    if not isinstance(listed, dict) or not all(isinstance(value, str) for value in listed.values()):
        raise _damaged(home, "it has another form")
    return listed


def _damaged(home: Home, why: str) -> StoreError:
    return StoreError(
        "The list of allowed engines cannot be read.",
        code="engine.allow-list",
        found=f"{home.engines}: {why}",
        next_step="delete the file and allow the engines anew: thsafe engines allow NAME",
    )


def _write(home: Home, allowed: Mapping[str, str]) -> None:
    home.prepare()
    content = {"schema": _SCHEMA, "allowed": dict(sorted(allowed.items()))}
    write_whole(home.engines, (json.dumps(content, indent=2) + "\n").encode())
