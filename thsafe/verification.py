"""The straight path of verification: probe, cheap checks, recovery, report.

Each check is named and none hides another: one that crashes is evidence "not evaluated", never a pass. Credentials and
watermark decide; nothing is averaged into one score.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import StoreError, ThsafeError
from thsafe.core.state import STOPPED
from thsafe.core.types import Evidence, Json, MediaKind, Progress, Report, Silent, Status, Verdict
from thsafe.examination import Examination, not_evaluated
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.recovery import check_recovery
from thsafe.soundmark import check_sound_mark
from thsafe.verdict import conclude
from thsafe.watermark.describe import PUBLIC_MARK, presence_evidence

if TYPE_CHECKING:
    from thsafe.media.probe import MediaInfo

Check = Callable[[Examination], Evidence]
_LOG_REFERENCE = "log-entry"
PROVENANCE = frozenset({"log", "credentials", _LOG_REFERENCE, "container"})
"""The checks that decode neither picture nor sound: milliseconds a file."""


def verify(
    path: str | Path,
    *,
    home: Home | None = None,
    progress: Progress | None = None,
    record: bool = True,
    detectors: bool | None = None,
    at: datetime | None = None,
) -> Report:
    """Examine any picture, video or sound file and say what can be said about it.

    Args:
        path: the file; its name is never trusted.
        home: keys, log and store to read marks with; the default is the user's own, if it exists.
        progress: told which check runs.
        record: add a line to the audit log, where there is one.
        detectors: None lets the detector that comes with thsafe look where nothing else settles where the file comes
            from; True lets it and all installed ones look; False none. Their scores decide nothing.
        at: judge certificates and time stamps as of this moment instead of now.

    Raises:
        InputError: the file is missing, unreadable, not media or over a limit.
    """
    return examine(path, home=home, progress=progress, record=record, detectors=detectors, at=at)[1]


def examine(
    path: str | Path,
    *,
    home: Home | None = None,
    progress: Progress | None = None,
    record: bool = True,
    detectors: bool | None = None,
    at: datetime | None = None,
    installation: Installation | None = None,
    found: Callable[[Evidence], None] | None = None,
    only: Collection[str] | None = None,
) -> tuple[Examination, Report]:
    """The same, with what the checks saw: frames and manifest for whoever draws the report.

    Args:
        path: the file.
        home: as above.
        progress: as above.
        record: as above.
        detectors: as above.
        at: as above.
        installation: the home's, opened already.
        found: told each finding as soon as it is there.
        only: names of ``check_names``, such as ``PROVENANCE``: the others are not evaluated, and the report says so;
            None for all.
    """
    from thsafe.beside import CHECK as ORIGINALS
    from thsafe.beside import check_originals, has_originals
    from thsafe.forensics import LIPS, OWN, check_lip_sync, check_own, published_checks, voice_checks
    from thsafe.media.digest import hash_file
    from thsafe.media.probe import probe
    from thsafe.provenance.crosscheck import CHECK as CROSSCHECK
    from thsafe.provenance.crosscheck import is_installed
    from thsafe.provenance.isolated import warm_up
    from thsafe.traces.check import CHECK as TRACES
    from thsafe.traces.check import check_traces

    telling = progress or Silent()
    checks = dict(_CHECKS)
    warm_up()
    source = Path(path)
    info = probe(source)
    place = home or Home.default()
    installation = installation or Installation.open_or_none(place)
    examination = Examination(
        path=source, info=info, sha256=hash_file(source), home=place, installation=installation, at=at
    )
    evidence: list[Evidence] = []
    if is_installed():
        checks[CROSSCHECK] = _check_second_reader
    if (only is None or ORIGINALS in only) and has_originals(place):
        checks[ORIGINALS] = check_originals

    def run(checks: Mapping[str, Check]) -> None:
        for name, check in checks.items():
            telling.start(name, None)
            asked = only is None or name in only or name.startswith("detector.")
            evidence.append(_run(name, check if asked else _not_asked(name), examination))
            if found is not None:
                found(evidence[-1])

    def run_all(name: str, checks: Callable[[Examination], list[Evidence]]) -> None:
        telling.start(name, None)
        started = time.perf_counter()
        try:
            results = checks(examination)
        except Exception as problem:  # noqa: BLE001 - as in _run
            results = [not_evaluated(name, f"The check stopped: {type(problem).__name__}: {problem}")]
        for item in results:
            evidence.append(replace(item, seconds=round(time.perf_counter() - started, 3)))
            if found is not None:
                found(evidence[-1])

    run(checks)
    # slow, and networks slow to load: asked only where nothing else has an answer
    if detectors or (detectors is None and conclude(evidence)[0] is Verdict.INCONCLUSIVE):
        run({TRACES: check_traces, LIPS: check_lip_sync, OWN: check_own})
    if detectors:
        run(published_checks(place))
        run_all("voice", voice_checks)
    verdict, sentence = conclude(evidence)
    report = Report(
        file=source.name,
        sha256=examination.sha256,
        kind=str(info.kind),
        verdict=verdict,
        sentence=sentence,
        evidence=tuple(evidence),
        limits=_limits(evidence, examination, asked=bool(detectors)),
        at=to_text(system_clock()),
        tool=tool_versions(),
        media=_media_facts(info),
    )
    if record and installation is not None:
        report = _recorded(report, installation)
    return examination, report


def _recorded(report: Report, installation: Installation) -> Report:
    """Logged, or with the remark that it is not: an auditor's read-only copy must not cost the report."""
    try:
        installation.ledger.append({"type": "verify", "sha256": report.sha256, "verdict": str(report.verdict)})
    except StoreError as problem:
        if problem.code != "store.read-only":
            raise
        remark = "This check is not in the log: its database can be read here, but not written."
        return replace(report, limits=(*report.limits, remark))
    return report


