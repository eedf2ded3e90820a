"""An audit as OSCAL assessment results (NIST, https://pages.nist.gov/OSCAL), for the tools that compliance people use.

A rule is a control, an output an inventory item, a rule's outcome an observation with a finding. OSCAL knows only
``satisfied`` and ``not-satisfied``: what could not be told is ``not-satisfied`` for the reason ``other``, not ``fail``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from uuid import UUID, uuid5

from policies.rules import Rule
from thsafe.audit.html import write_text
from thsafe.audit.model import AuditedOutput, AuditReport, Finding, Verdict
from thsafe.core.types import Json

OSCAL_VERSION = "1.1.3"
_SPACE = UUID("6a8c2f0e-2f47-5c33-9d0b-8f6f0d2f5a11")
"""Names in it are made of the log's origin, its root and the audit's time: the same audit has the same ids."""
_NS = "urn:thsafe:oscal"
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]")


def as_oscal(report: AuditReport) -> dict[str, Json]:
    """The document, as JSON values."""
    judged = [(rule, outcome) for rule in report.rules if (outcome := _outcome(report, rule))]
    result: dict[str, Json] = {
        "uuid": _id(report, "result"),
        "title": "Audit of published talking-head videos",
        "description": f"Log, files, marks, consents and rules, measured again; law as of {report.as_of}.",
        "start": report.at,
        "end": report.at,
        "props": [
            _prop("log-origin", report.log.origin),
            _prop("log-root", report.log.root),
            _prop("log-size", str(report.log.size)),
            _prop("log-verifies", str(report.log.ok).lower()),
        ],
        "reviewed-controls": {
            "description": "Rules of the law table that a file can show.",
            "control-selections": [
                {"include-controls": [{"control-id": _token(rule.id)} for rule, _ in judged]}
                if judged
                else {"description": "No rule was judged."}
            ],
        },
        "observations": [
            *(_rule_observation(report, rule, outcome) for rule, outcome in judged),
            *(_exception(report, number, item) for number, item in enumerate(report.exceptions)),
        ],
        "findings": [_finding(report, rule, outcome) for rule, outcome in judged],
    }
    if not result["observations"]:
        del result["observations"]
    if not result["findings"]:
        del result["findings"]
    if report.outputs:
        result["local-definitions"] = {"inventory-items": [_item(report, output) for output in report.outputs]}
    return {
        "assessment-results": {
            "uuid": _id(report, "document"),
            "metadata": {
                "title": f"Audit of the log {report.log.origin}",
                "last-modified": report.at,
                "version": report.schema,
                "oscal-version": OSCAL_VERSION,
                "remarks": " ".join(report.limits),
            },
            "import-ap": {
                "href": f"#{_id(report, 'plan')}",
                "remarks": "There is no separate plan: rules and dates are chosen on the command line.",
            },
            "results": [result],
            "back-matter": {
                "resources": [
                    {
                        "uuid": _id(report, "plan"),
                        "title": "What was asked",
                        "description": f"Rules: {', '.join(report.scope) or 'those of each job'}; "
                        f"as of {report.as_of}; {report.sample.size} of {report.sample.population} outputs "
                        f"measured; {report.tool}.",
                    }
                ]
            },
        }
    }


def write_oscal(report: AuditReport, target: Path) -> None:
    """Write the document whole or not at all; raises StoreError when the place cannot be written."""
    write_text(target, json.dumps(as_oscal(report), ensure_ascii=False, indent=1) + "\n")


def _outcome(report: AuditReport, rule: Rule) -> dict[Verdict, list[AuditedOutput]]:
    """The outputs per verdict; empty for a rule that reaches none of them."""
    outcome: dict[Verdict, list[AuditedOutput]] = {}
    for output in report.outputs:
        for item in output.judgements:
            if item.rule == rule.id and item.verdict is not Verdict.NOT_APPLICABLE:
                outcome.setdefault(item.verdict, []).append(output)
    return outcome


def _rule_observation(report: AuditReport, rule: Rule, outcome: dict[Verdict, list[AuditedOutput]]) -> dict[str, Json]:
    reasons = {
        item.reason
        for verdict in (Verdict.FAIL, Verdict.UNDETERMINED)
        for output in outcome.get(verdict, ())
        for item in output.judgements
        if item.rule == rule.id
    }
    shown = outcome.get(Verdict.FAIL) or outcome.get(Verdict.UNDETERMINED) or outcome[Verdict.PASS]
    return {
        "uuid": _id(report, f"observation {rule.id}"),
        "title": rule.id,
        "description": f"{_counts(outcome)}. {' '.join(sorted(reasons))}".strip(),
        "props": [
            _prop("rule", rule.id),
            *(_prop(str(verdict), str(len(found))) for verdict, found in outcome.items()),
        ],
        "methods": ["TEST" if rule.checker not in {"log", "consent"} else "EXAMINE"],
        "subjects": [
            {"subject-uuid": _id(report, f"output {output.record.ledger_index}"), "type": "inventory-item"}
            for output in shown
        ],
        "collected": report.at,
    }


def _exception(report: AuditReport, number: int, item: Finding) -> dict[str, Json]:
    about = [_prop("severity", item.severity), _prop("code", item.code)]
    if item.index is not None:
        about.append(_prop("log-entry", str(item.index)))
    return {
        "uuid": _id(report, f"exception {number}"),
        "title": f"Exception {item.code}",
        "description": f"{item.words} {item.file}".strip(),
        "props": about,
        "methods": ["EXAMINE"],
        "collected": report.at,
    }


def _finding(report: AuditReport, rule: Rule, outcome: dict[Verdict, list[AuditedOutput]]) -> dict[str, Json]:
    if Verdict.FAIL in outcome:
        status = {"state": "not-satisfied", "reason": "fail"}
    elif Verdict.UNDETERMINED in outcome:
        status = {"state": "not-satisfied", "reason": "other", "remarks": "Undetermined: not shown to fail."}
    else:
        status = {"state": "satisfied", "reason": "pass"}
    return {
        "uuid": _id(report, f"finding {rule.id}"),
        "title": rule.id,
        "description": rule.says,
        "target": {"type": "objective-id", "target-id": _token(rule.id), "status": status},
        "related-observations": [{"observation-uuid": _id(report, f"observation {rule.id}")}],
        "remarks": f"Source: {rule.source}, read on {rule.accessed}; status {rule.status}.",
    }


def _item(report: AuditReport, output: AuditedOutput) -> dict[str, Json]:
    record = output.record
    return {
        "uuid": _id(report, f"output {record.ledger_index}"),
        "description": output.name,
        "props": [
            _prop("log-entry", str(record.ledger_index)),
            _prop("sha256", record.sha256),
            _prop("manifest", record.manifest_id),
            _prop("state", str(output.state)),
        ],
    }


def _counts(outcome: dict[Verdict, list[AuditedOutput]]) -> str:
    return ", ".join(f"{len(found)} {verdict}" for verdict, found in outcome.items())


def _prop(name: str, value: str) -> dict[str, str]:
    # OSCAL values hold no line breaks and are never empty.
    return {"name": name, "ns": _NS, "value": " ".join(value.split()) or "-"}


def _token(name: str) -> str:
    """A rule's id as an OSCAL token."""
    return _FORBIDDEN.sub("_", name)


def _id(report: AuditReport, what: str) -> str:
    return str(uuid5(_SPACE, f"{report.log.origin} {report.log.root} {report.at} {what}"))
