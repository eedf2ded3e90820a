"""A report as JSON, ``thsafe.report/1``."""

from __future__ import annotations

from collections.abc import Mapping

from thsafe.core.state import state_of
from thsafe.core.types import Evidence, Json, Report, Status, Verdict


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
        "state": str(state_of(item)),
        "code": item.code,
        "summary": item.summary,
        "strength": item.strength,
        "interval": list(item.interval) if item.interval else None,
        "detail": dict(item.detail),
        "model_digest": item.model_digest,
        "seconds": item.seconds,
    }


def report_from_json(value: Mapping[str, Json]) -> Report:
    """A report from what :func:`report_as_json` wrote; raises KeyError, TypeError or ValueError for anything else."""
    rest = dict(value)
    return Report(
        verdict=Verdict(rest.pop("verdict")),
        evidence=tuple(_evidence_from(item) for item in rest.pop("evidence")),
        limits=tuple(rest.pop("limits")),
        **rest,
    )


def _evidence_from(value: Mapping[str, Json]) -> Evidence:
    rest = {name: part for name, part in value.items() if name != "state"}
    status, interval = Status(rest.pop("status")), rest.pop("interval")
    return Evidence(status=status, interval=None if interval is None else (interval[0], interval[1]), **rest)
