"""The one loop that turns a draft into a file: label, watermark, encode, sign, read back, log, rename.

The order is forced. A remux after signing loses the manifest and a tag edited after signing breaks the hash (C2PA 2.4
§18.7, BMFF hash), so everything that changes bytes comes first; the log entry is durable before the file has its name,
so no file exists that the log does not know.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import MarkError
from thsafe.core.ids import new_manifest_label, new_watermark_id
from thsafe.core.types import Draft, Label, Obligations, Output, Progress, Request

if TYPE_CHECKING:
    from thsafe.core.types import Frame, SoundBlock
    from thsafe.destination import Destination
    from thsafe.gate import Permit
    from thsafe.installation import Installation
    from thsafe.media.decode import VideoReader
    from thsafe.provenance.manifest import ManifestFacts

_READ_BACK_FRAMES = 32
_READ_BACK_SHORT = 8
"""Frames looked at for a label that shows for some seconds only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What this output carries; chosen before the first frame."""

    manifest_id: str
    watermark_id: str
    labels: tuple[Label, ...]
    metadata: Mapping[str, str]
    """Named values for the container, as they are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encoded:
    duration: float
    fingerprint: str
    thumbnail: bytes


def publish(
    draft: Draft,
    request: Request,
    permit: Permit,
    destination: Destination,
    *,
    installation: Installation,
    progress: Progress,
) -> Output:
    """Write, mark, sign, check, log and place one output.

    Raises:
        MarkError: a mark was not found again in the finished file; nothing is placed.
        StoreError: disk full, log not writable; nothing is placed.
        Refused: the permit has expired or an input changed since it was given.
    """
    from thsafe.gate import verify_inputs
    from thsafe.media.digest import hash_file
    from thsafe.provenance.attribution import ingredients_of
    from thsafe.provenance.essence import essence_of
    from thsafe.provenance.sign import sign
    from thsafe.store.outputs import OutputRecord

    permit.check(request)
    marks = choose_marks(permit.obligations, installation)
    ledger = installation.ledger
    destination.clear_interrupted(lambda job: _log_interrupted(installation, job))
    with destination.workshop(request.job_id) as workshop:
        encoded_file, signed_file = workshop / "encoded.mp4", workshop / "signed.mp4"
        encoded = _encode(draft, marks, encoded_file, installation=installation, progress=progress)
        progress.start("signing", None)
        facts = _manifest_facts(draft, request, permit, marks, encoded, installation=installation)
        signed = sign(
            encoded_file,
            signed_file,
            facts=facts,
            ingredients=ingredients_of(request, draft.facts),
            thumbnail_jpeg=encoded.thumbnail,
            ring=installation.ring,
            timestamp="required",
        )
        progress.start("reading back", None)
        found = _read_back(signed_file, marks, installation=installation)
        verify_inputs(request)
        _make_durable(signed_file)
        digest = hash_file(signed_file)
        record = OutputRecord(
            manifest_id=marks.manifest_id,
            watermark_id=marks.watermark_id,
            sha256=digest,
            essence_hash=essence_of(signed_file).digest,
            fingerprint=encoded.fingerprint,
            manifest=signed.manifest_bytes,
            media_type="video/mp4",
            created_at=to_text(system_clock()),
            ledger_index=-1,
            path=str(destination.path.absolute()),
            duration=encoded.duration,
            engine=request.engine,
            task=str(request.task),
            thumbnail=encoded.thumbnail,
        )
        entry = ledger.append(
            {
                "type": "output",
                "job": request.job_id,
                "sha256": digest,
                "manifest_id": marks.manifest_id,
                "watermark_id": marks.watermark_id,
                "media_type": "video/mp4",
                "engine": request.engine,
                "marks": found,
            },
            output=record,
        )
        destination.place(signed_file)
    return Output(
        path=destination.path,
        sha256=digest,
        manifest_id=marks.manifest_id,
        watermark_id=marks.watermark_id,
        ledger_index=entry.index,
        decision=permit.decision,
        engine=request.engine,
        duration=encoded.duration,
    )


def choose_marks(obligations: Obligations, installation: Installation) -> Marks:
    """Manifest label and watermark id, chosen together so that each can name the other, and what policy asks for.

    Raises:
        MarkError: ``mark.spoken``: a duty that this loop does not know how to meet.
    """
    from policies.obligations import metadata_texts

    if obligations.spoken_notice is not None:
        raise MarkError(
            "The law of a place wants a spoken notice, and nothing here can speak one.",
            code="mark.spoken",
            found=obligations.spoken_notice,
            rule="an output meets every duty that policy names, or is not made",
            next_step="make a video instead: its label is written",
        )
    manifest_id = new_manifest_label()
    return Marks(
        manifest_id=manifest_id,
        watermark_id=new_watermark_id(),
        labels=obligations.labels,
        metadata=metadata_texts(obligations.metadata, provider=installation.ring.gate_did, output=manifest_id),
    )


