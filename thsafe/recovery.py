"""Where a file's marks lead, and whether they tell the same story as its credentials.

Three things lead from a file to what was published here: the watermark, the encoded packets and, as a possibility only,
what the pictures look like. Without intact credentials the manifest found is held against the file. With intact ones it
is held against them: whoever strips our credentials and signs the marked picture as a camera's has intact credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thsafe.core.types import Evidence, Status

if TYPE_CHECKING:
    from thsafe.installation import Installation
    from thsafe.provenance.read import Credentials
    from thsafe.store.outputs import OutputRecord
    from thsafe.verification import Examination


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """A published output that the file leads to."""

    record: OutputRecord
    way: str
    """In words: what led there."""


def check_recovery(examination: Examination) -> Evidence:
    """Look for the output that the file is a copy of, and judge what its credentials are worth here."""
    installation = examination.installation
    if installation is None:
        return _finding(Status.NOT_EVALUATED, "No manifest store on this machine to look in.", "NOT-EVALUATED")
    lead = _lead(examination, installation)
    if examination.credentials is not None and examination.credentials.state.intact:
        return _compare_stories(examination, examination.credentials, lead, installation)
    if lead is not None:
        examination.record = lead.record
        return _recover(examination, lead.record, installation)
    if mark_id := _mark_id(examination):
        words = f"The watermark {mark_id} is ours, but no manifest is stored under it here."
        return _finding(Status.ABSENT, words, "UNKNOWN-ID")
    return _finding(Status.ABSENT, "Neither watermark nor encoded content leads to a stored manifest.")


def _lead(examination: Examination, installation: Installation) -> Lead | None:
    outputs = installation.ledger.outputs
    if mark_id := _mark_id(examination):
        record = outputs.by_watermark(mark_id)
        return None if record is None else Lead(record=record, way=f"the watermark {mark_id}")
    if (essence := examination.essence()) is not None:
        record = outputs.by_essence(essence)
        return None if record is None else Lead(record=record, way="its encoded content, bit for bit")
    return None


def _compare_stories(
    examination: Examination, credentials: Credentials, lead: Lead | None, installation: Installation
) -> Evidence:
    """Whether intact credentials know of the marks in their own content."""
    from thsafe.provenance.ladder import Ladder
    from thsafe.provenance.recover import carries_claim, names_watermark, tells_of_synthesis

    if lead is not None:
        stored = _read_stored(examination, lead.record, installation)
        if carries_claim(credentials, stored):
            examination.record = lead.record
            return _finding(Status.NOT_EVALUATED, "Not needed: the file carries its own credentials.", "NOT-NEEDED")
        words = (
            f"By {lead.way} this is the output published here on {lead.record.created_at[:10]}, but the credentials in "
            "the file do not hold that output's manifest: it was stripped and the file signed anew."
        )
        return _finding(Status.CONFLICT, words, "MARK-CLASH")
    reading = examination.reading
    if mark_id := _mark_id(examination):
        vouched = credentials.state in {Ladder.INTACT_TRUSTED, Ladder.INTACT_DEVELOPMENT}
        if not names_watermark(credentials, mark_id):
            words = f"The watermark {mark_id} is named by no manifest in the file: a marked picture was signed anew."
            return _finding(Status.CONFLICT, words, "MARK-CLASH")
        if not vouched and not tells_of_synthesis(credentials, mark_id):
            words = f"The manifest that names the watermark {mark_id} tells of no generation; nobody vouches for it."
            return _finding(Status.CONFLICT, words, "MARK-CLASH")
    elif reading is not None and reading.state == "present" and not _speaks_of_our_mark(credentials):
        words = "A watermark under a key of this installation is there, and no manifest in the file speaks of one."
        return _finding(Status.CONFLICT, words, "MARK-CLASH")
    return _finding(Status.NOT_EVALUATED, "Not needed: the file carries its own credentials.", "NOT-NEEDED")


def _recover(examination: Examination, record: OutputRecord, installation: Installation) -> Evidence:
    """Hold the stored manifest against the file in hand."""
    from thsafe.findings import recovery_evidence
    from thsafe.provenance.fingerprint import fingerprint
    from thsafe.provenance.recover import Bindings, judge_recovery

    stored = Bindings(essence=record.essence_hash, fingerprint=record.fingerprint, watermark_id=record.watermark_id)
    suspect = Bindings(
        essence=examination.essence(),
        fingerprint=fingerprint(examination.sampled()) if examination.sampled() else None,
        watermark_id=_mark_id(examination),
    )
    examination.recovered = _read_stored(examination, record, installation)
    examination.recovery = judge_recovery(stored, suspect, examination.recovered)
    return recovery_evidence(examination.recovery, record, examination.recovered)


def _read_stored(examination: Examination, record: OutputRecord, installation: Installation) -> Credentials:
    from thsafe.provenance.isolated import read_credentials_isolated

    return read_credentials_isolated(
        examination.path,
        trust=installation.trust(),
        manifest_bytes=record.manifest,
        media_type=examination.info.media_type,
    )


def _mark_id(examination: Examination) -> str | None:
    return examination.reading.mark_id if examination.reading else None


def _speaks_of_our_mark(credentials: Credentials) -> bool:
    from thsafe.provenance.recover import named_algorithms
    from thsafe.watermark import ALGORITHM

    return ALGORITHM in named_algorithms(credentials)


def _finding(status: Status, summary: str, code: str = "") -> Evidence:
    return Evidence(check="recovery", status=status, summary=summary, code=code)
