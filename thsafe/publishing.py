"""The one loop that turns a draft into a file: label, watermark, encode, sign, read back, log, rename.

The order is forced. A remux after signing loses the manifest and a tag edited after signing breaks the hash (C2PA 2.4
§18.7, BMFF hash), so everything that changes bytes comes first; the log entry is durable before the file has its name,
so no file exists that the log does not know.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.clock import system_clock, to_text
from thsafe.core.types import Draft, Output, Progress, Request, Task
from thsafe.marking import Encoded, Marks, choose_marks, encode
from thsafe.readback import read_back

if TYPE_CHECKING:
    from thsafe.destination import Destination
    from thsafe.gate import Permit
    from thsafe.installation import Installation
    from thsafe.keys.choice import TimeStampPolicy
    from thsafe.provenance.manifest import ManifestFacts
    from thsafe.store.outputs import OutputRecord

_TITLES = {Task.LABEL: "Media labelled after it was made"}


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
    from thsafe.keys.choice import SigningChoice
    from thsafe.media.digest import hash_file
    from thsafe.provenance.attribution import ingredients_of
    from thsafe.provenance.essence import essence_of
    from thsafe.provenance.prints import Prints
    from thsafe.provenance.sign import sign
    from thsafe.store.outputs import OutputRecord
    from thsafe.unfinished import Unfinished

    permit.check(request)
    chosen = choose_marks(permit.obligations, destination.media_type, installation)
    choice = SigningChoice.of_home(installation.home)
    stamp: TimeStampPolicy = choice.time_stamp(permit.obligations.rule_ids) if choice else "required"
    ledger = installation.ledger
    destination.clear_interrupted(lambda job: _log_interrupted(installation, job))
    with (
        destination.workshop(request.job_id) as workshop,
        Unfinished.of(request, draft, chosen, installation=installation) as kept,
    ):
        media_type, ending = destination.media_type, destination.path.suffix.lower()
        encoded_file, signed_file = workshop / f"encoded{ending}", workshop / f"signed{ending}"
        marks = kept.continued(chosen)
        encoded = encode(
            draft, marks, encoded_file, media_type, kept=kept, installation=installation, progress=progress
        )
        progress.start("signing", None)
        facts = _manifest_facts(draft, request, permit, marks, encoded, media_type, installation=installation)
        signed = sign(
            encoded_file,
            signed_file,
            facts=facts,
            ingredients=ingredients_of(request, draft.facts),
            thumbnail_jpeg=encoded.thumbnail,
            ring=installation.ring,
            timestamp=stamp,
            tsa_url=(choice.tsa_url or None) if choice else None,
            signer=choice.open() if choice else None,
        )
        progress.start("reading back", None)
        # whatever comes of it: pictures whose marks cannot be read are of no use, and no two outputs share a mark
        kept.clear()
        found = read_back(signed_file, marks, installation=installation)
        verify_inputs(request)
        _make_durable(signed_file)
        digest = hash_file(signed_file)
        record = OutputRecord(
            manifest_id=marks.manifest_id,
            watermark_id=marks.watermark_id,
            sha256=digest,
            essence_hash=None if media_type.startswith("image/") else essence_of(signed_file).digest,
            fingerprint=Prints(picture=encoded.fingerprint, sound=encoded.soundprint).text,
            manifest=signed.manifest_bytes,
            media_type=media_type,
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
                "media_type": media_type,
                "engine": request.engine,
                "marks": found,
                "signer": "own" if choice else "development",
                "time_stamp": {"policy": stamp, "stamped": signed.time_stamped},
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


def _manifest_facts(
    draft: Draft,
    request: Request,
    permit: Permit,
    marks: Marks,
    encoded: Encoded,
    media_type: str,
    *,
    installation: Installation,
) -> ManifestFacts:
    from thsafe.core.version import __version__
    from thsafe.provenance.attribution import source_type_of
    from thsafe.provenance.fingerprint import ALGORITHM as FINGERPRINT_ALGORITHM
    from thsafe.provenance.manifest import ManifestFacts
    from thsafe.provenance.references import signpost_of_home
    from thsafe.provenance.soundprint import ALGORITHM as SOUNDPRINT_ALGORITHM
    from thsafe.watermark import ALGORITHM as WATERMARK_ALGORITHM

    agent = draft.facts["software_agent"]
    intent = installation.ledger.entry(permit.ledger_index)
    return ManifestFacts(
        label=marks.manifest_id,
        title=_TITLES.get(request.task, "Disclosed talking head"),
        task=request.task,
        media_type=media_type,
        digital_source_type=source_type_of(request, draft.facts),
        software_agent={"name": str(agent["name"]), "version": str(agent.get("version", __version__))},
        watermark_id=marks.watermark_id,
        watermark_alg=WATERMARK_ALGORITHM,
        fingerprint=encoded.fingerprint,
        fingerprint_alg=FINGERPRINT_ALGORITHM,
        soundprint=encoded.soundprint,
        soundprint_alg=SOUNDPRINT_ALGORITHM,
        log_origin=installation.ledger.origin,
        log_index=permit.ledger_index,
        log_digest=sha256(intent.leaf).hexdigest(),
        log_size=len(intent.leaf),
        detector_url=signpost_of_home(installation.home),
        consent_digests=tuple(item["digest"] for item in intent.event["consents"]),
        policy_digest=permit.decision.policy_digest,
        label_texts=tuple(label.text for label in marks.labels) if not media_type.startswith("audio/") else (),
        model_name=str(draft.facts.get("model_name", "")),
        model_identifier=str(draft.facts.get("model_identifier", "")),
        human_oversight=str(draft.facts.get("human_oversight", "prompt_guided")),
        source_language=draft.facts.get("source_language"),
        target_language=None if request.language == "und" else request.language,
    )


def _make_durable(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def complete_interrupted(installation: Installation, job_id: str) -> OutputRecord | None:
    """The output of a job whose process died after it was logged; given its name now, if it died just before that."""
    from thsafe.destination import Destination
    from thsafe.media.digest import hash_file

    ledger = installation.ledger
    for entry in ledger.find("output", job=job_id):
        record = ledger.outputs.by_sha256(str(entry.event["sha256"]))
        if record is None:
            continue
        place = Path(record.path)
        if place.is_file() and hash_file(place) == record.sha256:
            return record
        # Signed, read back, durable and in the log: all that is missing is its name.
        finished = Destination.workshop_of(place, job_id) / f"signed{place.suffix.lower()}"
        if not place.exists() and finished.is_file() and hash_file(finished) == record.sha256:
            Destination(place, force=False).place(finished)
            return record
    return None


def _log_interrupted(installation: Installation, job_id: str) -> None:
    """A process died here; if its file did not get its name, the log says so from now on."""
    if complete_interrupted(installation, job_id) is None:
        installation.ledger.append({"type": "failed", "job": job_id, "reason": "interrupted"})