def _encode(draft: Draft, marks: Marks, target: Path, *, installation: Installation, progress: Progress) -> _Encoded:
    """The loop over frames; nothing is held but the frame in hand."""
    from thsafe.label import LabelStamp
    from thsafe.media.ahead import ahead
    from thsafe.media.encode import Mp4Writer
    from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
    from thsafe.provenance.attribution import thumbnail_jpeg
    from thsafe.watermark.picture import PictureMarker

    key = next(iter(installation.watermark_keys().values()))
    stamp = LabelStamp(marks.labels, width=draft.width, height=draft.height, fps=draft.fps)
    marker = PictureMarker(key, marks.watermark_id, width=draft.width, height=draft.height, face_box=draft.face_box)
    sound = _Interleaver(draft, key, marks.watermark_id)
    thumbnail = b""
    count = 0
    progress.start("rendering", draft.frame_count)
    with Mp4Writer(
        target,
        width=draft.width,
        height=draft.height,
        fps=draft.fps,
        sample_rate=draft.sample_rate if draft.sound is not None else 0,
        channels=draft.channels,
        metadata=marks.metadata,
    ) as writer:
        for frame in ahead(draft.frames):
            picture = i420_from_bgr(frame)
            planes = split_planes(picture)
            stamp.apply(planes, count)
            marker.apply(planes)
            writer.write_picture(picture)
            if not thumbnail:
                thumbnail = thumbnail_jpeg(bgr_from_i420(picture))
            count += 1
            for block in sound.until(count / draft.fps):
                writer.write_sound(block)
            progress.advance()
        for block in sound.rest():
            writer.write_sound(block)
    if count == 0:
        raise MarkError(
            "The engine yielded no frame, so there is nothing to publish.",
            code="engine.no-frames",
            next_step="give longer text or sound",
        )
    return _Encoded(
        duration=float(count / draft.fps), fingerprint=_fingerprint_of(target, draft.fps), thumbnail=thumbnail
    )


def _fingerprint_of(path: Path, fps: Fraction) -> str:
    """What the encoded picture looks like, one frame a second: held against copies when credentials are recovered."""
    from thsafe.media.decode import VideoReader
    from thsafe.provenance.fingerprint import fingerprint

    with VideoReader(path) as reader:
        return fingerprint(reader.iter_bgr(step=max(1, round(fps))))


class _Interleaver:
    """Hands out marked sound up to a time, so that picture and sound reach the file side by side."""

    def __init__(self, draft: Draft, key: bytes, mark_id: str) -> None:
        from thsafe.watermark.sound import SoundMarker

        self._blocks = draft.sound
        self._rate = draft.sample_rate
        self._sent = 0
        self._marker = SoundMarker(key, mark_id, sample_rate=draft.sample_rate) if draft.sound is not None else None

    def until(self, seconds: Fraction) -> Iterator[SoundBlock]:
        """Blocks whose start lies before that time."""
        if self._blocks is None or self._marker is None:
            return
        while self._sent < seconds * self._rate:
            block = next(self._blocks, None)
            if block is None:
                return
            self._sent += len(block)
            yield self._marker.apply(block)

    def rest(self) -> Iterator[SoundBlock]:
        """What is left when the last frame is written."""
        if self._blocks is None or self._marker is None:
            return
        for block in self._blocks:
            yield self._marker.apply(block)
        tail = self._marker.flush()
        if len(tail):
            yield tail


def _manifest_facts(
    draft: Draft, request: Request, permit: Permit, marks: Marks, encoded: _Encoded, *, installation: Installation
) -> ManifestFacts:
    from thsafe import __version__
    from thsafe.provenance.attribution import source_type_of
    from thsafe.provenance.fingerprint import ALGORITHM as FINGERPRINT_ALGORITHM
    from thsafe.provenance.manifest import ManifestFacts
    from thsafe.watermark import ALGORITHM as WATERMARK_ALGORITHM

    agent = draft.facts["software_agent"]
    intent = installation.ledger.entry(permit.ledger_index)
    return ManifestFacts(
        label=marks.manifest_id,
        title="Disclosed talking head",
        task=request.task,
        media_type="video/mp4",
        digital_source_type=source_type_of(request, draft.facts),
        software_agent={"name": str(agent["name"]), "version": str(agent.get("version", __version__))},
        watermark_id=marks.watermark_id,
        watermark_alg=WATERMARK_ALGORITHM,
        fingerprint=encoded.fingerprint,
        fingerprint_alg=FINGERPRINT_ALGORITHM,
        log_origin=installation.ledger.origin,
        log_index=permit.ledger_index,
        consent_digests=tuple(item["digest"] for item in intent.event["consents"]),
        policy_digest=permit.decision.policy_digest,
        label_texts=tuple(label.text for label in marks.labels),
        model_name=str(draft.facts.get("model_name", "")),
        model_identifier=str(draft.facts.get("model_identifier", "")),
        human_oversight=str(draft.facts.get("human_oversight", "prompt_guided")),
        source_language=draft.facts.get("source_language"),
        target_language=None if request.language == "und" else request.language,
    )


