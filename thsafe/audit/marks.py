"""Checks of the file itself: credentials, watermark, labels, container. What could not be measured is undetermined."""

from __future__ import annotations

import json
from collections.abc import Callable

from policies.rules import Rule
from thsafe.audit import law
from thsafe.audit.answers import Answer, Checker, Facts, beside, decide, failed, passed, undetermined, unmeasured
from thsafe.audit.model import LabelSeen, Measurement, Verdict
from thsafe.core.types import Json

LEGIBLE = 3.0
"""Contrast of large text below which it is not legible (WCAG 2.2 §1.4.3)."""

_GENERATED = frozenset(
    {"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "algorithmicMedia", "compositeSynthetic"}
)
_DRAWN = frozenset({"digitalCreation", "virtualRecording"})
"""IPTC words for what people make with software that is not called AI."""

_AIGC_KEYS = frozenset(
    {"Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2"}
)


def credentials(_rule: Rule, facts: Facts) -> Answer:
    """The manifest is there, signed, and fits the bytes."""
    seen = facts.measurement
    if seen is None or seen.credentials_intact is None:
        return unmeasured(facts, "credentials")
    return decide(
        seen.credentials_intact,
        "Signed credentials are there and fit the file.",
        f"The credentials are {seen.credentials_state}.",
        state=seen.credentials_state,
        manifest=seen.manifest_id,
        signer=seen.signer,
    )


def from_credentials(holds: Callable[[Measurement], bool], good: str, bad: str, *shown: str) -> Checker:
    """A checker for one item of intact credentials; ``shown`` names the fields that are its evidence."""

    def check(rule: Rule, facts: Facts) -> Answer:
        first = credentials(rule, facts)
        seen = facts.measurement
        if first.verdict is not Verdict.PASS or seen is None:
            return first
        evidence = {name: getattr(seen, name) for name in shown}
        return decide(holds(seen), good, bad, **evidence)

    return check


def declared_generated(rule: Rule, facts: Facts) -> Answer:
    """The signed metadata says that software made or changed it, in a word of the IPTC."""
    first = credentials(rule, facts)
    seen = facts.measurement
    if first.verdict is not Verdict.PASS or seen is None:
        return first
    evidence: dict[str, Json] = {"digital_source_types": seen.digital_source_types}
    words = {kind.rpartition("/")[2] for kind in seen.digital_source_types}
    if words & _GENERATED:
        return passed("Signed metadata says that it was generated.", **evidence)
    if words & _DRAWN:
        word = min(words & _DRAWN)
        return undetermined(
            f"The signed metadata calls it {word}: whether that counts as AI is to be judged.", **evidence
        )
    return failed("The signed metadata does not say that it was generated.", **evidence)


def ingredients(rule: Rule, facts: Facts) -> Answer:
    """Every input file, with the marks it had, is an ingredient of the manifest."""
    if not facts.intent:
        return undetermined("No decision is logged for this output, so its inputs are not known.")
    inputs = [item for item in facts.intent.get("inputs", ()) if item.get("performer") != "synthetic"]
    files = [item for item in inputs if item.get("kind") != "text"]
    if not files:
        return beside("It was made from no media file whose marks could have been lost.")
    first = credentials(rule, facts)
    seen = facts.measurement
    if first.verdict is not Verdict.PASS or seen is None:
        return first
    return decide(
        seen.ingredients >= len(files),
        "Every input file is an ingredient of the manifest, with the marks it had.",
        "The manifest names fewer ingredients than there were input files.",
        ingredients=seen.ingredients,
        inputs=len(files),
    )


def watermark(_rule: Rule, facts: Facts) -> Answer:
    """The invisible mark is read and is the one that the log knows."""
    seen = facts.measurement
    if seen is None or seen.watermark_state == "not-evaluated":
        return unmeasured(facts, "watermark")
    evidence: dict[str, Json] = {"state": seen.watermark_state, "id": seen.watermark_id}
    if seen.watermark_state == "present":
        return undetermined("A watermark is there, but its number cannot be read.", **evidence)
    return decide(
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
    return passed("Signed credentials and the watermark are both there and belong together.", **evidence)


def any_mark(rule: Rule, facts: Facts) -> Answer:
    """At least one machine-readable mark that our own tool finds."""
    parts = [credentials(rule, facts), watermark(rule, facts)]
    found = [part for part in parts if part.verdict is Verdict.PASS]
    if found:
        return passed("Machine-readable marks are found by our own reader.", marks=len(found))
    return next((part for part in parts if part.verdict is Verdict.UNDETERMINED), parts[0])


def label(rule: Rule, facts: Facts) -> Answer:
    """The visible label is there for its whole time, legible and as large as the rule wants."""
    if facts.media == "A":
        return spoken(rule, facts) if rule.spoken else beside("Sound alone has no picture to label.")
    seen = facts.measurement
    if seen is None or seen.labels is None:
        return unmeasured(facts, "label")
    wanted = _label_for(rule, seen)
    if wanted is None:
        return undetermined("The label that this rule asks for was not looked for.")
    minimum = rule.label.height if rule.label is not None else 0.0
    evidence: dict[str, Json] = {
        "text": wanted.label.text,
        "height": round(wanted.height, 4),
        "contrast": round(wanted.contrast, 1),
        "first_seen": wanted.first_seen,
        "last_seen": wanted.last_seen,
    }
    if not wanted.present:
        return failed(f'The label "{wanted.label.text}" is not there for its whole time.', **evidence)
    if wanted.contrast < LEGIBLE:
        return failed(
            f"The label's contrast is {wanted.contrast:.1f}; below {LEGIBLE:g} it is not legible.", **evidence
        )
    # A tenth is what pixels and scaling leave open at the smallest sizes.
    if wanted.height < minimum * 0.9:
        return failed(f"The letters are {wanted.height:.1%} of the shorter side; {minimum:.0%} are asked.", **evidence)
    return passed(f'The label "{wanted.label.text}" is there, legible, for its whole time.', **evidence)


def _label_for(rule: Rule, seen: Measurement) -> LabelSeen | None:
    labels = seen.labels or ()
    if rule.label is None:
        return next((item for item in labels if "AI" in item.label.text), labels[0] if labels else None)
    return next((item for item in labels if law.serves(item.label, rule.label)), None)


def spoken(rule: Rule, facts: Facts) -> Answer:
    """The spoken notice of a sound file, held against the notice as it is spoken here."""
    if facts.media != "A":
        return beside("It has a picture, which carries the label.")
    seen = facts.measurement
    if seen is None:
        return unmeasured(facts, "notice")
    if seen.notices is None:
        return undetermined("The notice was not listened for: it needs the optional voice.", wanted=rule.spoken)
    if rule.spoken in seen.notices:
        return passed(f'It begins with the words "{rule.spoken}"', heard=list(seen.notices))
    # A notice in another voice or in other words may be there: that needs ears.
    return undetermined("Our own notice is not heard at the start: listen for another.", wanted=rule.spoken)


def unlabelled(rule: Rule, facts: Facts) -> Answer:
    """Only of interest where the label is missing."""
    first = label(rule, facts)
    if first.verdict is Verdict.PASS:
        return beside("It carries its label: this is no unlabelled copy.")
    if first.verdict is Verdict.FAIL:
        return undetermined(
            "It lacks its label; whether somebody asked for such a copy is not logged.", **first.evidence
        )
    return first


def container(_rule: Rule, facts: Facts) -> Answer:
    """China's AIGC key with its seven fields (GB 45438-2025 Annex E)."""
    seen = facts.measurement
    if seen is None:
        return unmeasured(facts, "metadata")
    text = seen.metadata.get("AIGC")
    if text is None:
        return failed("The container has no AIGC key.", keys=sorted(seen.metadata))
    try:
        fields = json.loads(text)
    except ValueError:
        return failed("The AIGC key is not JSON.", AIGC=text[:200])
    if not isinstance(fields, dict):
        return failed("The AIGC key is not a JSON object.", AIGC=text[:200])
    missing = sorted(_AIGC_KEYS - set(fields))
    good = not missing and str(fields["Label"]) in {"1", "2", "3"}
    bad = f"The AIGC key lacks {', '.join(missing)}." if missing else "The AIGC label is none of 1, 2, 3."
    return decide(good, "The AIGC key carries its seven fields.", bad, AIGC=fields)
