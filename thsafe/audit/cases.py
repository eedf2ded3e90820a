"""Exceptions as an auditor takes them up: one case for each output, file or job, with what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from thsafe.audit.model import AuditReport, Finding

_ADVICE = (
    ("log.no-witness", "From now on give checkpoints away: thsafe log witness FOLDER, kept by somebody else."),
    (
        "log.form",
        "Ask who else can write to the log: thsafe appends no such entry. Then ask for the decision behind it.",
    ),
    ("log.", "Rely on nothing below. Compare with every witness: thsafe log verify --witness; restore from a backup."),
    (
        "intent.open",
        "Ask whether the job still runs. If it was killed, nothing was published: start it again.",
    ),
    ("job.failed", "Nothing was published. If it happens often: thsafe doctor."),
    ("job.refused", "Nothing was made. What was asked, and why it was refused: thsafe log show --type refusal."),
    (
        "decision.differs",
        "Ask who changed the entry or the program; compare the policies with the approved ones.",
    ),
    ("decision.", "Give the policies of that time: thsafe audit run --policies FOLDER."),
    ("file.changed", "Put the published file back where it is shown, and ask who changed it: thsafe verify FILE."),
    ("file.missing", "Name the folder where it is now (--folder), or note who deleted it and when."),
    ("file.unlogged", "Ask which log it belongs to. A log that was cut or exchanged would leave such a file."),
    ("file.copy-unsigned", "Replace it with the published file where it is shown: it has lost what the law asks for."),
    ("file.copy", "Nothing, if the copy was meant to be made."),
    ("file.foreign", "Ask where it comes from; thsafe verify FILE --detectors looks for signs of synthesis."),
    ("file.unreadable", "Make it readable for this user and run the audit again."),
    ("output.no-intent", "Find out who published it without asking the gate; until then take it down."),
    ("output.withdrawn", "Nothing: the file never got its name."),
    ("consent.takedown", "Take it down everywhere. Where it went: thsafe log show --type publish."),
    ("consent.suspended", "Take it out of sight until the person has answered."),
    ("consent.", "Ask for the consent record, and look up how it stands: thsafe consent status FILE."),
    ("rule", "Make it again so that it meets these rules, or take it down where they are law."),
)
"""What a code begins with -> the next step; the first that fits."""

_GRAVEST = ("high", "medium", "low")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that was found about one thing."""

    title: str
    """A file's name, or what else it is about."""
    index: int | None
    """Log entry."""
    severity: str
    findings: tuple[Finding, ...]
    steps: tuple[str, ...]
    thumbnail: bytes | None = None


def cases_of(report: AuditReport) -> list[Case]:
    """The exceptions of a report, gravest first, then in the order of the log."""
    pictures = {output.record.ledger_index: output.record.thumbnail for output in report.outputs}
    things: dict[tuple[str, int | str | None], list[Finding]] = {}
    for number, item in enumerate(report.exceptions):
        # What has neither file nor entry is a case of its own.
        things.setdefault((item.file, item.index if item.file or item.index is not None else f"{number}"), []).append(
            item
        )
    cases = [
        Case(
            title=file or _title(found[0]),
            index=found[0].index,
            severity=min((item.severity for item in found), key=_GRAVEST.index),
            findings=tuple(found),
            steps=_steps(found),
            thumbnail=pictures.get(found[0].index) if found[0].index is not None else None,
        )
        for (file, _), found in things.items()
    ]
    return sorted(cases, key=lambda case: _GRAVEST.index(case.severity))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What was found of many things, so that the rare is not lost among the frequent."""

    severity: str
    words: str
    cases: tuple[tuple[int, Case], ...]
    """With the number of the case in the list, from 1."""


def kinds_of(cases: Sequence[Case]) -> list[Kind]:
    """The findings by kind, gravest first, then the rarest."""
    groups: dict[tuple[str, str], list[tuple[int, Case, Finding]]] = {}
    for number, case in enumerate(cases, 1):
        for item in case.findings:
            # Rules that fail together are told apart by why.
            kind = item.words if item.code == "rules" else item.code
            groups.setdefault((item.severity, kind), []).append((number, case, item))
    kinds = [
        Kind(
            severity=severity,
            words=found[0][2].words + ("" if len({item.words for _, _, item in found}) == 1 else " And the like."),
            cases=tuple({number: (number, case) for number, case, _ in found}.values()),
        )
        for (severity, _), found in groups.items()
    ]
    return sorted(kinds, key=lambda kind: (_GRAVEST.index(kind.severity), len(kind.cases)))


def _steps(found: Sequence[Finding]) -> tuple[str, ...]:
    # Rules fail because of something: where that is found, too, it says what to do.
    causes = [item.code for item in found if not item.code.startswith("rule")] or [item.code for item in found]
    return tuple(dict.fromkeys(step for code in causes if (step := advice(code))))


def advice(code: str) -> str:
    """The next step for whoever reads the finding; empty where there is none to tell."""
    return next((step for start, step in _ADVICE if code.startswith(start)), "")


def summary(cases: Sequence[Case]) -> str:
    """How many things need a look, and of what kind."""
    grave = [case for case in cases if case.severity != "low"]
    counts = Counter(_kind(case) for case in grave)
    return ", ".join(f"{count} {one if count == 1 else many}" for one, many in _KINDS if (count := counts[one]))


_KINDS = (
    ("output", "outputs"),
    ("other file", "other files"),
    ("unfinished job", "unfinished jobs"),
    ("problem of the record", "problems of the record"),
)


def _kind(case: Case) -> str:
    code = case.findings[0].code
    if code.startswith(("file.unlogged", "file.copy", "file.unreadable")):
        return "other file"
    if code == "intent.open":
        return "unfinished job"
    return "problem of the record" if code.startswith(("log.", "decision.")) else "output"


def _title(item: Finding) -> str:
    if item.code == "intent.open":
        return "A job that never finished"
    return {"log": "The log", "job": "Jobs", "decision": "Decisions", "file": "Files"}.get(
        item.code.partition(".")[0], "The record"
    )
