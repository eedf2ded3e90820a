"""A report as JSON, ``thsafe.report/1``."""

from __future__ import annotations

from thsafe.core.types import Evidence, Json, Report


def report_as_json(report: Report) -> dict[str, Json]:
    """The whole report as a JSON object; ``schema`` names its version."""
    return {
        "schema": report.schema,
        "file": report.file,
        "sha256": report.sha256,
        "kind": report.kind,
        "verdict": str(report.verdict),
        "sentence": report.sentence,
        "media": dict(report.media),
        "evidence": [_evidence(item) for item in report.evidence],
        "limits": list(report.limits),
        "at": report.at,
        "tool": dict(report.tool),
    }


def _evidence(item: Evidence) -> dict[str, Json]:
    return {
        "check": item.check,
        "status": str(item.status),
        "code": item.code,
        "summary": item.summary,
        "strength": item.strength,
        "interval": list(item.interval) if item.interval else None,
        "detail": dict(item.detail),
        "model_digest": item.model_digest,
        "seconds": item.seconds,
    }
