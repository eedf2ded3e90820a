"""From places and facts to what must be done to the output."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from policies.facts import PolicyFacts
from policies.rules import Rule
from policies.territories import WORLD, enclosing
from thsafe.core.types import Json, Label, Obligations

HOUSE: Final = "house"
NAMED_ONLY: Final = frozenset({"CN"})
"""Packs that bind only a job that names them: their label is in the language of the place."""


def oblige(rules: Sequence[Rule], facts: PolicyFacts, *, media: str = "V") -> Obligations:
    """All that the house and the laws of the job's territories ask, as of the job's time.

    A job that names the whole world meets every law in the table; one that names no territory meets all but those that
    want wording in a language of one place. Labels that say the same at the same place are one label: the larger
    height, the longer time, with the sign of AI if one of them wants it.

    Args:
        rules: the law table.
        facts: the job.
        media: ``V``, ``I`` or ``A``: what kind of output is made.
    """
    binding = [rule for rule in rules if rule.binds(facts.now) and media in rule.media and _concerns(rule, facts)]
    metadata: dict[str, Json] = {}
    for rule in binding:
        metadata.update(rule.metadata or {})
    spoken = next((rule.spoken for rule in binding if rule.spoken and media == "A"), None)
    return Obligations(
        labels=labels_of(binding),
        metadata=metadata,
        spoken_notice=spoken,
        rule_ids=tuple(rule.id for rule in binding),
    )


def _concerns(rule: Rule, facts: PolicyFacts) -> bool:
    if rule.when is not None:
        performers = {depiction.performer for depiction in facts.shown()}
        if rule.when.get("purpose", facts.purpose) != facts.purpose:
            return False
        if "performer" in rule.when and rule.when["performer"] not in performers:
            return False
    if rule.pack == HOUSE or WORLD in facts.territories:
        return True
    if not facts.territories:
        return rule.pack not in NAMED_ONLY
    # DE lies in EU, so EU law binds; a job for all of US meets the laws of its states too.
    return any(rule.pack in enclosing(place) or place in enclosing(rule.pack) for place in facts.territories)


def labels_of(rules: Iterable[Rule]) -> tuple[Label, ...]:
    """The labels that some rules want; those that say the same at the same place are one, the largest and longest."""
    merged: dict[tuple[str, str], Label] = {}
    for rule in rules:
        spec = rule.label
        if spec is None:
            continue
        key = (spec.text, spec.position)
        have = merged.get(key)
        if have is None:
            merged[key] = Label(
                text=spec.text,
                position=spec.position,
                height=spec.height,
                seconds=spec.seconds,
                icon=spec.icon,
                rule_ids=(rule.id,),
            )
        else:
            whole = have.seconds is None or spec.seconds is None
            merged[key] = Label(
                text=spec.text,
                position=spec.position,
                height=max(have.height, spec.height),
                seconds=None if whole else max(have.seconds or 0.0, spec.seconds or 0.0),
                icon=have.icon or spec.icon,
                rule_ids=(*have.rule_ids, rule.id),
            )
    return tuple(merged.values())


def metadata_texts(metadata: Mapping[str, Json], *, provider: str, output: str) -> dict[str, str]:
    """Container metadata as it is written: objects as compact JSON, ``{provider}`` and ``{output}`` filled in.

    GB 45438-2025 Annex E wants values of plain ASCII without space, quote or backslash.

    Args:
        metadata: ``Obligations.metadata``.
        provider: a name of the producing installation, such as its DID; nothing personal.
        output: the output's unique id, such as its manifest label.

    Raises:
        ValueError: a value holds what the annex forbids.
    """
    texts = {}
    for name, value in metadata.items():
        fields = {key: _filled(str(item), provider, output) for key, item in value.items()}
        texts[name] = json.dumps(fields, separators=(",", ":"))
    return texts


def _filled(text: str, provider: str, output: str) -> str:
    filled = text.replace("{provider}", provider).replace("{output}", output)
    if not filled.isascii() or set(filled) & set(" \"'\\"):
        raise ValueError(f"{filled!r} may not stand in container metadata")
    return filled
