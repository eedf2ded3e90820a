"""Credentials as lines of plain text, for ``thsafe inspect``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from thsafe.provenance.ladder import is_change
from thsafe.provenance.read import Action, Credentials, IngredientNode
from thsafe.provenance.recover import Recovery

_MAX_WIDTH = 160


def tree_lines(credentials: Credentials, recovery: Recovery | None = None) -> tuple[str, ...]:
    """The manifest and its ingredients as a tree; text from the file is stripped of control characters.

    For recovered credentials ``recovery`` gives the state: by themselves they never fit the file's bytes.
    """
    return tuple(_lines(credentials, credentials if recovery is None else recovery))


def _lines(found: Credentials, judged: Credentials | Recovery) -> Iterator[str]:
    yield judged.state + (" + HISTORY-BROKEN" if found.history_broken else "")
    yield from (f"  {_plain(reason)}" for reason in judged.reasons)
    if found.active_label is None:
        return
    yield _plain(f"{found.active_label}  {found.title}")
    rows: list[str] = []
    if found.signer is not None:
        note = " (development certificate)" if found.signer.development else ""
        rows.append(f"signed by {found.signer.name}, issued by {found.signer.issuer}{note}")
    if found.signed_at:
        doubt = "" if found.time_stamped else " (by an authority on no list)"
        rows.append(f"time stamp {found.signed_at}{doubt}")
    rows.append(f"made with {found.claim_generator}")
    rows += [_action(action) for action in found.actions]
    rows += [f"soft binding {name}: {value[:40]}" for name, value in found.soft_bindings.items()]
    blocks = [(row, ()) for row in rows] + [(_ingredient(node), node.children) for node in found.ingredients]
    yield from _branch(blocks, "")


def _branch(blocks: Sequence[tuple[str, Sequence[IngredientNode]]], indent: str) -> Iterator[str]:
    for place, (text, children) in enumerate(blocks):
        last = place + 1 == len(blocks)
        yield indent + ("└─ " if last else "├─ ") + _plain(text)
        below = [(_ingredient(child), child.children) for child in children]
        yield from _branch(below, indent + ("   " if last else "│  "))


def _action(action: Action) -> str:
    words = [action.name.removeprefix("c2pa.")]
    if action.digital_source_type:
        words.append(action.digital_source_type.rpartition("/")[2])
    if action.regions:
        words.append("of " + ", ".join(action.regions))
    if action.software_agent:
        words.append("by " + action.software_agent)
    if action.description:
        words.append(f'"{action.description}"')
    return " ".join(words)


def _ingredient(node: IngredientNode) -> str:
    words = [f"{node.relationship}: {node.title or 'untitled'} ({node.media_type})"]
    if node.digital_source_type:
        words.append(node.digital_source_type.rpartition("/")[2])
    if node.signer:
        words.append(f"signed by {node.signer}")
    if any(is_change(code) for code in node.failures):
        words.append("CHANGED AFTER SIGNING")
    return ", ".join(words)


def _plain(text: str) -> str:
    """One line without anything that a terminal would act on: titles come from strangers."""
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return line if len(line) <= _MAX_WIDTH else line[: _MAX_WIDTH - 1] + "…"
