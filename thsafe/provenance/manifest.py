"""What a manifest says, per kind of output: a pure function from facts to the SDK's manifest definition.

Follows C2PA 2.4 §18 (assertions) and the conformance programme's requirements 0.2: actions in *created* assertions, the
inception action first, a digital source type on every perceptible change, ``allActionsIncluded`` and ``specVersion``
present. Only digests, random ids and fixed words go in; nothing that names a person, a file or a folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import thsafe
from thsafe.core.errors import MarkError, UsageError
from thsafe.core.types import Json, Task
from thsafe.provenance import references

SPEC_VERSION = "2.4.0"
GATE_LABEL = "io.github.thsafe.gate"
_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPES: Mapping[str, str] = {
    name: _IPTC + name
    for name in (
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "algorithmicMedia",
        "compositeSynthetic",
        "composite",
        "digitalCreation",
        "digitalCapture",
        "computationalCapture",
        "screenCapture",
        "humanEdits",
        "virtualRecording",
    )
}
"""IPTC digital source types by their short names: the SDK accepts any word, so this is the check."""
_MODEL_MADE = frozenset(
    SOURCE_TYPES[name]
    for name in ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic")
)
_OVERSIGHT = ("fully_autonomous", "prompt_guided", "human_validated")
_RELATIONSHIPS = ("parentOf", "componentOf", "inputTo")
_LABEL = re.compile(r"urn:c2pa:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TRAINING_USES = ("ai_generative_training", "ai_training", "ai_inference", "data_mining")
# What the opened path of each task changes, and the part of the picture that it changes.
_CHANGES: Mapping[Task, tuple[str, str]] = {
    Task.LIPSYNC: ("c2pa.dubbed", "lips"),
    Task.DRIVE: ("c2pa.edited", "face"),
    Task.SWAP: ("c2pa.edited", "face"),
    Task.SAY: ("c2pa.edited", "face"),
    Task.ANIMATE: ("c2pa.edited", "face"),
    Task.PUPPET: ("c2pa.edited", "face"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """One input as the manifest names it."""

    path: Path | None
    """Where its bytes are, to keep the history that a signed input carries; None for text, which is only mentioned."""
    relationship: str
    """``parentOf`` (opened), ``componentOf`` (placed) or ``inputTo`` (fed to the model)."""
    title: str
    """A fixed word such as ``portrait`` or ``script``; never a file name."""
    digital_source_type: str | None = None
    """For unsigned inputs; left out where the input has credentials of its own (C2PA 2.4 §18.16.12.3)."""
    media_type: str = "application/octet-stream"
    thumbnail_jpeg: bytes | None = None
    """A small picture of it, for people who look into the history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """Everything that a manifest says besides its ingredients."""

    label: str
    """``urn:c2pa:UUID``, chosen before signing so that the watermark can point to it."""
    title: str
    task: Task
    digital_source_type: str
    """An IPTC digital source type, short name or URI: of the whole output, or of the change to opened footage."""
    media_type: str = "video/mp4"
    software_agent: Mapping[str, str] = field(default_factory=dict)
    """``name`` and ``version`` of the engine."""
    model_type: str = "c2pa.types.model"
    model_name: str = ""
    model_identifier: str = ""
    """PURL or URI of the model, if it has one."""
    human_oversight: str = "prompt_guided"
    """``fully_autonomous``, ``prompt_guided`` or ``human_validated`` (C2PA 2.4 §18.28)."""
    source_language: str | None = None
    target_language: str | None = None
    """BCP 47; both given and different: the speech was translated."""
    watermark_id: str | None = None
    watermark_alg: str = "io.github.thsafe.watermark.1"
    """Reverse-domain name; not registered in the C2PA soft-binding algorithm list."""
    fingerprint: str | None = None
    fingerprint_alg: str = "io.github.thsafe.fingerprint.1"
    soundprint: str | None = None
    soundprint_alg: str = "io.github.thsafe.soundprint.1"
    log_origin: str = ""
    log_index: int | None = None
    log_digest: str = ""
    """SHA-256 of the canonical JSON of that log entry; empty: the manifest does not refer to it by hash."""
    log_size: int = 0
    """Bytes of that JSON."""
    policy_digest: str = ""
    consent_digests: tuple[str, ...] = ()
    label_texts: tuple[str, ...] = ()
    """The words burned into the picture."""
    detector_url: str = references.THIS_SOFTWARE
    """Where a recipient finds a tool that reads the marks."""


