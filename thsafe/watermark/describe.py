"""A reading of the mark as evidence for a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from thsafe.core.types import Evidence, Status

if TYPE_CHECKING:
    from thsafe.watermark.reading import MarkReading

PUBLIC_MARK = "public-mark"

_STATUS = {
    "id": Status.FOUND,
    "present": Status.FOUND,
    "absent": Status.ABSENT,
    "not-evaluated": Status.NOT_EVALUATED,
}
_CODE = {"id": "ID", "present": "PRESENT-UNREADABLE", "absent": "ABSENT", "not-evaluated": "NOT-EVALUATED"}


def watermark_evidence(reading: MarkReading) -> Evidence:
    """One finding, check ``watermark``. The id only points at a manifest; ``strength`` stays None on purpose."""
    match reading.state:
        case "id":
            summary = f"The watermark reads {reading.mark_id} under key {reading.key_name}: it points to a manifest."
        case "present":
            summary = f"A mark under key {reading.key_name} is there, but its id cannot be read."
        case "absent":
            summary = "No watermark under the known keys was found; that says nothing about where the file is from."
        case "not-evaluated":
            summary = f"The watermark could not be looked for: {reading.reason}"
    geometry = reading.geometry
    return Evidence(
        check="watermark",
        status=_STATUS[reading.state],
        summary=summary,
        code=_CODE[reading.state],
        detail={
            "state": reading.state,
            "mark_id": reading.mark_id,
            "key": reading.key_name,
            "confidence": round(reading.confidence, 2),
            "false_alarm": reading.false_alarm,
            "frames_read": reading.frames_read,
            "geometry": {
                "scale_x": round(geometry.scale_x, 4),
                "scale_y": round(geometry.scale_y, 4),
                "dx": round(geometry.dx, 2),
                "dy": round(geometry.dy, 2),
                "flip": geometry.flip,
                "rotation": round(geometry.rotation, 2),
            },
            "segments": [
                {"start": segment.start, "end": segment.end, "mark_id": segment.mark_id} for segment in reading.segments
            ],
            "reason": reading.reason,
        },
    )


def presence_evidence(reading: MarkReading) -> Evidence:
    """One finding, check ``public-mark``: a hint for people, without weight in the verdict."""
    match reading.state:
        case "present":
            status, code = Status.FOUND, "PRESENT"
            summary = "The public mark of thsafe is there: a hint that software made this, which anyone can also forge."
        case "not-evaluated":
            status, code, summary = Status.NOT_EVALUATED, "NOT-EVALUATED", reading.reason
        case _:
            status, code = Status.ABSENT, "ABSENT"
            summary = "The public mark of thsafe was not found; that says nothing."
    detail = {
        "state": reading.state,
        "confidence": round(reading.confidence, 2),
        "false_alarm": reading.false_alarm,
        "frames_read": reading.frames_read,
    }
    return Evidence(check=PUBLIC_MARK, status=status, summary=summary, code=code, detail=detail)