def _read_back(path: Path, marks: Marks, *, installation: Installation) -> dict[str, str]:
    """Find every mark again in the finished file, as a stranger's verifier would; raises MarkError otherwise."""
    from thsafe.label import measure_label
    from thsafe.media.decode import VideoReader
    from thsafe.media.tags import read_tags
    from thsafe.provenance.read import read_credentials
    from thsafe.watermark.reader import read_pictures

    credentials = read_credentials(path, trust=installation.trust())
    if not credentials.state.intact or credentials.active_label != marks.manifest_id:
        raise _lost("manifest", f"{credentials.state}: {', '.join(credentials.reasons) or 'another manifest'}")
    with VideoReader(path) as reader:
        frames = reader.sample_bgr(_READ_BACK_FRAMES)
        duration = reader.info.duration or 0.0
        timed = [frames if label.seconds is None else _within(reader, label, duration) for label in marks.labels]
    reading = read_pictures((frame for _, frame in frames), installation.watermark_keys(), search=False)
    if reading.mark_id != marks.watermark_id:
        raise _lost("watermark", f"{reading.state}, confidence {reading.confidence:.1f}; {reading.reason}")
    found = {"manifest": str(credentials.state), "watermark": f"{reading.confidence:.1f}"}
    for number, (label, seen) in enumerate(zip(marks.labels, timed, strict=True)):
        size = (frames[0][1].shape[1], frames[0][1].shape[0])
        measure = measure_label(seen, label, size)
        if not measure.present:
            raise _lost(f'label "{label.text}"', f"correlation {measure.correlation:.2f}")
        found[f"label.{number}"] = f"{label.text} at {measure.text_height_share:.3f}"
    tags = read_tags(path)
    for name, text in marks.metadata.items():
        if tags.get(name) != text:
            raise _lost(f'metadata "{name}"', tags.get(name, "nothing"))
        found[f"metadata.{name}"] = "as written"
    return found | _sound_read_back(path, marks, installation=installation)


def _sound_read_back(path: Path, marks: Marks, *, installation: Installation) -> dict[str, str]:
    """What a stranger hears of the mark: sound may be too short or too quiet for one, but must not carry another's."""
    from thsafe.media.probe import probe
    from thsafe.watermark.cells import TILE_SECONDS
    from thsafe.watermark.files import read_sound_track

    info = probe(path)
    if info.audio_codec is None:
        return {}
    if (info.duration or 0.0) < TILE_SECONDS:
        return {"sound watermark": "too short for a sound mark"}
    reading = read_sound_track(path, installation.watermark_keys(), search=False)
    if reading.mark_id == marks.watermark_id:
        return {"sound watermark": f"{reading.confidence:.1f}"}
    if reading.mark_id is not None:
        raise _lost("sound-watermark", f"{reading.mark_id}: the sound given already carries another output's mark")
    return {"sound watermark": "silent" if reading.state == "not-evaluated" else "too weak to be read back"}


def _within(reader: VideoReader, label: Label, duration: float) -> list[tuple[float, Frame]]:
    """Frames from the time of a label that is not there all along: two seconds of a long film may miss every sample."""
    seconds = min(label.start + (label.seconds or 0.0), duration) - label.start
    steps = range(_READ_BACK_SHORT)
    return reader.frames_at(label.start + (step + 0.5) * seconds / _READ_BACK_SHORT for step in steps)


def _lost(what: str, found: str) -> MarkError:
    return MarkError(
        f"The {what} was not found again in the finished video, so it was not published.",
        code=f"mark.{what.split(' ', maxsplit=1)[0]}",
        found=found,
        rule="every mark is read back before the file gets its name",
        next_step="use a larger or longer video; if that does not help, please report it with these lines",
        log="nothing was written",
    )


def _make_durable(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _log_interrupted(installation: Installation, job_id: str) -> None:
    """A process died here; if its file did not get its name, the log says so from now on."""
    from thsafe.media.digest import hash_file

    ledger = installation.ledger
    for entry in ledger.find("output", job=job_id):
        record = ledger.outputs.by_sha256(str(entry.event["sha256"]))
        if record is not None and Path(record.path).is_file() and hash_file(Path(record.path)) == record.sha256:
            return  # it died after the rename: the output is complete
    ledger.append({"type": "failed", "job": job_id, "reason": "interrupted"})
