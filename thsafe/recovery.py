"""Where a file's marks lead, and whether they tell the same story as its credentials.

Three things lead from a file to what was published here: the watermark, the encoded packets and, as a possibility only,
what it looks or sounds like. Without intact credentials the manifest found is held against the file. With intact ones
it is held against them: whoever strips our credentials and signs the marked picture as a camera's has intact ones too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from thsafe.core.types import Evidence, Status

if TYPE_CHECKING:
    from thsafe.examination import Examination
    from thsafe.installation import Installation
    from thsafe.provenance.edits import Interval
    from thsafe.provenance.lookup import Candidate
    from thsafe.provenance.read import Credentials
    from thsafe.store.outputs import OutputRecord


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
    return _look_alikes(examination, installation)


def _lead(examination: Examination, installation: Installation) -> Lead | None:
    outputs = installation.ledger.outputs
    if mark_id := _mark_id(examination):
        record = outputs.by_watermark(mark_id)
        return None if record is None else Lead(record=record, way=f"the watermark {mark_id}")
    if (essence := examination.essence()) is not None:
        record = outputs.by_essence(essence)
        return None if record is None else Lead(record=record, way="its encoded content, bit for bit")
    return None


def _look_alikes(examination: Examination, installation: Installation) -> Evidence:
    """Published outputs that look, or without a picture sound, like this file: a hint for people, never proof."""
    from thsafe.provenance.lookup import search_fingerprint
    from thsafe.provenance.prints import sounds
    from thsafe.provenance.soundprint import search_soundprint

    outputs = installation.ledger.outputs
    found: tuple[Candidate, ...] = ()
    if (suspect := examination.fingerprint()) is not None:
        found = search_fingerprint(suspect, outputs)
        alike = "the pictures look like those", "frames"
        doubt = "Other takes of one portrait, and the portrait itself, look like it too."
    elif (suspect := examination.soundprint()) is not None:
        found = search_soundprint(suspect, sounds(outputs.fingerprints()))
        alike = "the sound is like that", "stretches of 3 seconds"
        doubt = "The recording that was put in sounds like it too."
    record = outputs.by_manifest(found[0].manifest_id) if found else None
    if record is None:
        words = "Neither watermark, encoded content nor what it looks or sounds like leads to a stored manifest."
        return _finding(Status.ABSENT, words)
    match = found[0].match
    return Evidence(
        check="recovery",
        status=Status.FOUND,
        code="POSSIBLE-MATCH",
        summary=(
            f"Possible match: {alike[0]} of the output published here on {record.created_at[:10]} "
            f"({match.share:.0%} of {match.frames} {alike[1]}). {doubt}"
        ),
        detail={"manifest": record.manifest_id, "log_entry": record.ledger_index, "possible_matches": len(found)},
    )


def _compare_stories(
    examination: Examination, credentials: Credentials, lead: Lead | None, installation: Installation
) -> Evidence:
    """Whether intact credentials know of the marks in their own content."""
    from thsafe.provenance.ladder import Ladder
    from thsafe.provenance.recover import carries_claim, names_watermark, tells_of_synthesis

    if lead is not None and lead.record.manifest:
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
    from thsafe.provenance.prints import Prints
    from thsafe.provenance.recover import Bindings, judge_recovery

    if not record.manifest:
        return _erased(record)
    prints = Prints.of_text(record.fingerprint)
    stored = Bindings(
        essence=record.essence_hash,
        fingerprint=prints.picture,
        soundprint=prints.sound,
        watermark_id=record.watermark_id,
    )
    suspect = Bindings(
        essence=examination.essence(),
        fingerprint=examination.fingerprint(),
        soundprint=examination.soundprint(),
        watermark_id=_mark_id(examination),
    )
    examination.recovered = _read_stored(examination, record, installation)
    examination.recovery = judge_recovery(stored, suspect, examination.recovered)
    evidence = recovery_evidence(examination.recovery, record, examination.recovered)
    return _with_differences(evidence, _differences(examination, record))


def _erased(record: OutputRecord) -> Evidence:
    """What is left of an output whose person was erased: that there was one, and when."""
    return Evidence(
        check="recovery",
        status=Status.FOUND,
        code="ERASED",
        summary=(
            f"A mark leads to the output published here on {record.created_at[:10]}; its stored credentials were "
            "erased for the person shown, and only digests are left."
        ),
        detail={"manifest": record.manifest_id, "log_entry": record.ledger_index},
    )


def _differences(examination: Examination, record: OutputRecord) -> tuple[Interval, ...]:
    """Seconds of a copy that look different from what was published; none of what is another video altogether."""
    from thsafe.provenance.edits import differing_seconds
    from thsafe.provenance.fingerprint import fingerprint
    from thsafe.provenance.ladder import Ladder
    from thsafe.provenance.prints import Prints

    known = Prints.of_text(record.fingerprint).picture
    alike = examination.recovery is not None and examination.recovery.state is Ladder.RECOVERED_SIMILAR
    compared = examination.recovery is not None and examination.recovery.match is not None
    if not (alike and compared) or known is None or not examination.info.duration:
        return ()
    suspect = fingerprint(examination.sampled(), apart=0.0)
    return differing_seconds(known, suspect, known_length=record.duration, suspect_length=examination.info.duration)


def _with_differences(evidence: Evidence, intervals: tuple[Interval, ...]) -> Evidence:
    if not intervals:
        return evidence
    words = ", ".join(str(item) for item in intervals)
    return replace(
        evidence,
        summary=f"{evidence.summary} At {words} the picture differs from what was published: look there.",
        interval=(intervals[0].start, intervals[-1].end),
        detail={**evidence.detail, "differs": [[item.start, item.end] for item in intervals]},
    )


def _read_stored(examination: Examination, record: OutputRecord, installation: Installation) -> Credentials:
    from thsafe.provenance.isolated import read_credentials_isolated

    return read_credentials_isolated(
        examination.path,
        trust=installation.trust(),
        manifest_bytes=record.manifest,
        media_type=examination.info.media_type,
        at=examination.at,
    )


def _mark_id(examination: Examination) -> str | None:
    return examination.reading.mark_id if examination.reading else None


def _speaks_of_our_mark(credentials: Credentials) -> bool:
    from thsafe.provenance.recover import named_algorithms
    from thsafe.watermark import ALGORITHM

    return ALGORITHM in named_algorithms(credentials)


def _finding(status: Status, summary: str, code: str = "") -> Evidence:
    return Evidence(check="recovery", status=status, summary=summary, code=code)
