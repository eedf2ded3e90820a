"""Whether the sound of a video carries the mark that its picture carries: both are written with one id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thsafe.core.types import Evidence, MediaKind, Status

if TYPE_CHECKING:
    from thsafe.examination import Examination
    from thsafe.watermark.reading import MarkReading

_CHECK = "sound-watermark"


def check_sound_mark(examination: Examination) -> Evidence:
    """Read the mark of a video's sound and hold it against the picture's.

    The same id is agreement; another id says that picture and sound come from two outputs; no id says nothing, since
    many ordinary changes take the mark out of sound.
    """
    installation = examination.installation
    if installation is None:
        return _finding(Status.NOT_EVALUATED, "No watermark keys on this machine.", "NOT-EVALUATED")
    if examination.info.kind is not MediaKind.VIDEO or examination.info.audio_codec is None:
        return _finding(Status.NOT_EVALUATED, "Not needed: this is no video with a sound track.", "NOT-NEEDED")
    from thsafe.watermark.files import read_sound_track

    reading = read_sound_track(examination.path, installation.watermark_keys())
    if reading.state == "not-evaluated":
        return _finding(Status.NOT_EVALUATED, reading.reason, "NOT-NEEDED", reading)
    if reading.state == "absent":
        words = "No watermark under the known keys was found in the sound; that says nothing."
        return _finding(Status.ABSENT, words, "ABSENT", reading)
    if reading.mark_id is None:
        words = f"The sound carries a mark under key {reading.key_name}, but its id cannot be read."
        return _finding(Status.FOUND, words, "PRESENT-UNREADABLE", reading)
    return _compared(examination, reading, reading.mark_id)


def _compared(examination: Examination, reading: MarkReading, sound_id: str) -> Evidence:
    picture_id = examination.reading.mark_id if examination.reading else None
    if picture_id is None:
        words = f"The sound carries the watermark {sound_id}; none was read in the picture."
        return _finding(Status.FOUND, words, "SOUND-ONLY", reading)
    if picture_id == sound_id:
        return _finding(Status.FOUND, f"Picture and sound carry the same watermark, {sound_id}.", "AGREES", reading)
    if _vouched(examination, sound_id):
        words = f"The sound carries the watermark {sound_id}, which the intact credentials name among their sources."
        return _finding(Status.FOUND, words, "NAMED-SOURCE", reading)
    words = "The sound carries another output's mark: it was replaced."
    return _finding(Status.CONFLICT, words, "ANOTHER-OUTPUT", reading, picture_id=picture_id)


def _vouched(examination: Examination, sound_id: str) -> bool:
    """Whether intact credentials tell where the sound is from, as an honest edit of two outputs does."""
    from thsafe.provenance.recover import names_watermark

    credentials = examination.credentials
    return credentials is not None and credentials.state.intact and names_watermark(credentials, sound_id)


def _finding(
    status: Status, summary: str, code: str, reading: MarkReading | None = None, *, picture_id: str | None = None
) -> Evidence:
    detail = {} if reading is None else _facts(reading) | ({"picture_mark_id": picture_id} if picture_id else {})
    return Evidence(check=_CHECK, status=status, summary=summary, code=code, detail=detail)


def _facts(reading: MarkReading) -> dict[str, str | float | None]:
    return {
        "state": reading.state,
        "mark_id": reading.mark_id,
        "key": reading.key_name,
        "confidence": round(reading.confidence, 2),
        "false_alarm": reading.false_alarm,
        "reason": reading.reason,
    }