def check_names() -> tuple[str, ...]:
    """The checks that run on every file, in their order."""
    from thsafe.provenance.crosscheck import CHECK as CROSSCHECK
    from thsafe.provenance.crosscheck import is_installed

    return (*_CHECKS, CROSSCHECK) if is_installed() else tuple(_CHECKS)


def verify_many(paths: Iterable[str | Path], *, home: Home | None = None) -> Iterable[Report | ThsafeError]:
    """Verify one file after another; a file that cannot be read yields its error and stops nothing."""
    for path in paths:
        try:
            yield verify(path, home=home)
        except ThsafeError as problem:
            yield problem


def _not_asked(name: str) -> Check:
    return lambda _examination: not_evaluated(name, "This check was not asked for.", code="NOT-ASKED")


def _run(name: str, check: Check, examination: Examination) -> Evidence:
    started = time.perf_counter()
    try:
        found = check(examination)
    except ThsafeError as problem:
        found = not_evaluated(name, f"{problem.message} ({problem.code})", code=STOPPED)
    except Exception as problem:  # noqa: BLE001 - a check that crashes on hostile input must not hide the others
        found = not_evaluated(name, f"The check stopped: {type(problem).__name__}: {problem}", code=STOPPED)
    return replace(found, seconds=round(time.perf_counter() - started, 3))


def _check_log(examination: Examination) -> Evidence:
    """Exact hash against the outputs this installation has logged."""
    if examination.installation is None:
        return not_evaluated("log", "No thsafe log on this machine to look in.")

    record = examination.installation.ledger.outputs.by_sha256(examination.sha256)
    if record is None:
        return Evidence(check="log", status=Status.ABSENT, summary="No output with these exact bytes is in the log.")
    examination.record = record
    return Evidence(
        check="log",
        status=Status.FOUND,
        summary=f"These exact bytes were published here on {record.created_at[:10]} (log entry {record.ledger_index}).",
        code="IDENTICAL",
        detail={"index": record.ledger_index, "manifest_id": record.manifest_id, "engine": record.engine},
    )


def _check_credentials(examination: Examination) -> Evidence:
    """The manifest in the file, judged by our own ladder."""
    from thsafe.findings import credentials_evidence
    from thsafe.provenance.isolated import read_credentials_isolated
    from thsafe.provenance.trust import Trust

    trust = Trust.of_home(examination.home)
    examination.credentials = read_credentials_isolated(
        examination.path, trust=trust, media_type=examination.info.media_type, at=examination.at
    )
    return credentials_evidence(examination.credentials)


def _check_log_reference(examination: Examination) -> Evidence:
    """The log entry that intact credentials name, held against this installation's log."""
    from hashlib import sha256

    from thsafe.provenance.references import log_reference_of

    credentials, installation = examination.credentials, examination.installation
    named = log_reference_of(credentials) if credentials is not None and credentials.state.intact else None
    if named is None:
        return not_evaluated(_LOG_REFERENCE, "No intact credentials that name an entry of a log.", code="NOT-NEEDED")
    if installation is None or installation.ledger.origin != named.origin:
        words = f"The credentials name entry {named.index} of another log, {named.origin}; ask whoever keeps it."
        return not_evaluated(_LOG_REFERENCE, words, code="NOT-NEEDED")
    detail: dict[str, Json] = {"index": named.index, "sha256": named.leaf_sha256}
    ledger = installation.ledger
    if named.index < ledger.size and sha256(ledger.entry(named.index).leaf).hexdigest() == named.leaf_sha256:
        words = f"The credentials name entry {named.index} of this log by its hash, and it is that entry."
        return Evidence(check=_LOG_REFERENCE, status=Status.FOUND, summary=words, code="AGREES", detail=detail)
    words = f"The credentials name entry {named.index} of this log, and the log holds no such entry."
    return Evidence(check=_LOG_REFERENCE, status=Status.CONFLICT, summary=words, code="ANOTHER-ENTRY", detail=detail)


def _check_watermark(examination: Examination) -> Evidence:
    """The invisible mark in the picture, or in the sound of a sound file."""
    from thsafe.watermark.describe import watermark_evidence

    if examination.installation is None:
        return not_evaluated("watermark", "No watermark keys on this machine; marks can only be read with their key.")
    keys = examination.installation.watermark_keys()
    if examination.info.kind is MediaKind.AUDIO:
        from thsafe.watermark.files import read_sound_track

        examination.reading = read_sound_track(examination.path, keys)
    else:
        from thsafe.watermark.files import completed
        from thsafe.watermark.reader import read_pictures

        frames = examination.sampled()
        reading = read_pictures((frame for _, frame in frames), keys)
        examination.reading = completed(reading, examination.path, frames, keys)
    return watermark_evidence(examination.reading)