def source_type(name: str) -> str:
    """The URI of a digital source type given by short name or URI.

    Raises:
        UsageError: ``provenance.source-type``: not one of the IPTC vocabulary's words that thsafe writes.
    """
    uri = SOURCE_TYPES.get(name.removeprefix(_IPTC))
    if uri is None:
        raise UsageError(
            "The digital source type is not one that verifiers know.",
            code="provenance.source-type",
            found=name,
            rule="one of " + ", ".join(SOURCE_TYPES),
        )
    return uri


def build_manifest(facts: ManifestFacts, ingredients: Sequence[Ingredient] = ()) -> dict[str, Json]:
    """The manifest definition for the SDK, without its ingredients' bytes.

    Ingredient n is named ``ingredient-n`` by the actions.

    Raises:
        UsageError: a fact is outside its vocabulary; the code names which.
    """
    _check(facts, ingredients)
    assertions = [
        _created("c2pa.actions.v2", _actions(facts, ingredients)),
        *(_created("c2pa.soft-binding", binding) for binding in soft_bindings(facts)),
    ]
    disclosure = _ai_disclosure(facts)
    if disclosure is not None:
        assertions.append(_created("c2pa.ai-disclosure", disclosure))
    uses = {f"cawg.{use}": {"use": "notAllowed"} for use in _TRAINING_USES}
    assertions.append(_created("cawg.training-mining", {"entries": uses}))
    assertions.append(_created(GATE_LABEL, _gate(facts)))
    assertions += [{"label": references.LABEL, "data": data} for data in _references(facts)]
    return {
        "claim_version": 2,
        "label": facts.label,
        "title": facts.title,
        "format": facts.media_type,
        "claim_generator_info": [
            {"name": "thsafe", "version": thsafe.__version__, "specVersion": SPEC_VERSION},
        ],
        "assertions": assertions,
    }


def soft_bindings(facts: ManifestFacts) -> list[dict[str, Json]]:
    """The soft-binding assertions' contents: watermark, then fingerprints (C2PA 2.4 §18.10)."""
    found = []
    for alg, value, words in (
        (facts.watermark_alg, facts.watermark_id, "invisible watermark in picture and sound"),
        (facts.fingerprint_alg, facts.fingerprint, "perceptual fingerprint of sampled frames"),
        (facts.soundprint_alg, facts.soundprint, "perceptual fingerprint of the sound"),
    ):
        if value is not None:
            block = {"scope": {}, "value": value}
            found.append({"alg": alg, "blocks": [block], "bindingMetadata": {"description": words}})
    return found


def ingredient_definition(number: int, ingredient: Ingredient, *, has_credentials: bool) -> dict[str, Json]:
    """The SDK's definition of one ingredient; the SDK wants snake case here and drops anything else."""
    definition: dict[str, Json] = {
        "title": ingredient.title,
        "relationship": ingredient.relationship,
        "label": ingredient_label(number),
        "format": ingredient.media_type,
    }
    if ingredient.digital_source_type is not None and not has_credentials:
        definition["digital_source_type"] = source_type(ingredient.digital_source_type)
    if ingredient.thumbnail_jpeg is not None:
        definition["thumbnail"] = {"format": "image/jpeg", "identifier": thumbnail_name(number)}
    return definition


def thumbnail_name(number: int) -> str:
    """The resource that holds the thumbnail of ingredient ``number``."""
    return f"{ingredient_label(number)}.jpg"


def ingredient_label(number: int) -> str:
    """The name by which actions point to ingredient ``number``."""
    return f"ingredient-{number}"


def refuse_personal(manifest_text: str, ingredients: Sequence[Ingredient]) -> None:
    """Raise MarkError ``provenance.personal`` if a file's name or folder has got into the manifest."""
    for ingredient in ingredients:
        if ingredient.path is None:
            continue
        # A name without suffix may be any word of the manifest, and so may a relative folder.
        names = [str(ingredient.path.resolve().parent), ingredient.path.name if ingredient.path.suffix else "/"]
        for name in names:
            if len(name) > 1 and name in manifest_text:
                raise MarkError(
                    "A file's name has got into the credentials; names can be personal.",
                    code="provenance.personal",
                    found=f"ingredient {ingredient.title!r}",
                    rule="a manifest holds fixed words, random ids and digests only",
                )


def _created(label: str, data: dict[str, Json]) -> dict[str, Json]:
    # "created": the claim generator made it itself; otherwise the SDK files it under "gathered".
    return {"label": label, "created": True, "data": data}


