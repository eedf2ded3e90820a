"""What a worker does: one item in, one answer out, as JSON values. It writes no rows and, verifying, no log.

A worker keeps open what is the same for every item: the installation, the trust lists behind it, the models of its
detectors. Whatever goes wrong with one item is that item's answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.batch.assignment import LATER, Assignment, Tell, Work, as_error
from thsafe.batch.settings import VerifySettings, key_of
from thsafe.batch.sources import brought
from thsafe.core.errors import ThsafeError
from thsafe.core.exitcodes import ExitCode
from thsafe.core.types import Json
from thsafe.home import Home

if TYPE_CHECKING:
    from thsafe.installation import Installation
    from thsafe.store.batches import Batches


def work_of(brief: Mapping[str, Json]) -> Work:
    """Open what a batch's brief asks for (``thsafe.batch.run``).

    Raises:
        ThsafeError: keys or database cannot be opened here.
    """
    if brief["kind"] == "generate":
        from thsafe.batch.generating import Generating

        return Generating.open(brief)
    return Verifying.open(brief)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifying:
    """Verifies files as ``thsafe verify`` does."""

    home: Home
    installation: Installation | None
    batches: Batches
    settings: VerifySettings
    checks: str
    models: str

    @classmethod
    def open(cls, brief: Mapping[str, Json]) -> Verifying:
        """Open the home that the brief names."""
        from thsafe.batch.anchors import check_same_log
        from thsafe.installation import Installation
        from thsafe.provenance.isolated import read_in_this_process
        from thsafe.store.batches import Batches

        home = Home(Path(brief["home"]))
        # This process serves the batch alone, under limits, and is replaced when it breaks.
        read_in_this_process()
        installation = Installation.open_or_none(home)
        check_same_log(brief, installation)
        return cls(
            home=home,
            installation=installation,
            batches=Batches.open(home.database_url),
            settings=VerifySettings.from_json(brief["settings"]),
            checks=brief["checks"],
            models=brief["models"],
        )

    def do(self, item: Assignment, tell: Tell) -> dict[str, Json]:
        """Bring, hash, look whether the answer is known, else examine."""
        started = time.perf_counter()
        key = None
        try:
            with brought(item.source, self.settings.rules) as (path, name):
                from thsafe.media.digest import hash_file

                key = key_of(hash_file(path), self.checks, self.models)
                known = self.batches.known(key)
                if known is not None:
                    answer: dict[str, Json] = {"state": known, "known": True}
                else:
                    tell(key)
                    answer = self._examine(path, name)
        except ThsafeError as problem:
            later = problem.exit_code is ExitCode.STORE
            answer = {"state": LATER if later else "failed", "error": problem.as_dict()}
        except Exception as problem:  # noqa: BLE001 - one file's trouble is that file's answer
            answer = {"state": "failed", "error": as_error(problem)}
        return {**answer, "key": key, "seconds": round(time.perf_counter() - started, 4)}

    def _examine(self, path: Path, name: str) -> dict[str, Json]:
        from thsafe.core.clock import from_text
        from thsafe.media.files import plain_name
        from thsafe.report.data import report_as_json
        from thsafe.verification import PROVENANCE, examine

        _, report = examine(
            path,
            home=self.home,
            installation=self.installation,
            record=False,
            detectors=self.settings.checks == "detectors",
            at=None if self.settings.at is None else from_text(self.settings.at),
            only=PROVENANCE if self.settings.checks == "provenance" else None,
        )
        report = replace(report, file=plain_name(name))
        verdict = str(report.verdict)
        return {"state": "done", "sha256": report.sha256, "verdict": verdict, "report": report_as_json(report)}