def _check_public_mark(examination: Examination) -> Evidence:
    """The public presence mark, where no private one has told more; it needs no key."""
    from thsafe.watermark.presence import read_presence

    if examination.info.kind is MediaKind.AUDIO:
        return not_evaluated(PUBLIC_MARK, "Not needed: sound carries no public mark.", code="NOT-NEEDED")
    if examination.reading is not None and examination.reading.state in {"id", "present"}:
        return not_evaluated(PUBLIC_MARK, "Not needed: the watermark of this installation is there.", code="NOT-NEEDED")
    return presence_evidence(read_presence(frame for _, frame in examination.sampled()))


def _check_container(examination: Examination) -> Evidence:
    """What the container itself says, and how it was put together: context without a score."""
    from thsafe.media.packaging import read_packaging

    info = examination.info
    facts = {
        "container": info.container,
        "video codec": info.video_codec,
        "audio codec": info.audio_codec,
        "encoder tag": info.encoder_tag,
        "bytes": info.size_bytes,
    }
    known = {name: value for name, value in facts.items() if value}
    words = ", ".join(str(value) for name, value in known.items() if name != "bytes")
    detail = {**known, **read_packaging(examination.path).facts()}
    return Evidence(check="container", status=Status.FOUND, summary=f"Container and codecs: {words}.", detail=detail)


def _check_second_reader(examination: Examination) -> Evidence:
    """The optional second reader, beside ours; it decides nothing."""
    from thsafe.provenance.crosscheck import CHECK as CROSSCHECK
    from thsafe.provenance.crosscheck import crosscheck_evidence

    credentials = examination.credentials
    if credentials is None or credentials.active_label is None:
        return not_evaluated(CROSSCHECK, "There are no credentials for a second reader to judge.", code="NOT-NEEDED")
    return crosscheck_evidence(examination.path, examination.info.media_type, ours=credentials.state.intact)


_CHECKS: dict[str, Check] = {
    "log": _check_log,
    "credentials": _check_credentials,
    _LOG_REFERENCE: _check_log_reference,
    "watermark": _check_watermark,
    PUBLIC_MARK: _check_public_mark,
    "sound-watermark": check_sound_mark,
    "recovery": check_recovery,
    "container": _check_container,
}


def _limits(evidence: list[Evidence], examination: Examination, *, asked: bool) -> tuple[str, ...]:
    """What this report cannot tell; always said."""
    from thsafe.forensics import OWN as OWN_DETECTOR

    limits = [
        "Credentials and watermarks say where a file comes from, not whether what it shows is true.",
        "A file without credentials and watermark may be anything: most files have neither.",
    ]
    looked = [item.check for item in evidence if item.check.startswith("detector.")]
    if any(item.check == "originals" and item.status in {Status.FOUND, Status.CONFLICT} for item in evidence):
        limits.append("Originals kept here are taken to be what they are said to be.")
    elif looked:
        limits.append("Detector scores are experimental: such networks are near chance on modern talking heads.")
    else:
        limits.append("No picture or sound forensics ran; this report rests on provenance alone.")
    if looked == [OWN_DETECTOR] and asked:
        limits.append("No published detector is installed (thsafe models pull mesoinception-f2f).")
    if examination.installation is None:
        limits.append("Watermarks and the log were not consulted: this machine has no thsafe keys.")
    else:
        limits.append("Watermark ids can be read only with their key; those of other installations are not seen here.")
    if any(item.check == PUBLIC_MARK and item.status is Status.FOUND for item in evidence):
        limits.append("The public mark has a published key: anyone can write it into a real recording or take it out.")
    limits += _stale_lists(examination.home)
    if examination.at is not None:
        limits.append(
            f"Certificates and time stamps were judged as of {to_text(examination.at)} by today's lists; a second "
            "reader and the raw manifest report go by today's clock."
        )
    skipped = [item.check for item in evidence if item.status is Status.NOT_EVALUATED and item.code != "NOT-NEEDED"]
    if skipped:
        limits.append("Not evaluated: " + ", ".join(skipped) + ".")
    return tuple(limits)


def _stale_lists(home: Home) -> list[str]:
    from thsafe.provenance.trustlists import stale_words

    try:
        return list(stale_words(home, system_clock()))
    except ThsafeError:
        return []  # damaged lists: the credentials' own finding says so


@cache
def tool_versions() -> Mapping[str, str]:
    """Which programs make a report; every report names them."""
    from importlib import metadata

    from thsafe.core.version import __version__

    return {"thsafe": __version__, "c2pa": metadata.version("c2pa-python")}


def _media_facts(info: MediaInfo) -> dict[str, str | int | float | None]:
    return {
        "media_type": info.media_type,
        "width": info.width,
        "height": info.height,
        "fps": float(info.fps) if info.fps else None,
        "duration": info.duration,
    }
