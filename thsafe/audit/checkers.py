"""Whether one file meets one rule.

A checker is found by the rule's id where the rule asks something of its own, else by the word in the rule's
``checker`` field. What could not be measured is undetermined, never a pass and never a failure.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies.rules import Rule
from policies.territories import is_known
from thsafe.audit import marks, record
from thsafe.audit.answers import Checker, Facts
from thsafe.audit.law import unread
from thsafe.audit.model import Judgement, Verdict

_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def judge(rule: Rule, facts: Facts) -> Judgement:
    """One rule on one file; a rule whose text was not read never fails it."""
    answer = checker_of(rule)(rule, facts)
    verdict, reason = answer.verdict, answer.reason
    instead = unread(rule)
    if verdict is Verdict.FAIL and instead is not None:
        verdict, reason = Verdict.UNDETERMINED, f"{reason} The rule's own text was not read ({instead})."
    return Judgement(rule=rule.id, verdict=verdict, reason=reason, evidence=answer.evidence)


def checker_of(rule: Rule) -> Checker:
    """The checker for a rule; KeyError if its ``checker`` word is unknown."""
    return BY_RULE.get(rule.id) or BY_WORD[rule.checker]


BY_WORD: Mapping[str, Checker] = {
    "credentials": marks.credentials,
    "watermark": marks.watermark,
    "marks": marks.marks,
    "label": marks.label,
    "spoken": marks.spoken,
    "container": marks.container,
    "log": record.log,
    "consent": record.consent,
}
"""By the word in a rule's ``checker`` field."""

BY_RULE: Mapping[str, Checker] = {
    "EU-50-2": marks.any_mark,
    "EU-COP-1.1.1a": marks.declared_generated,
    "EU-COP-1.1.1b": marks.from_credentials(
        lambda seen: seen.time_stamped,
        "A time-stamp authority vouches for the time.",
        "The signature has no time stamp of an authority.",
        "time_stamped",
        "signed_at",
    ),
    "EU-COP-1.1.3": marks.any_mark,
    "EU-COP-1.2": marks.ingredients,
    "GDPR-7-3": record.withdrawable,
    "SAG-SUSPEND": record.withdrawable,
    "CN-9": marks.unlabelled,
    "EU-COP-3.4": marks.from_credentials(
        lambda seen: bool(seen.signpost),
        "The manifest names where the marks can be checked.",
        "The manifest names no place where the marks can be checked.",
        "signpost",
    ),
    "CA-3a-A": marks.from_credentials(
        lambda seen: bool(seen.signer), "The provider is named.", "No provider is named.", "signer"
    ),
    "CA-3a-B": marks.from_credentials(
        lambda seen: any(character.isdigit() for character in seen.software),
        "The system and its version are named.",
        "The system is not named with its version.",
        "software",
    ),
    "CA-3a-C": marks.from_credentials(
        lambda seen: bool(seen.signed_at), "Date and time are given.", "Date and time are missing.", "signed_at"
    ),
    "CA-3a-D": marks.from_credentials(
        lambda seen: bool(seen.manifest_id), "A unique identifier is given.", "There is no identifier.", "manifest_id"
    ),
    "CA-3a-E": marks.from_credentials(
        lambda seen: bool({"c2pa.created", "c2pa.opened", "c2pa.edited"} & set(seen.actions)),
        "It says whether it was created or altered.",
        "It does not say whether it was created or altered.",
        "actions",
    ),
    "CA-3a-3": marks.any_mark,
    "IN-3(3)-M": marks.from_credentials(
        lambda seen: bool(seen.manifest_id and seen.software),
        "Metadata with a unique identifier of the generating system.",
        "The identifier or the generating system is missing.",
        "manifest_id",
        "software",
    ),
    "IPTC-DST": marks.from_credentials(
        lambda seen: (
            bool(seen.digital_source_types) and all(kind.startswith(_SOURCE_TYPE) for kind in seen.digital_source_types)
        ),
        "The digital source type is a full IPTC address.",
        "The digital source type is missing or not a full IPTC address.",
        "digital_source_types",
    ),
    "HOUSE-PURPOSE": record.from_log("purpose", bool, "The job names its purpose.", "The job names no purpose."),
    "HOUSE-TERRITORY": record.from_log(
        "territories",
        lambda codes: all(is_known(code) for code in codes),
        "Every place is named by its code.",
        "A place is named by no known code.",
    ),
    "HOUSE-BINDING": record.from_log(
        "request", bool, "The decision is bound to the digests of what was read.", "The decision is bound to nothing."
    ),
    "HOUSE-SELF": record.self_assured,
    "HOUSE-SYNTHETIC": record.synthetic,
    "HOUSE-ELECTION": record.content("election", "meant for an election"),
    "EU-5-NCII": record.content("sexual", "intimate"),
    "UK-138": record.content("sexual", "intimate", of_people=True),
    "US-TIDA": record.content("sexual", "intimate", of_people=True),
    "IN-3(3)-i": record.content("fraud", "meant to deceive"),
    "CA-927": record.from_consent(
        lambda item: item.specific, "The record describes the uses in words.", "The record does not describe the uses."
    ),
    "IL-BIPA": record.from_consent(
        lambda item: item.biometric != "" if item.digest else None,
        "The record says how face and voice measurements are kept.",
        "The record does not say how face and voice measurements are kept.",
    ),
    "CA-3344.1": record.estate,
    "NY-50f": record.estate,
}
"""By rule id, where the rule asks for something of its own."""
