"""What Cedar's own validator does not catch, and what it does, as a list of findings."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from policies.bundle import ADDED, BASELINE, BASELINE_DIGESTS, PACKAGE_FOLDER, PERMIT_FILE, Note, joined, notes_of
from policies.rules import parse_rules

PLACEHOLDERS = frozenset({"media", "task", "purpose", "language", "channel", "requester", "performer"})
"""Words in braces that ``@words`` and ``@next`` may use."""
_NUMBERED = re.compile(r"\[policy(\d+)\] (?:for policy `policy\d+`, )?")
_ACTION = re.compile(r' for Action::"\w+"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fault of a bundle."""

    code: str
    text: str


def lint(files: Mapping[str, str]) -> list[Finding]:
    """Every fault of a bundle's files; an empty list means that it may be loaded."""
    import cedarpy

    unread = _unparsable(files)
    if unread:
        return unread
    notes = notes_of(files)
    errors = cedarpy.validate_policies(joined(files), files["schema.cedarschema"]).errors
    texts = dict.fromkeys(_in_words(str(error), notes) for error in errors)
    findings = [Finding(code="policy.schema", text=text) for text in texts]
    try:
        table = {rule.id: rule for rule in parse_rules(files["rules.yaml"])}
    except ValueError as problem:
        return [*findings, Finding(code="policy.rule", text=str(problem))]
    seen: set[str] = set()
    for note in notes:
        findings += _judge(note, seen, table.keys())
        seen.add(note.id)
    forbids = {note.id: note for note in notes if note.effect == "forbid"}
    findings += [
        Finding(code="policy.baseline", text=f"the baseline rule {name} is missing")
        for name in sorted(BASELINE - forbids.keys())
    ]
    pinned = json.loads((PACKAGE_FOLDER / BASELINE_DIGESTS).read_text(encoding="utf-8"))
    findings += [
        Finding(code="policy.baseline", text=f"the baseline rule {name} was changed")
        for name in sorted(BASELINE & forbids.keys())
        if forbids[name].digest != pinned["policies"].get(name)
    ]
    findings += [
        Finding(code="policy.baseline", text=f"row {name} of rules.yaml, which marks outputs, is gone or changed")
        for name, digest in sorted(pinned["rules"].items())
        if name not in table or table[name].digest != digest
    ]
    return findings


def _unparsable(files: Mapping[str, str]) -> list[Finding]:
    """A finding for every file that Cedar cannot parse."""
    findings = []
    for name, text in files.items():
        try:
            notes_of({name: text})
        except ValueError as problem:
            findings.append(Finding(code="policy.schema", text=f"{name}: Cedar cannot parse a policy: {problem}"))
    return findings


def _in_words(error: str, notes: Sequence[Note]) -> str:
    """A validator's error with the rule's own name for its number, told once for all actions."""
    found = _NUMBERED.match(error)
    if found is None or int(found[1]) >= len(notes):
        return error
    note = notes[int(found[1])]
    return f"{note.file} @id {note.id or '(none)'}: {_ACTION.sub('', error[found.end() :])}"


def _judge(note: Note, seen: set[str], rules: Collection[str]) -> list[Finding]:
    where = f"{note.file} @id {note.id or '(none)'}"
    findings = []
    if not note.id:
        findings.append(Finding(code="policy.id", text=f"{note.file}: a policy without @id"))
    elif note.id in seen:
        findings.append(Finding(code="policy.id", text=f"{where}: the id stands twice"))
    if note.effect == "permit":
        if note.file != PERMIT_FILE:
            findings.append(Finding(code="policy.permit", text=f"{where}: a permit outside {PERMIT_FILE}"))
        return findings
    # A customer's own rule need not come from the law table.
    if note.rule not in rules and (note.rule or not note.file.startswith(ADDED)):
        findings.append(
            Finding(code="policy.rule", text=f"{where}: @rule {note.rule or '(none)'} is not in rules.yaml")
        )
    if not note.words or not note.next_step:
        findings.append(Finding(code="policy.words", text=f"{where}: @words and @next tell people what to do"))
    unknown = set(re.findall(r"\{(\w*)\}", note.words + note.next_step)) - PLACEHOLDERS
    if unknown:
        findings.append(Finding(code="policy.words", text=f"{where}: unknown {', '.join(sorted(unknown))} in braces"))
    return findings
