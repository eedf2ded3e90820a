"""What an auditor must look at, gravest first; everything here points at an entry or a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from thsafe.audit.model import AuditedOutput, FileState, Finding, Judgement, StrayFile, Verdict, readable
from thsafe.audit.record import LOG_BROKEN
from thsafe.audit.replay import Decisions, Replay
from thsafe.ledger.check import LogReport

_MOST_LINES = 3
"""So many files of one kind have a line each; more of them share one."""

_STRAYS = {
    "unlogged": ("high", ""),
    "copy-unsigned": ("medium", "{count} altered copies of {origins} lack whole credentials; they are listed below."),
    "copy": ("low", "{count} altered copies of {origins} carry whole credentials; they are listed below."),
    "foreign": ("low", "{count} media files carry no mark of this installation; they are listed below."),
}
"""Kind of stray file: (severity, words for many)."""

_ORDER = {"high": 0, "medium": 1, "low": 2}


def findings_of(
    log: LogReport,
    outputs: Sequence[AuditedOutput],
    strays: Sequence[StrayFile],
    unreadable: Sequence[Path],
    *,
    failures: Mapping[str, int],
    odd: Mapping[int, str],
    decisions: Decisions,
) -> tuple[Finding, ...]:
    """All exceptions, by gravity and then by place in the log."""
    found = [*_of_log(log, failures), *_of_odd(odd), *_of_decisions(decisions), *_of_files(strays, unreadable)]
    found += _of_broken_log(outputs)
    for output in outputs:
        found += _of_output(output)
    return tuple(sorted(found, key=_gravest_first))


def _gravest_first(item: Finding) -> tuple[int, bool, bool, int]:
    # A log that does not verify comes before all that rests on it.
    return _ORDER[item.severity], not item.code.startswith("log."), item.index is None, item.index or 0


def grouped(judgements: Iterable[Judgement]) -> list[tuple[Verdict, str, list[str]]]:
    """Judgements with the same verdict for the same reason as one: one cause must not look like ten."""
    groups: dict[tuple[Verdict, str], list[str]] = {}
    for item in judgements:
        groups.setdefault((item.verdict, item.reason), []).append(item.rule)
    return [(verdict, reason, rules) for (verdict, reason), rules in groups.items()]


def _of_log(log: LogReport, failures: Mapping[str, int]) -> Iterator[Finding]:
    for problem in log.problems:
        words = f"The log does not verify: {problem.message}."
        yield Finding(severity="high", code=f"log.{problem.code.lower()}", words=words, index=problem.index)
    for intent in log.open_intents:
        words = f"Job {intent.job} was permitted on {intent.at[:16].replace('T', ' ')} and neither finished nor failed."
        yield Finding(severity="medium", code="intent.open", words=words, index=intent.index)
    if log.witnessed == 0:
        words = "No checkpoint was given from outside: a rewrite by whoever holds the log's key would not be noticed."
        yield Finding(severity="low", code="log.no-witness", words=words)
    for reason, count in sorted(failures.items()):
        times = "once" if count == 1 else f"{count} times"
        yield Finding(severity="low", code="job.failed", words=f"Generation failed {times}: {reason}.")
    if refused := log.counts.get("refusal", 0):
        yield Finding(severity="low", code="job.refused", words=f"The gate refused {refused} of the jobs it was asked.")


def _of_odd(odd: Mapping[int, str]) -> Iterator[Finding]:
    for index, place in sorted(odd.items()):
        words = f"This entry has a form that thsafe does not write ({place}): what rests on it counts as not logged."
        yield Finding(severity="high", code="log.form", words=words, index=index)


def _of_broken_log(outputs: Sequence[AuditedOutput]) -> Iterator[Finding]:
    """What fails for no other reason than the log: one finding, not one for each output."""
    failing = [item.rule for output in outputs for item in output.judgements if item.reason == LOG_BROKEN]
    if failing:
        count = sum(any(item.reason == LOG_BROKEN for item in output.judgements) for output in outputs)
        what = "1 output fails" if count == 1 else f"{count} outputs fail"
        words = f"Because the log does not verify, {what} {', '.join(dict.fromkeys(failing))}."
        yield Finding(severity="high", code="log.proves-nothing", words=words)


def _of_decisions(decisions: Decisions) -> Iterator[Finding]:
    for item in decisions.differences:
        words = (
            f"Asked again with the logged facts, the policies answer otherwise: logged {item.logged}; now {item.found}."
        )
        yield Finding(severity="high", code="decision.differs", words=words, index=item.index)
    for digest, counts in decisions.elsewhere.items():
        other = counts[Replay.OTHER_ANSWER]
        words = (
            f"{_times(counts.total(), 'decision')} under policies {digest[:16] or 'without a digest'}… that are not "
            f"at hand; those at hand would answer {other or 'none'} of them otherwise."
        )
        yield Finding(severity="medium" if other else "low", code="decision.other-policy", words=words)
    if silent := decisions.counts[Replay.NOT_LOGGED]:
        words = f"{_times(silent, 'decision')} cannot be asked again: the log does not hold all their facts."
        yield Finding(severity="low", code="decision.facts-missing", words=words)


def _times(count: int, word: str) -> str:
    return f"1 {word}" if count == 1 else f"{count} {word}s"


def _of_files(strays: Iterable[StrayFile], unreadable: Iterable[Path]) -> Iterator[Finding]:
    kinds: dict[str, list[StrayFile]] = {}
    for stray in strays:
        kind = "copy-unsigned" if stray.kind == "copy" and not stray.credentials else stray.kind
        kinds.setdefault(kind, []).append(stray)
    for kind, found in kinds.items():
        severity, many = _STRAYS[kind]
        # Each unlogged file is a case of its own; of the others, many are one line and a list below.
        if kind == "unlogged" or len(found) <= _MOST_LINES:
            for stray in found:
                yield Finding(
                    severity=severity, code=f"file.{kind}", words=stray.words, index=stray.of, file=stray.name
                )
        else:
            origins = len({stray.of for stray in found})
            words = many.format(count=len(found), origins="1 output" if origins == 1 else f"{origins} outputs")
            yield Finding(severity=severity, code=f"file.{kind}", words=words)
    for path in unreadable:
        yield Finding(
            severity="medium", code="file.unreadable", words="The file cannot be read.", file=readable(path.name)
        )


def _of_output(output: AuditedOutput) -> Iterator[Finding]:
    def finding(severity: str, code: str, words: str) -> Finding:
        index = output.record.ledger_index
        return Finding(severity=severity, code=code, words=words, index=index, file=output.name)

    if output.intent_index is None:
        yield finding("high", "output.no-intent", "It was published, but no decision to permit it is logged.")
    if output.state is FileState.CHANGED:
        yield finding("high", "file.changed", "The file is not the one that was published: its bytes differ.")
    elif output.state is FileState.MISSING:
        yield finding("medium", "file.missing", "The file was not found where it was published nor in the folders.")
    elif output.state is FileState.WITHDRAWN:
        words = "Withdrawn: its process died between the log entry and the file's name, so nothing was published."
        yield finding("low", "output.withdrawn", words)
    for verdict, reason, rules in grouped(output.judgements):
        if verdict is Verdict.FAIL and reason != LOG_BROKEN:
            code = f"rule.{rules[0]}" if len(rules) == 1 else "rules"
            yield finding("high", code, f"{reason} Fails {', '.join(rules)}.")
    for standing in output.consents:
        if standing.state == "revoked" and standing.takedown:
            words = "Consent was withdrawn and asks for removal: take this output down wherever it is shown."
            yield finding("high", "consent.takedown", words)
        elif standing.state in {"revoked", "expired"}:
            words = f"Consent has since been {standing.state}; what was made before may stay."
            yield finding("low", f"consent.{standing.state}", words)
        elif standing.state == "suspended":
            yield finding("medium", "consent.suspended", "Consent is suspended: ask before showing it again.")
        elif standing.state != "active":
            yield finding("medium", "consent.unknown", "How the consent stands now cannot be found out.")
