"""Generation in a worker: each job through its engine's public verb, hence through gate, marks, signature and log.

The log is written by the publishing loop itself, before the output gets its name; a batch adds nothing to it and can
leave nothing out. What a batch knows is under which job id each attempt ran, so that after a crash the log tells
whether the output is there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thsafe.batch.assignment import LATER, Assignment, Tell, as_error
from thsafe.core.canonical import canonical_digest
from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import Refused, StoreError, ThsafeError, UsageError
from thsafe.core.types import Json
from thsafe.home import Home
from thsafe.store.batches import DONE, ERASED, POISON, Batches, Item, Result

if TYPE_CHECKING:
    from thsafe.generation import Generator
    from thsafe.installation import Installation
    from thsafe.store.outputs import OutputRecord

_LATER = ("store.locked", "store.unavailable", "network.unreachable")
"""Failures that say nothing about the job. A full disk is not among them: it ends no sooner by trying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generating:
    """Generates as ``thsafe generate`` does; an engine keeps its networks from job to job."""

    home: Home
    batches: Batches
    engines: dict[str, Generator] = field(default_factory=dict)

    @classmethod
    def open(cls, brief: Mapping[str, Json]) -> Generating:
        """Open the home that the brief names."""
        from thsafe.batch.anchors import check_same_log
        from thsafe.installation import Installation

        home = Home(Path(brief["home"]))
        installation = Installation.open(home)
        check_same_log(brief, installation)
        installation.ledger.close()
        return cls(home=home, batches=Batches.open(home.database_url))

    def do(self, item: Assignment, tell: Tell) -> dict[str, Json]:
        """One job, unless its output is there already from the same inputs."""
        started = time.perf_counter()
        key = None
        try:
            task = _task_of(item)
            key = key_of_job(task)
            known = self._known(key, task)
            if known is not None:
                answer: dict[str, Json] = {"state": known, "known": True}
            else:
                tell(key)
                answer = self._generate(task, item.job)
        except Refused as problem:
            answer = {"state": "refused", "error": problem.as_dict()}
        except ThsafeError as problem:
            later = isinstance(problem, StoreError) and problem.code in _LATER
            answer = {"state": LATER if later else "failed", "error": problem.as_dict()}
        except Exception as problem:  # noqa: BLE001 - one job's trouble is that job's answer
            answer = {"state": "failed", "error": as_error(problem)}
        return {**answer, "key": key, "seconds": round(time.perf_counter() - started, 4)}

    def _known(self, key: str, task: Mapping[str, Json]) -> str | None:
        """Done only while the file is still what was made."""
        from thsafe.media.digest import hash_file

        known = self.batches.known(key)
        if known != DONE:
            return POISON if known == POISON else None
        made = Path(task["arguments"]["output_path"])
        same = made.is_file() and hash_file(made) == self.batches.results([key])[key].sha256
        return DONE if same else None

    def _generate(self, task: Mapping[str, Json], job: str) -> dict[str, Json]:
        engine = self._engine(task)
        engine.next_job = job
        verb: Any = getattr(engine, task["do"])
        output = verb(**task["arguments"])
        report = {
            "path": str(output.path),
            "sha256": output.sha256,
            "duration": output.duration,
            "engine": output.engine,
            "manifest_id": output.manifest_id,
            "watermark_id": output.watermark_id,
            "log_index": output.ledger_index,
            "consents": list(output.decision.consent_ids),
            "rules": list(output.decision.rule_ids),
            "job": job,
            "at": to_text(system_clock()),
        }
        return _done(report)

    def _engine(self, task: Mapping[str, Json]) -> Generator:
        from thsafe.registry import engine

        name = canonical_digest({"engine": task["engine"], "options": task["options"]})
        if name not in self.engines:
            self.engines[name] = engine(task["engine"])(**task["options"], home=self.home)
        return self.engines[name]


def _task_of(item: Assignment) -> Mapping[str, Json]:
    if item.task != ERASED:
        return item.task or {}
    raise UsageError(
        "The words of this job were erased with the person whom it was about.",
        code="batch.erased",
        found=f"{item.source}, of which place and state alone are kept",
        rule="what was erased is not made again",
        next_step="where the person agrees, list the job anew: thsafe batch generate JOBS",
        log="nothing was written",
    )


def key_of_job(task: Mapping[str, Json]) -> str:
    """Of what is asked and of the bytes of every file that goes in."""
    from thsafe.media.digest import hash_file

    given = {**task["options"], **task["arguments"]}
    inputs = {name: hash_file(Path(given[name])) for name in task["files"] if name != "consent"}
    return canonical_digest({"request": dict(task), "inputs": inputs})


def finished_before(item: Item, job: str, installation: Installation) -> Result | None:
    """What an attempt brought whose process died before it could say so; None if it brought nothing."""
    from thsafe.publishing import complete_interrupted

    record = complete_interrupted(installation, job)
    if record is None:
        return None
    done = _done(_told(record, job))
    return Result(
        key=canonical_digest({"erased": job}) if item.task == ERASED else key_of_job(item.task or {}),
        sha256=done["sha256"],
        verdict=done["verdict"],
        report=done["report"],
        at=done["report"]["at"],
        position=done["position"],
    )


def _told(record: OutputRecord, job: str) -> dict[str, Json]:
    return {
        "path": record.path,
        "sha256": record.sha256,
        "duration": record.duration,
        "engine": record.engine,
        "manifest_id": record.manifest_id,
        "watermark_id": record.watermark_id,
        "log_index": record.ledger_index,
        "job": job,
        "at": record.created_at,
    }


def _done(report: dict[str, Json]) -> dict[str, Json]:
    return {
        "state": DONE,
        "sha256": report["sha256"],
        "verdict": "generated",
        "report": report,
        "position": report["log_index"],
    }
