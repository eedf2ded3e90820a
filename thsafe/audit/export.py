"""An audit for other programs: CSV for spreadsheets, JSON Lines with inclusion proofs for machines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from thsafe.audit.html import write_text
from thsafe.audit.model import AuditedOutput, AuditReport, Measurement, Standing, readable
from thsafe.core.types import Json

_COLUMNS = (
    "entry", "at", "file", "state", "sha256", "manifest_id", "watermark_id", "engine", "task", "purpose", "territories",
    "consents_then", "consents_now", "rule", "verdict", "reason",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(report: AuditReport) -> str:
    """One row per output and rule; an output that was not judged has one row with empty verdict."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for output in report.outputs:
        record = output.record
        start = (
            record.ledger_index,
            output.at,
            output.name,
            output.state,
            record.sha256,
            record.manifest_id,
            record.watermark_id,
            record.engine,
            record.task,
            output.intent.get("purpose", ""),
            " ".join(output.intent.get("territories", ())),
            " ".join(f"{item.id}={item.state}" for item in output.consents_then),
            " ".join(f"{item.id}={item.state}" for item in output.consents),
        )
        rows = [(item.rule, str(item.verdict), item.reason) for item in output.judgements] or [("", "", "")]
        for row in rows:
            writer.writerow([_harmless(str(cell)) for cell in (*start, *row)])
    return text.getvalue()


def as_json_lines(report: AuditReport) -> Iterator[str]:
    """First the audit as a whole, then one line per output with its proof, then one per other file."""
    yield _line(
        {
            "schema": report.schema,
            "kind": "audit",
            "at": report.at,
            "since": report.since,
            "as_of": report.as_of,
            "rules": list(report.scope),
            "tool": report.tool,
            "policies": list(report.policies),
            "decisions": dict(report.decisions),
            "log": {
                "origin": report.log.origin,
                "size": report.log.size,
                "root": report.log.root,
                "intact": report.log.ok,
                "problems": [
                    {"code": item.code, "index": item.index, "message": item.message} for item in report.log.problems
                ],
                "open_intents": [
                    {"index": item.index, "job": item.job, "at": item.at} for item in report.log.open_intents
                ],
                "witnessed": report.log.witnessed,
            },
            "checkpoint": report.checkpoint.note if report.checkpoint else None,
            "sample": {"population": report.sample.population, "size": report.sample.size, "seed": report.sample.seed},
            "exceptions": [
                {
                    "severity": item.severity,
                    "code": item.code,
                    "words": item.words,
                    "index": item.index,
                    "file": item.file,
                }
                for item in report.exceptions
            ],
            "limits": list(report.limits),
        }
    )
    for output in report.outputs:
        yield _line(_output(output))
    for stray in report.strays:
        yield _line(
            {
                "kind": "other-file",
                "file": readable(stray.path),
                "sha256": stray.sha256,
                "is": stray.kind,
                "words": stray.words,
                "of": stray.of,
            }
        )


def write_csv(report: AuditReport, target: Path) -> None:
    """Write the table whole or not at all; raises StoreError when the place cannot be written."""
    write_text(target, as_csv(report))


def write_json_lines(report: AuditReport, target: Path) -> None:
    """Write the lines whole or not at all; raises StoreError when the place cannot be written."""
    write_text(target, "".join(line + "\n" for line in as_json_lines(report)))


def _output(output: AuditedOutput) -> dict[str, Json]:
    record = output.record
    return {
        "kind": "output",
        "entry": record.ledger_index,
        "at": output.at,
        "file": output.place,
        "state": str(output.state),
        "sha256": record.sha256,
        "manifest_id": record.manifest_id,
        "watermark_id": record.watermark_id,
        "intent": {"index": output.intent_index, **output.intent} if output.intent_index is not None else None,
        "measurement": _measurement(output.measurement) if output.measurement else None,
        "consents": [_standing(item) for item in output.consents],
        "consents_then": [_standing(item) for item in output.consents_then],
        "judgements": [
            {"rule": item.rule, "verdict": str(item.verdict), "reason": item.reason, "evidence": dict(item.evidence)}
            for item in output.judgements
        ],
        "proof": output.proof.as_dict() if output.proof else None,
    }


def _standing(item: Standing) -> dict[str, Json]:
    return {"id": item.id, "state": item.state, "digest": item.digest, "valid_until": item.valid_until}


def _measurement(seen: Measurement) -> dict[str, Json]:
    return {
        "media": seen.media,
        "credentials": seen.credentials_state,
        "manifest_id": seen.manifest_id,
        "signer": seen.signer,
        "signed_at": seen.signed_at,
        "time_stamped": seen.time_stamped,
        "digital_source_types": list(seen.digital_source_types),
        "watermark": seen.watermark_state,
        "watermark_id": seen.watermark_id,
        "labels": None
        if seen.labels is None
        else [
            {"text": item.label.text, "present": item.present, "height": item.height, "contrast": item.contrast}
            for item in seen.labels
        ],
        "metadata": dict(seen.metadata),
        "notes": list(seen.notes),
    }


def _line(value: dict[str, Json]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
