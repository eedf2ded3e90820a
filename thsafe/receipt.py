"""Publishing receipts: the file is measured once more, the platform's own flag is named, and the log keeps both.

What counts is what is in the file now, not what was once written into it: a copy that lost its marks is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import ConsentRefused, LedgerBroken, MarkError
from thsafe.core.types import Json

if TYPE_CHECKING:
    from thsafe.audit.model import Measurement
    from thsafe.installation import Installation
    from thsafe.ledger.entry import Entry
    from thsafe.store.outputs import OutputRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """How a platform is told that something is synthetic."""

    field: str
    """Of the platform's interface; empty where none is documented."""
    value: Json
    rule: str
    """Row of the law table; empty where it has none."""
    how: str


FLAGS: Final[Mapping[str, Flag]] = {
    "youtube": Flag(
        field="status.containsSyntheticMedia",
        value=True,
        rule="PL-YT",
        how="YouTube Data API, videos.insert or videos.update, part status",
    ),
    "tiktok": Flag(
        field="post_info.is_aigc", value=True, rule="PL-TT", how="TikTok Content Posting API, video/init, post_info"
    ),
    "dv360": Flag(
        field="syntheticContentAttestationStatus",
        value="IS_SYNTHETIC",
        rule="PL-GADS",
        how="Display & Video 360 API, creative; it cannot be unset",
    ),
    "meta": Flag(
        field="",
        value=None,
        rule="",
        how="no field is documented: choose the AI label when posting; Meta also reads C2PA and the IPTC source type",
    ),
}


def declare(installation: Installation, path: Path, platform: str) -> dict[str, Json]:
    """Check a finished output, write the ``publish`` entry, and return the receipt.

    Args:
        installation: whose output it is.
        path: the file that is going to be published.
        platform: one of ``FLAGS``.

    Raises:
        MarkError: ``publish.unknown`` for a file that is no output of this log, ``publish.marks`` where a mark is gone.
        ConsentRefused: ``publish.consent`` where a consent behind it is no longer active.
        InputError: the file cannot be read or is not media.
    """
    from thsafe.audit.law import labels_of, load_rules
    from thsafe.measurement import Measurer
    from thsafe.media.digest import hash_file

    flag, digest = FLAGS[platform], hash_file(path)
    ledger = installation.ledger
    record = ledger.outputs.by_sha256(digest)
    seen = Measurer(installation)(path, labels=())
    record = record or (ledger.outputs.by_manifest(seen.manifest_id) if seen.manifest_id else None)
    if record is None:
        raise MarkError(
            f"{path.name} is no output of this installation, or has lost the marks that would show it.",
            code="publish.unknown",
            found=f"SHA-256 {digest[:16]}…, manifest {seen.manifest_id or 'none'}",
            rule="only what the log knows is published with a receipt",
            next_step="publish the file as thsafe wrote it; thsafe verify says what this one is",
        )
    published = ledger.entry(record.ledger_index)
    permitted = next(ledger.find("intent", job=str(published.event.get("job"))), None)
    for entry in (published, permitted):
        if entry is not None:
            _check_form(entry)
    output, intent = published.event, permitted.event if permitted is not None else {}
    duties = set(intent.get("duties", ()))
    labels = labels_of(rule for rule in load_rules() if rule.id in duties)
    seen = Measurer(installation)(path, labels=labels)
    marks = _measured(seen, record)
    _check_consents(installation, intent)
    at = to_text(system_clock())
    entry = ledger.append(
        {
            "type": "publish",
            "job": output.get("job"),
            "output": record.ledger_index,
            "sha256": digest,
            "manifest_id": record.manifest_id,
            "platform": platform,
            "flag": {"field": flag.field, "value": flag.value},
            "marks": marks,
        }
    )
    # Publishing seals the log: the newest checkpoint covers this entry.
    checkpoint = ledger.checkpoint()
    return {
        "schema": "thsafe.receipt/1",
        "at": at,
        "platform": platform,
        "flag": {"field": flag.field, "value": flag.value, "rule": flag.rule, "how": flag.how},
        "file": {"name": path.name, "sha256": digest, "media_type": record.media_type},
        "manifest_id": record.manifest_id,
        "watermark_id": record.watermark_id,
        "digital_source_types": list(seen.digital_source_types),
        "marks": marks,
        "log": {
            "origin": ledger.origin,
            "index": entry.index,
            "leaf": entry.leaf.decode(),
            "proof": ledger.prove(entry.index, checkpoint.size).as_dict(),
            "checkpoint": checkpoint.note,
            "key": str(ledger.verifier),
        },
    }


def _check_form(entry: Entry) -> None:
    from thsafe.audit.forms import odd

    if place := odd(entry.event):
        raise LedgerBroken(
            f"Entry {entry.index} of the log has a form that thsafe does not write.",
            code="log.form",
            found=place,
            rule="only what a logged decision permits is published with a receipt",
            next_step="run: thsafe audit run; ask who else can write to the log",
            log="nothing was written",
        )


def _measured(seen: Measurement, record: OutputRecord) -> dict[str, str]:
    """What was found of each mark; raises MarkError naming all that are gone."""
    labels = {item.label.text: item.present for item in seen.labels or ()}
    lost = []
    if seen.credentials_intact is not True or seen.manifest_id != record.manifest_id:
        lost.append(f"signed manifest ({seen.credentials_state})")
    if seen.watermark_id != record.watermark_id:
        lost.append(f"watermark ({seen.watermark_state})")
    lost += [f'label "{text}"' for text, present in labels.items() if not present]
    if lost or (not labels and seen.media != "A"):
        raise MarkError(
            "The file has lost marks, so it gets no receipt and should not be published.",
            code="publish.marks",
            found=", ".join(lost) or "no visible label was looked for: its decision is not in the log",
            rule="what is published carries label, watermark and signed manifest",
            next_step="publish the file as thsafe wrote it, without converting or editing it",
            log="nothing was written",
        )
    return {
        "manifest": seen.credentials_state,
        "watermark": seen.watermark_id or "",
        **{f"label.{number}": text for number, text in enumerate(labels)},
    }


def _check_consents(installation: Installation, intent: Mapping[str, Json]) -> None:
    from thsafe.measurement import Standings

    standing, now = Standings(installation), system_clock()
    ids = dict.fromkeys(str(item["id"]) for item in intent.get("consents", ()))
    stopped = {name: state for name in ids if (state := standing(name, now).state) != "active"}
    if stopped:
        raise ConsentRefused(
            "A consent behind this file is no longer active, so it gets no receipt.",
            code="publish.consent",
            found=", ".join(f"{name}: {state}" for name, state in stopped.items()),
            rule="publishing is a use of the consent",
            next_step="ask for a new consent and make the video again, or leave it unpublished",
            log="nothing was written",
        )