def _actions(facts: ManifestFacts, ingredients: Sequence[Ingredient]) -> dict[str, Json]:
    by_relationship = {
        kind: [ingredient_label(n) for n, item in enumerate(ingredients) if item.relationship == kind]
        for kind in _RELATIONSHIPS
    }
    uri = source_type(facts.digital_source_type)
    agent = {"softwareAgent": dict(facts.software_agent)} if facts.software_agent else {}
    actions: list[dict[str, Json]] = []
    inputs = {"parameters": {"ingredientIds": by_relationship["inputTo"]}} if by_relationship["inputTo"] else {}
    if by_relationship["parentOf"]:
        # Where nothing else is done, the system that opened it is the one that California wants named (22757.3(a)).
        opened = {"parameters": {"ingredientIds": by_relationship["parentOf"]}}
        actions.append({"action": "c2pa.opened", **opened, **(agent if facts.task is Task.LABEL else {})})
    if by_relationship["parentOf"] and facts.task is not Task.LABEL:
        action, part = _CHANGES[facts.task]
        region = {"type": "identified", "item": {"identifier": "io.github.thsafe.region", "value": part}}
        actions.append(
            {"action": action, "digitalSourceType": uri, "changes": [{"region": [region]}], **agent, **inputs}
        )
    if not by_relationship["parentOf"]:
        actions.append({"action": "c2pa.created", "digitalSourceType": uri, **agent, **inputs})
    actions.extend(
        {"action": "c2pa.placed", "parameters": {"ingredientIds": [placed]}}
        for placed in by_relationship["componentOf"]
    )
    if facts.source_language and facts.target_language and facts.source_language != facts.target_language:
        languages = {"sourceLanguage": facts.source_language, "targetLanguage": facts.target_language}
        actions.append({"action": "c2pa.translated", "digitalSourceType": uri, "parameters": languages})
    actions.extend(
        {"action": "c2pa.addedText", "digitalSourceType": SOURCE_TYPES["digitalCreation"], "description": text}
        for text in facts.label_texts
    )
    if facts.watermark_id is not None:
        # No relatedAssertions: they hold the soft binding's hash, which the SDK salts and only settles while it signs.
        actions.append({"action": "c2pa.watermarked.bound"})
    if by_relationship["parentOf"]:
        actions.append({"action": "c2pa.transcoded"})
    return {"actions": actions, "allActionsIncluded": True}


def _ai_disclosure(facts: ManifestFacts) -> dict[str, Json] | None:
    # C2PA 2.4 §18.28: for content of AI models; a drawing by rule or a recording is none.
    # Of media made elsewhere nothing is known about the model.
    if facts.task is Task.LABEL or source_type(facts.digital_source_type) not in _MODEL_MADE:
        return None
    disclosure: dict[str, Json] = {
        "modelType": facts.model_type,
        "contentProfile": {"humanOversightLevel": facts.human_oversight},
    }
    if facts.model_name:
        disclosure["modelName"] = facts.model_name
    if facts.model_identifier:
        disclosure["modelIdentifier"] = facts.model_identifier
    return disclosure


def _gate(facts: ManifestFacts) -> dict[str, Json]:
    gate: dict[str, Json] = {"task": str(facts.task), "consents": sorted(facts.consent_digests)}
    if facts.policy_digest:
        gate["policy"] = facts.policy_digest
    if facts.log_index is not None:
        gate["log"] = {"origin": facts.log_origin, "index": facts.log_index}
    return gate


def _references(facts: ManifestFacts) -> list[dict[str, Json]]:
    found = [references.detector_assertion(facts.detector_url)]
    if facts.log_index is not None and facts.log_digest:
        entry = references.log_assertion(facts.log_origin, facts.log_index, facts.log_digest, facts.log_size)
        found.insert(0, entry)
    return found


def _check(facts: ManifestFacts, ingredients: Sequence[Ingredient]) -> None:
    wrong: list[tuple[str, str, str]] = []
    if not _LABEL.fullmatch(facts.label):
        wrong.append(("provenance.label", facts.label, "urn:c2pa: and a lower-case UUID"))
    if facts.human_oversight not in _OVERSIGHT:
        wrong.append(("provenance.oversight", facts.human_oversight, "one of " + ", ".join(_OVERSIGHT)))
    digests = [*facts.consent_digests, *filter(None, (facts.policy_digest, facts.log_digest))]
    wrong += [
        ("provenance.digest", text[:40], "64 lower-case hexadecimal digits")
        for text in digests
        if not _DIGEST.fullmatch(text)
    ]
    relations = [item.relationship for item in ingredients]
    wrong += [
        ("provenance.relationship", relation, "one of " + ", ".join(_RELATIONSHIPS))
        for relation in relations
        if relation not in _RELATIONSHIPS
    ]
    if relations.count("parentOf") > 1:
        wrong.append(
            ("provenance.parents", "two parents", "one parentOf at most: the SDK writes two and does not object")
        )
    for code, found, rule in wrong:
        raise UsageError("The credentials asked for are not well formed.", code=code, found=found, rule=rule)
