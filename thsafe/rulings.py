"""What approvers and auditors do with policies: sign them, and ask again what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from policies.approval import FILE, approve
from policies.bundle import PACKAGE_FOLDER, PolicyBundle, read_added, read_files
from policies.engine import decide
from policies.logged import from_log
from thsafe.consent.files import write_json
from thsafe.core.errors import UsageError
from thsafe.core.types import Json
from thsafe.home import Home
from thsafe.installation import Installation


def approve_policies(home: Home, folder: Path | None = None) -> dict[str, Json]:
    """Sign a folder of policies with this installation's gate key, and write its ``bundle.json``; the log knows.

    Args:
        home: the installation.
        folder: whole bundles and added policies alike; the home's own if None.

    Raises:
        UsageError: ``policy.nothing``: there is nothing to approve.
        PolicyRefused: the policies are unsound.
    """
    place = folder or home.policies
    whole = (place / "schema.cedarschema").is_file()
    files = read_files(place) if whole else read_added(place)
    if not files or place.resolve() == PACKAGE_FOLDER:
        raise UsageError(
            "There are no added policies to approve.",
            code="policy.nothing",
            found=str(place),
            next_step="write forbids into *.cedar files there, then: thsafe policy lint",
        )
    installation = Installation.open(home)
    document = approve(place, files, installation.ring.gate_key())
    before = (place / FILE).read_bytes() if (place / FILE).is_file() else None
    write_json(place / FILE, document)
    try:
        bundle = PolicyBundle.load(place) if whole else PolicyBundle.load(added=place)
    except BaseException:
        if before is None:
            (place / FILE).unlink()
        else:
            (place / FILE).write_bytes(before)
        raise
    installation.ledger.append(
        {
            "type": "policy.approved",
            "policy": bundle.digest,
            "version": document["version"],
            "approvers": [item["approver"] for item in document["signatures"]],
        }
    )
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDecision:
    """What the log holds of one decision, and what comes of asking again."""

    index: int
    at: str
    allowed: bool
    rules: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]
    again: str


def decisions_on(home: Home, bundle: PolicyBundle, job: str) -> tuple[LoggedDecision, ...]:
    """The decisions on a job, by its id or its request's digest, each asked again of the policies as they are now.

    Args:
        home: the installation.
        bundle: the policies to ask again.
        job: a job's id, as the log shows it.
    """
    installation = Installation.open_or_none(home)
    if installation is None:
        return ()
    entries = [entry for entry in installation.ledger.find(job=job) if entry.event["type"] in {"intent", "refusal"}]
    return tuple(
        LoggedDecision(
            index=entry.index,
            at=entry.at,
            allowed=entry.event["type"] == "intent",
            rules=tuple(entry.event["rules"]),
            rows=_rows(entry.event),
            again=_again(bundle, entry.event),
        )
        for entry in entries
    )


def _rows(event: Mapping[str, Json]) -> tuple[tuple[str, str], ...]:
    declared = [name for name, value in event["declared"].items() if value and name != "explicit"]
    rows = (
        ("asked", f"{event['task']} with {event['engine']}, for {event['purpose']}"),
        ("shown in", ", ".join(event["territories"])),
        ("declared", ", ".join(declared) or ("nothing" if event["declared"]["explicit"] else "nothing (unsaid)")),
        ("consents", ", ".join(item["id"] for item in event["consents"])),
        ("duties", ", ".join(event.get("duties", ()))),
        ("policies", event["policy"]),
    )
    return tuple((heading, str(text)) for heading, text in rows if text)


def _again(bundle: PolicyBundle, event: Mapping[str, Json]) -> str:
    try:
        answer = decide(bundle, from_log(event))
    except ValueError as problem:
        return f"not possible: {problem}"
    allowed = event["type"] == "intent"
    policies = "the same policies" if bundle.digest == event["policy"] else "other policies"
    outcome = "allowed" if answer.allowed else "refused by " + ", ".join(answer.rule_ids)
    return f"{outcome}, by {policies}" + ("" if answer.allowed == allowed else "; the log says otherwise")
