"""An audit as one HTML file that opens offline and prints: exceptions first, then what they rest on.

Everything that comes from files, manifests or the log is hostile text: Jinja2 escapes it, and nothing of it is put into
scripts or styles. Pictures are embedded. Verdicts are told by symbol and word, never by colour alone.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from policies.obligations import HOUSE
from policies.rules import Rule
from thsafe.audit import timeline
from thsafe.audit.cases import cases_of, kinds_of, summary
from thsafe.audit.consents import consent_lines
from thsafe.audit.findings import grouped
from thsafe.audit.model import AuditedOutput, AuditReport, FileState, Judgement, Verdict, readable
from thsafe.media.files import write_whole

SYMBOLS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNDETERMINED: "?", Verdict.NOT_APPLICABLE: "–"}
FILE_SYMBOLS = {
    FileState.INTACT: "✓",
    FileState.CHANGED: "✗",
    FileState.MISSING: "?",
    FileState.NOT_SAMPLED: "–",
    FileState.WITHDRAWN: "–",
}
SEVERITY_SYMBOLS = {"high": "✗", "medium": "!", "low": "i"}

COLUMNS = 24
"""Up to so many outputs the matrix has a column for each; beyond, it counts."""

FEW_CASES = 6
"""Up to so many cases are seen at once; more of them are first listed by kind."""

CARDS = 200
"""Outputs that get a section of their own; those with findings come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """One line of the matrix."""

    rule: Rule
    cells: tuple[Judgement | None, ...]
    """One per output, in order."""
    counts: Mapping[Verdict, int]

    @property
    def worst(self) -> Verdict:
        """What a reader must know of the line first."""
        order = (Verdict.FAIL, Verdict.UNDETERMINED, Verdict.PASS)
        return next((verdict for verdict in order if self.counts.get(verdict)), Verdict.NOT_APPLICABLE)


def render_html(report: AuditReport) -> str:
    """The page as text."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("thsafe.audit"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["picture"] = _picture
    environment.filters["readable"] = readable
    environment.filters["day"] = lambda text: str(text)[:16].replace("T", " ")
    lines = _lines(report)
    cards = sorted(report.outputs, key=lambda output: (not _needs_a_look(output), output.record.ledger_index))
    return environment.get_template("audit.html").render(
        report=report,
        headline=headline(report),
        cases=(cases := cases_of(report)),
        kinds=kinds_of(cases) if len(cases) > FEW_CASES else [],
        summary=summary(cases),
        severities=Counter(item.severity for item in report.exceptions),
        states=Counter(output.state for output in report.outputs),
        verdicts={verdict: report.count(verdict) for verdict in Verdict},
        packs=_packs([line for line in lines if line.worst is not Verdict.NOT_APPLICABLE]),
        beside=[line for line in lines if line.worst is Verdict.NOT_APPLICABLE and any(line.counts.values())],
        columns=report.outputs if len(report.outputs) <= COLUMNS else (),
        consents=consent_lines(report.outputs),
        timeline=timeline.draw(report.timeline),
        drawing=timeline,
        cards=cards[:CARDS],
        needs_a_look=_needs_a_look,
        more=max(0, len(cards) - CARDS),
        shown={output.record.ledger_index for output in cards[:CARDS]},
        grouped=grouped,
        symbols=SYMBOLS,
        file_symbols=FILE_SYMBOLS,
        severity_symbols=SEVERITY_SYMBOLS,
        Verdict=Verdict,
    )


def headline(report: AuditReport) -> str:
    """The audit in one sentence."""
    grave = [item for item in report.exceptions if item.severity != "low"]
    outputs = len(report.outputs)
    made = "no outputs" if outputs == 0 else "1 output" if outputs == 1 else f"{outputs} outputs"
    log = "the log verifies" if report.log.ok else "the log does not verify"
    if not grave:
        return f"No exceptions: {made}, and {log}."
    count = "1 exception needs" if len(grave) == 1 else f"{len(grave)} exceptions need"
    return f"{count} a look: {made}, and {log}."


def write_html(report: AuditReport, target: Path) -> None:
    """Write the page whole or not at all; raises StoreError when the place cannot be written."""
    write_text(target, render_html(report))


def write_text(target: Path, text: str) -> None:
    """Write a file whole or not at all; raises StoreError when the place cannot be written."""
    write_whole(target, encoded(text))


def encoded(text: str) -> bytes:
    """UTF-8; half a surrogate pair, which a stranger's manifest can hold, as the escape that JSON has for it."""
    return text.encode(errors="backslashreplace")


def _lines(report: AuditReport) -> list[RuleLine]:
    by_output = [{item.rule: item for item in output.judgements} for output in report.outputs]
    lines: list[RuleLine] = []
    for rule in report.rules:
        cells = tuple(judgements.get(rule.id) for judgements in by_output)
        counts = Counter(cell.verdict for cell in cells if cell is not None)
        lines.append(RuleLine(rule=rule, cells=cells, counts=counts))
    return lines


def _packs(lines: list[RuleLine]) -> dict[str, list[RuleLine]]:
    """By pack, the house's own first, then as the table has them."""
    packs: dict[str, list[RuleLine]] = {}
    for line in sorted(lines, key=lambda line: line.rule.pack != HOUSE):
        packs.setdefault("House rules" if line.rule.pack == HOUSE else line.rule.pack, []).append(line)
    return packs


def _needs_a_look(output: AuditedOutput) -> bool:
    return (
        output.state in {FileState.CHANGED, FileState.MISSING}
        or output.intent_index is None
        or any(item.verdict is Verdict.FAIL for item in output.judgements)
    )


def _picture(data: bytes) -> str:
    """A data address for the thumbnail; PNG and JPEG only, by their first bytes."""
    kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
