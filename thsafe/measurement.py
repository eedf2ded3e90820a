"""One file measured for an audit, with the code that verifies anyone's media; and how a consent stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.audit.model import LabelSeen, Measurement, Standing
from thsafe.core.errors import ThsafeError
from thsafe.core.types import Label, MediaKind

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.installation import Installation
    from thsafe.media.probe import MediaInfo
    from thsafe.watermark.reading import MarkReading

_FRAMES = 32
_MEDIA = {MediaKind.IMAGE: "I", MediaKind.AUDIO: "A", MediaKind.VIDEO: "V"}


@dataclass(frozen=True, slots=True)
class Measurer:
    """The audit's ``MeasurePort``, bound to one installation's keys and trust."""

    installation: Installation

    def __call__(self, path: Path, *, labels: Sequence[Label]) -> Measurement:
        """Read marks, credentials, container keys and the given labels; raises InputError when this is not media."""
        from thsafe.media.probe import probe
        from thsafe.media.tags import read_tags
        from thsafe.provenance.read import read_credentials
        from thsafe.provenance.references import signpost_of

        info = probe(path)
        credentials = read_credentials(path, trust=self.installation.trust(), media_type=info.media_type)
        frames = _frames(path, info)
        notes: list[str] = []
        reading: MarkReading | None = None
        try:
            reading = self._watermark(path, info, frames)
        except ThsafeError as problem:
            notes.append(f"watermark: {problem.message}")
        return Measurement(
            media=_MEDIA.get(info.kind, "V"),
            duration=info.duration,
            credentials_state=credentials.state.value,
            credentials_intact=_intact(credentials.state.value),
            manifest_id=credentials.active_label,
            signer=credentials.signer.name if credentials.signer else "",
            signed_at=credentials.signed_at,
            time_stamped=credentials.time_stamped,
            digital_source_types=credentials.digital_source_types,
            actions=tuple(action.name for action in credentials.actions),
            software=next((action.software_agent for action in credentials.actions if action.software_agent), ""),
            ingredients=len(credentials.ingredients),
            signpost=signpost_of(credentials),
            watermark_state=reading.state if reading else "not-evaluated",
            watermark_id=reading.mark_id if reading else None,
            labels=_labels(frames, labels),
            notices=_notices(path, notes) if info.kind is MediaKind.AUDIO else None,
            metadata=read_tags(path),
            notes=tuple(notes),
        )

    def _watermark(self, path: Path, info: MediaInfo, frames: list[tuple[float, Frame]]) -> MarkReading:
        keys = self.installation.watermark_keys()
        if info.kind is MediaKind.AUDIO:
            from thsafe.media.sound import load_sound
            from thsafe.watermark.sound import ANALYSIS_RATE, read_sound

            return read_sound(load_sound(path, rate=ANALYSIS_RATE), ANALYSIS_RATE, keys)
        from thsafe.watermark.reader import read_pictures

        return read_pictures((frame for _, frame in frames), keys)


@dataclass(frozen=True, slots=True)
class Standings:
    """The audit's ``ConsentPort``: what has become of the consents kept here."""

    installation: Installation

    def __call__(self, consent_id: str, at: datetime) -> Standing:
        """The consent at that time; ``unknown`` where no record is kept here."""
        from thsafe.consent.store import ConsentStore
        from thsafe.consent.verify import status_facts

        store = ConsentStore(self.installation.home)
        try:
            record = store.get(consent_id)
        except ThsafeError:
            return Standing(id=consent_id, state="unknown")
        facts = status_facts(record, store.statuses, at)
        terms = record.terms
        if facts.revoked:
            state = "revoked"
        elif facts.suspended:
            state = "suspended"
        else:
            state = "active" if terms.valid_from <= at < terms.valid_until else "expired"
        return Standing(
            id=consent_id,
            state=state,
            digest=record.digest,
            valid_until=terms.valid_until.date().isoformat(),
            takedown=terms.on_withdrawal == "takedown",
            specific=bool(terms.scope.uses_text.strip()),
            deceased=terms.deceased,
            estate=terms.estate is not None,
            biometric=str(terms.biometric.get("use", "")),
        )


def _intact(state: str) -> bool | None:
    """Signature and content agree; None where that was not evaluated."""
    if state.startswith("INTACT"):
        return True
    return None if state == "NOT-EVALUATED" else False


def _frames(path: Path, info: MediaInfo) -> list[tuple[float, Frame]]:
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image

    if info.kind is MediaKind.IMAGE:
        return [(0.0, read_image(path))]
    if info.kind is MediaKind.VIDEO:
        with VideoReader(path) as reader:
            return reader.sample_bgr(_FRAMES)
    return []


def _labels(frames: list[tuple[float, Frame]], labels: Sequence[Label]) -> tuple[LabelSeen, ...] | None:
    from thsafe.label import measure_label

    if not frames:
        return None
    height, width = frames[0][1].shape[:2]
    seen = []
    for label in labels:
        found = measure_label(frames, label, (width, height))
        seen.append(
            LabelSeen(
                label=label,
                present=found.present,
                height=found.text_height_share,
                contrast=found.contrast,
                first_seen=_or_none(found.first_seen),
                last_seen=_or_none(found.last_seen),
            )
        )
    return tuple(seen)


def _notices(path: Path, notes: list[str]) -> tuple[str, ...] | None:
    """Which of the notices that the loop may have to speak are heard at the beginning."""
    from thsafe.audit.law import load_rules
    from thsafe.marking import NOTICE
    from thsafe.readback import HEARD, likeness

    known = dict.fromkeys([NOTICE, *(rule.spoken for rule in load_rules() if rule.spoken)])
    try:
        return tuple(words for words in known if likeness(path, words) >= HEARD)
    except ThsafeError as problem:
        notes.append(f"notice: {problem.message}")
        return None


def _or_none(seconds: float) -> float | None:
    return None if math.isnan(seconds) else seconds
