"""Whether one file meets one rule: pure functions from facts to a judgement.

A checker is found by the rule's id where the rule asks something of its own, else by the word in the rule's
``checker`` field. What could not be measured is undetermined, never a pass and never a failure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.rules import Rule
from policies.territories import is_known
from thsafe.audit.law import unread
from thsafe.audit.model import FileState, Judgement, LabelSeen, Measurement, Standing, Verdict
from thsafe.core.types import Json
from thsafe.store.outputs import OutputRecord

LEGIBLE = 3.0
"""Contrast of large text below which it is not legible (WCAG 2.2 §1.4.3)."""

_GENERATED = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "compositeSynthetic",
)
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_AIGC_KEYS = frozenset(
    {"Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known of one output."""

    record: OutputRecord
    state: FileState
    measurement: Measurement | None
    intent: Mapping[str, Json]
    """The logged decision; empty if there is none."""
    intent_index: int | None
    output_index: int
    consents: tuple[Standing, ...]
    log_intact: bool

    @property
    def media(self) -> str:
        """``I``, ``A`` or ``V``: as measured, else as published."""
        if self.measurement is not None:
            return self.measurement.media
        return {"image": "I", "audio": "A"}.get(self.record.media_type.partition("/")[0], "V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A checker's own words, before the rules about rules are applied."""

    verdict: Verdict
    reason: str
    evidence: Mapping[str, Json]


Checker = Callable[[Rule, Facts], Answer]


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


def _pass(reason: str, **evidence: Json) -> Answer:
    return Answer(verdict=Verdict.PASS, reason=reason, evidence=evidence)


def _fail(reason: str, **evidence: Json) -> Answer:
    return Answer(verdict=Verdict.FAIL, reason=reason, evidence=evidence)


def _open(reason: str, **evidence: Json) -> Answer:
    return Answer(verdict=Verdict.UNDETERMINED, reason=reason, evidence=evidence)


def _not(reason: str) -> Answer:
    return Answer(verdict=Verdict.NOT_APPLICABLE, reason=reason, evidence={})


def _decide(holds: bool, good: str, bad: str, **evidence: Json) -> Answer:
    return _pass(good, **evidence) if holds else _fail(bad, **evidence)


# ---- credentials


def credentials(_rule: Rule, facts: Facts) -> Answer:
    """The manifest is there, signed, and fits the bytes."""
    seen = facts.measurement
    if seen is None or seen.credentials_intact is None:
        return _unmeasured(facts, "credentials")
    return _decide(
        seen.credentials_intact,
        "Signed credentials are there and fit the file.",
        f"The credentials are {seen.credentials_state}.",
        state=seen.credentials_state,
        manifest=seen.manifest_id,
        signer=seen.signer,
    )


def _from_credentials(holds: Callable[[Measurement], bool], good: str, bad: str, *shown: str) -> Checker:
    """A checker for one item of intact credentials; ``shown`` names the fields that are its evidence."""

    def check(rule: Rule, facts: Facts) -> Answer:
        first = credentials(rule, facts)
        seen = facts.measurement
        if first.verdict is not Verdict.PASS or seen is None:
            return first
        evidence = {name: getattr(seen, name) for name in shown}
        return _decide(holds(seen), good, bad, **evidence)

    return check


def _ingredients(rule: Rule, facts: Facts) -> Answer:
    if not facts.intent:
        return _open("No decision is logged for this output, so its inputs are not known.")
    inputs = [item for item in facts.intent.get("inputs", ()) if item.get("performer") != "synthetic"]
    files = [item for item in inputs if item.get("kind") != "text"]
    if not files:
        return _not("It was made from no media file whose marks could have been lost.")
    first = credentials(rule, facts)
    seen = facts.measurement
    if first.verdict is not Verdict.PASS or seen is None:
        return first
    return _decide(
        seen.ingredients >= len(files),
        "Every input file is an ingredient of the manifest, with the marks it had.",
        "The manifest names fewer ingredients than there were input files.",
        ingredients=seen.ingredients,
        inputs=len(files),
    )


# ---- watermark and both


def watermark(_rule: Rule, facts: Facts) -> Answer:
    """The invisible mark is read and is the one that the log knows."""
    seen = facts.measurement
    if seen is None or seen.watermark_state == "not-evaluated":
        return _unmeasured(facts, "watermark")
    evidence: dict[str, Json] = {"state": seen.watermark_state, "id": seen.watermark_id}
    if seen.watermark_state == "present":
        return _open("A watermark is there, but its number cannot be read.", **evidence)
    return _decide(
        seen.watermark_id == facts.record.watermark_id,
        "The watermark is read and leads to this log entry.",
        "There is no watermark to be read." if seen.watermark_id is None else "The watermark is another output's.",
        **evidence,
    )


def marks(rule: Rule, facts: Facts) -> Answer:
    """Both layers: signed credentials and the watermark."""
    parts = {"credentials": credentials(rule, facts), "watermark": watermark(rule, facts)}
    evidence: dict[str, Json] = {name: {"verdict": str(part.verdict), **part.evidence} for name, part in parts.items()}
    for verdict in (Verdict.FAIL, Verdict.UNDETERMINED):
        reasons = [part.reason for part in parts.values() if part.verdict is verdict]
        if reasons:
            return Answer(verdict=verdict, reason=" ".join(dict.fromkeys(reasons)), evidence=evidence)
    return _pass("Signed credentials and the watermark are both there and belong together.", **evidence)


def any_mark(rule: Rule, facts: Facts) -> Answer:
    """At least one machine-readable mark that our own tool finds."""
    parts = [credentials(rule, facts), watermark(rule, facts)]
    found = [part for part in parts if part.verdict is Verdict.PASS]
    if found:
        return _pass("Machine-readable marks are found by our own reader.", marks=len(found))
    return next((part for part in parts if part.verdict is Verdict.UNDETERMINED), parts[0])


# ---- visible and audible notices


def label(rule: Rule, facts: Facts) -> Answer:
    """The visible label is there for its whole time, legible and as large as the rule wants."""
    if facts.media == "A":
        return _not("Sound alone has no picture to label.")
    seen = facts.measurement
    if seen is None or seen.labels is None:
        return _unmeasured(facts, "label")
    wanted = _label_for(rule, seen)
    if wanted is None:
        return _open("The label that this rule asks for was not looked for.")
    minimum = rule.label.height if rule.label is not None else 0.0
    evidence: dict[str, Json] = {
        "text": wanted.label.text,
        "height": round(wanted.height, 4),
        "contrast": round(wanted.contrast, 1),
        "first_seen": wanted.first_seen,
        "last_seen": wanted.last_seen,
    }
    if not wanted.present:
        return _fail(f'The label "{wanted.label.text}" is not there for its whole time.', **evidence)
    if wanted.contrast < LEGIBLE:
        return _fail(f"The label's contrast is {wanted.contrast:.1f}; below {LEGIBLE:g} it is not legible.", **evidence)
    # A tenth is what pixels and scaling leave open at the smallest sizes.
    if wanted.height < minimum * 0.9:
        return _fail(f"The letters are {wanted.height:.1%} of the shorter side; {minimum:.0%} are asked.", **evidence)
    return _pass(f'The label "{wanted.label.text}" is there, legible, for its whole time.', **evidence)


def _label_for(rule: Rule, seen: Measurement) -> LabelSeen | None:
    labels = seen.labels or ()
    if rule.label is None:
        return next((item for item in labels if "AI" in item.label.text), labels[0] if labels else None)
    exact = [
        item for item in labels if (item.label.text, item.label.position) == (rule.label.text, rule.label.position)
    ]
    return exact[0] if exact else None


def spoken(rule: Rule, facts: Facts) -> Answer:
    """The spoken notice of a sound file; needs ears."""
    if facts.media != "A":
        return _not("It has a picture, which carries the label.")
    return _open("Speech is not recognised here: listen for the notice at the start.", wanted=rule.spoken)


# ---- container


def container(_rule: Rule, facts: Facts) -> Answer:
    """China's AIGC key with its seven fields (GB 45438-2025 Annex E)."""
    seen = facts.measurement
    if seen is None:
        return _unmeasured(facts, "metadata")
    text = seen.metadata.get("AIGC")
    if text is None:
        return _fail("The container has no AIGC key.", keys=sorted(seen.metadata))
    try:
        fields = json.loads(text)
    except ValueError:
        return _fail("The AIGC key is not JSON.", AIGC=text[:200])
    if not isinstance(fields, dict):
        return _fail("The AIGC key is not a JSON object.", AIGC=text[:200])
    missing = sorted(_AIGC_KEYS - set(fields))
    good = not missing and str(fields["Label"]) in {"1", "2", "3"}
    bad = f"The AIGC key lacks {', '.join(missing)}." if missing else "The AIGC label is none of 1, 2, 3."
    return _decide(good, "The AIGC key carries its seven fields.", bad, AIGC=fields)


# ---- log and consent


def log(_rule: Rule, facts: Facts) -> Answer:
    """A decision was logged before the output, and the log is whole."""
    if not facts.log_intact:
        return _fail("The log does not verify, so it proves nothing.")
    if not facts.intent or facts.intent_index is None:
        return _fail("No decision is logged for this output.", output=facts.output_index)
    evidence: dict[str, Json] = {
        "intent": facts.intent_index,
        "output": facts.output_index,
        "policy": facts.intent.get("policy"),
    }
    return _decide(
        facts.intent_index < facts.output_index,
        "It was permitted by a logged decision before it was made.",
        "The decision was logged after the output.",
        **evidence,
    )


def _from_log(name: str, holds: Callable[[Json], bool], good: str, bad: str) -> Checker:
    """A checker for one field of the logged decision."""

    def check(rule: Rule, facts: Facts) -> Answer:
        first = log(rule, facts)
        if first.verdict is not Verdict.PASS:
            return first
        if name not in facts.intent:
            return _open(f"The logged decision does not say anything of {name}.")
        value = facts.intent[name]
        return _decide(holds(value), good, bad, **{name: value})

    return check


def _content(word: str, what: str) -> Checker:
    """A checker for what the requester had to declare and the screen looked for."""

    def check(rule: Rule, facts: Facts) -> Answer:
        first = log(rule, facts)
        if first.verdict is not Verdict.PASS:
            return first
        declared = facts.intent.get("declared", {})
        evidence: dict[str, Json] = {"declared": declared, "screened": facts.intent.get("screened")}
        if declared.get(word) is True:
            return _fail(f"It was permitted although declared as {what}.", **evidence)
        if declared.get("explicit") or facts.intent.get("screened"):
            return _pass(f"Declared or screened as not {what}; the gate refuses what is.", **evidence)
        return _open(f"Nobody declared whether it is {what}, and nothing screened it.", **evidence)

    return check


def consent(_rule: Rule, facts: Facts) -> Answer:
    """Every person shown had consented, the record is the one that was checked, and nothing demands its removal."""
    if not facts.intent:
        return _open("No decision is logged for this output, so its consents are not known.")
    people = [item for item in facts.intent.get("inputs", ()) if _shows_somebody(item)]
    if not people:
        return _not("It shows a synthetic performer, nobody's likeness.")
    logged = facts.intent.get("consents", ())
    evidence: dict[str, Json] = {
        "logged": [{"id": item.get("id"), "digest": item.get("digest"), "match": item.get("match")} for item in logged],
        "now": {item.id: item.state for item in facts.consents},
    }
    uncovered = [item["role"] for item in people if item["role"] not in {each.get("input") for each in logged}]
    if uncovered:
        return _fail(f"No consent is logged for: {', '.join(uncovered)}.", **evidence)
    known = {item.get("id"): item.get("digest") for item in logged}
    for standing in facts.consents:
        if standing.digest and standing.digest != known.get(standing.id):
            return _fail("The consent record is not the one that was checked.", **evidence)
        if standing.state == "revoked" and standing.takedown:
            return _fail("Consent was withdrawn and the record asks that what was made be taken down.", **evidence)
    return _pass("Consent was checked for everyone shown when it was made.", **evidence)


def _from_consent(holds: Callable[[Standing], bool | None], good: str, bad: str) -> Checker:
    """A checker for one item of the consent records themselves."""

    def check(rule: Rule, facts: Facts) -> Answer:
        first = consent(rule, facts)
        if first.verdict is not Verdict.PASS:
            return first
        answers = {item.id: holds(item) for item in facts.consents}
        if not answers or None in answers.values():
            return _open("The consent record cannot be read here.", now=dict(answers))
        return _decide(all(answers.values()), good, bad, consents=dict(answers))

    return check


def _estate(rule: Rule, facts: Facts) -> Answer:
    first = consent(rule, facts)
    if first.verdict is not Verdict.PASS:
        return first
    if not facts.consents or any(item.deceased is None for item in facts.consents):
        return _open("Whether the person is alive cannot be read from the consent record here.")
    dead = [item for item in facts.consents if item.deceased]
    if not dead:
        return _not("Nobody shown is recorded as deceased.")
    return _decide(all(item.estate for item in dead), "The estate consented.", "The estate's consent is missing.")


def _self_assured(rule: Rule, facts: Facts) -> Answer:
    first = consent(rule, facts)
    if first.verdict is not Verdict.PASS:
        return first
    own = [item for item in facts.intent.get("consents", ()) if item.get("assurance") == "self"]
    if not own:
        return _not("No consent behind it rests on the subject's own word alone.")
    return log(rule, facts)


def _synthetic(rule: Rule, facts: Facts) -> Answer:
    if facts.intent and not any(item.get("performer") == "synthetic" for item in facts.intent.get("inputs", ())):
        return _not("It shows no synthetic performer.")
    return log(rule, facts)


def _withdrawable(rule: Rule, facts: Facts) -> Answer:
    first = consent(rule, facts)
    if first.verdict is not Verdict.PASS:
        return first
    states = {item.id: item.state for item in facts.consents}
    if not states or "unknown" in states.values():
        return _open("Whether withdrawals reach this record cannot be seen here.", now=dict(states))
    return _pass("The record can be withdrawn or suspended, and how it stands is looked up.", now=dict(states))


def _unlabelled(rule: Rule, facts: Facts) -> Answer:
    first = label(rule, facts)
    if first.verdict is Verdict.PASS:
        return _not("It carries its label: this is no unlabelled copy.")
    if first.verdict is Verdict.FAIL:
        return _open("It lacks its label; whether somebody asked for such a copy is not logged.", **first.evidence)
    return first


def _shows_somebody(item: Mapping[str, Json]) -> bool:
    return item.get("performer") != "synthetic" and item.get("kind") in {"image", "video"}


def _unmeasured(facts: Facts, what: str) -> Answer:
    if facts.state is FileState.MISSING:
        return _open("The file was not found, so nothing could be measured.")
    notes = facts.measurement.notes if facts.measurement is not None else ()
    return _open(f"The {what} could not be measured.", notes=list(notes))


BY_WORD: Mapping[str, Checker] = {
    "credentials": credentials,
    "watermark": watermark,
    "marks": marks,
    "label": label,
    "spoken": spoken,
    "container": container,
    "log": log,
    "consent": consent,
}
"""By the word in a rule's ``checker`` field."""

BY_RULE: Mapping[str, Checker] = {
    "EU-50-2": any_mark,
    "EU-COP-1.1.1a": _from_credentials(
        lambda seen: any(kind.rpartition("/")[2] in _GENERATED for kind in seen.digital_source_types),
        "Signed metadata says that it was generated.",
        "The signed metadata does not say that it was generated.",
        "digital_source_types",
    ),
    "EU-COP-1.1.1b": _from_credentials(
        lambda seen: seen.time_stamped,
        "A time-stamp authority vouches for the time.",
        "The signature has no time stamp of an authority.",
        "time_stamped",
        "signed_at",
    ),
    "EU-COP-1.1.3": any_mark,
    "EU-COP-1.2": _ingredients,
    "GDPR-7-3": _withdrawable,
    "SAG-SUSPEND": _withdrawable,
    "CN-9": _unlabelled,
    "EU-COP-3.4": _from_credentials(
        lambda seen: bool(seen.signpost),
        "The manifest names where the marks can be checked.",
        "The manifest names no place where the marks can be checked.",
        "signpost",
    ),
    "CA-3a-A": _from_credentials(
        lambda seen: bool(seen.signer), "The provider is named.", "No provider is named.", "signer"
    ),
    "CA-3a-B": _from_credentials(
        lambda seen: any(character.isdigit() for character in seen.software),
        "The system and its version are named.",
        "The system is not named with its version.",
        "software",
    ),
    "CA-3a-C": _from_credentials(
        lambda seen: bool(seen.signed_at), "Date and time are given.", "Date and time are missing.", "signed_at"
    ),
    "CA-3a-D": _from_credentials(
        lambda seen: bool(seen.manifest_id), "A unique identifier is given.", "There is no identifier.", "manifest_id"
    ),
    "CA-3a-E": _from_credentials(
        lambda seen: bool({"c2pa.created", "c2pa.opened", "c2pa.edited"} & set(seen.actions)),
        "It says whether it was created or altered.",
        "It does not say whether it was created or altered.",
        "actions",
    ),
    "CA-3a-3": any_mark,
    "IN-3(3)-M": _from_credentials(
        lambda seen: bool(seen.manifest_id and seen.software),
        "Metadata with a unique identifier of the generating system.",
        "The identifier or the generating system is missing.",
        "manifest_id",
        "software",
    ),
    "IPTC-DST": _from_credentials(
        lambda seen: (
            bool(seen.digital_source_types) and all(kind.startswith(_SOURCE_TYPE) for kind in seen.digital_source_types)
        ),
        "The digital source type is a full IPTC address.",
        "The digital source type is missing or not a full IPTC address.",
        "digital_source_types",
    ),
    "HOUSE-PURPOSE": _from_log("purpose", bool, "The job names its purpose.", "The job names no purpose."),
    "HOUSE-TERRITORY": _from_log(
        "territories",
        lambda codes: all(is_known(code) for code in codes),
        "Every place is named by its code.",
        "A place is named by no known code.",
    ),
    "HOUSE-BINDING": _from_log(
        "request", bool, "The decision is bound to the digests of what was read.", "The decision is bound to nothing."
    ),
    "HOUSE-SELF": _self_assured,
    "HOUSE-SYNTHETIC": _synthetic,
    "HOUSE-ELECTION": _content("election", "meant for an election"),
    "EU-5-NCII": _content("sexual", "intimate"),
    "UK-138": _content("sexual", "intimate"),
    "US-TIDA": _content("sexual", "intimate"),
    "IN-3(3)-i": _content("fraud", "meant to deceive"),
    "CA-927": _from_consent(
        lambda item: item.specific, "The record describes the uses in words.", "The record does not describe the uses."
    ),
    "IL-BIPA": _from_consent(
        lambda item: item.biometric != "" if item.digest else None,
        "The record says how face and voice measurements are kept.",
        "The record does not say how face and voice measurements are kept.",
    ),
    "CA-3344.1": _estate,
    "NY-50f": _estate,
}
"""By rule id, where the rule asks for something of its own."""
