"""The conformance programme's requirements on an asset, checked on our own outputs before anyone else does.

Conformance 0.2 for C2PA 2.4: 31 requirements, each judged on the active manifest in crJSON form. Ids are those of the
programme's asset rubric, so that results can be compared; the checks are written from the clauses that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from thsafe.core.errors import InputError
from thsafe.core.types import Json
from thsafe.provenance.ladder import INTEGRITY_CODES, STRUCTURE_CODES

EXPECTED_VERSION = "2.4.0"

_NON_EDITORIAL = frozenset(
    f"c2pa.{name}"
    for name in (
        "converted",
        "published",
        "repackaged",
        "transcoded",
        "resized.proportional",
        "enhanced",
        "edited.metadata",
        "watermarked",
        "watermarked.bound",
        "watermarked.unbound",
        "redacted",
    )
)
_EDITORIAL = frozenset(
    f"c2pa.{name}"
    for name in (
        "addedText",
        "adjustedColor",
        "changedSpeed",
        "color_adjustments",
        "created",
        "cropped",
        "deleted",
        "drawing",
        "dubbed",
        "edited",
        "filtered",
        "mastered",
        "mixed",
        "opened",
        "orientation",
        "placed",
        "remixed",
        "removed",
        "resized",
        "translated",
        "trimmed",
        "unknown",
    )
)
_DEPRECATED_ACTIONS = frozenset(
    f"c2pa.{name}"
    for name in (
        "copied",
        "formatted",
        "version_updated",
        "printed",
        "managed",
        "produced",
        "saved",
        "color_adjustments",
        "watermarked",
    )
)
_ASSERTIONS = frozenset(
    f"c2pa.{name}"
    for name in (
        "actions.v2",
        "ai-disclosure",
        "alternative-content-representation",
        "assertion.metadata",
        "asset-ref",
        "asset-type.v2",
        "certificate-status",
        "cloud-data",
        "depthmap.GDepth",
        "embedded-data",
        "environmental-sustainability",
        "external-reference",
        "hash.bmff.v3",
        "hash.boxes",
        "hash.collection.data",
        "hash.data",
        "hash.data.part",
        "hash.multi-asset",
        "icon",
        "ingredient.v3",
        "metadata",
        "repository-receipt",
        "session-keys",
        "soft-binding",
        "thumbnail.claim",
        "thumbnail.ingredient",
        "time-stamp",
    )
)
_DEPRECATED_ASSERTIONS = frozenset(
    f"c2pa.{name}" for name in ("claim", "hash.bmff.v2", "asset-type", "ingredient", "ingredient.v2", "actions")
)
_PARAMETERS = frozenset(
    {
        "redacted", "ingredients", "ingredient", "description", "relatedAssertions", "sourceLanguage",
        "targetLanguage", "multipleInstances", "ranges", "weight", "width", "italic", "slant", "optical-size",
    }
)  # fmt: skip
_NOT_REFERABLE = ("c2pa.hash", "c2pa.ingredient")
_NOT_REFERABLE_EXACT = frozenset({"c2pa.actions", "c2pa.actions.v2", "c2pa.cloud-data", "c2pa.external-reference"})
_TIFF = frozenset({"image/tiff", "image/x-adobe-dng"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RubricResult:
    """One requirement and whether it is met."""

    id: str
    ok: bool
    words: str
    """What is wrong, or the requirement in a few words."""


class _Manifest:
    """The active manifest of a crJSON document, read the way the requirements speak of it."""

    def __init__(self, document: Mapping[str, Json]) -> None:
        manifests = document.get("manifests") or [{}]
        active: Mapping[str, Json] = manifests[0]
        self.label = str(active.get("label") or "")
        self.claim: Mapping[str, Json] = active.get("claim.v2") or {}
        self.assertions: Mapping[str, Json] = active.get("assertions") or {}
        self.results: Mapping[str, Json] | None = active.get("validationResults")

    @property
    def values(self) -> list[Mapping[str, Json]]:
        return [value for value in self.assertions.values() if isinstance(value, Mapping)]

    @property
    def action_assertions(self) -> list[Mapping[str, Json]]:
        return [value for value in self.values if value.get("actions") is not None]

    @property
    def actions(self) -> list[Mapping[str, Json]]:
        return [action for value in self.action_assertions for action in value["actions"]]

    @property
    def ingredients(self) -> list[Mapping[str, Json]]:
        return [value for value in self.values if value.get("relationship") is not None]

    @property
    def failures(self) -> list[str]:
        if self.results is None:
            return ["no validation results"]
        return [str(item.get("code")) for item in self.results.get("failure") or []]

    @property
    def generator(self) -> Mapping[str, Json]:
        info = self.claim.get("claim_generator_info") or {}
        first = info[0] if isinstance(info, list) and info else info
        return first if isinstance(first, Mapping) else {}


_Check = Callable[[_Manifest], Iterator[str]]
_CHECKS: dict[str, tuple[str, _Check]] = {}


def check_manifest(source: Path | Mapping[str, Json]) -> tuple[RubricResult, ...]:
    """Judge a file, or its crJSON, by the 31 requirements.

    Raises:
        InputError: ``provenance.none``: the file has no credentials to judge.
    """
    if isinstance(source, Path):
        from thsafe.provenance.isolated import read_credentials_isolated
        from thsafe.provenance.trust import Trust

        # Whoever asks may ask about a stranger's file.
        document: Mapping[str, Json] = read_credentials_isolated(source, trust=Trust()).crjson
        if not document:
            raise InputError(
                "The file has no credentials to check.",
                code="provenance.none",
                found=source.name,
                next_step=f"thsafe verify {source}   (a watermark may lead back to them)",
            )
    else:
        document = source
    manifest = _Manifest(document)
    results = []
    for name, (rule, check) in _CHECKS.items():
        found = list(check(manifest))
        words = f"{rule}; found: {', '.join(found)}" if found else rule
        results.append(RubricResult(id=f"validation:{name}", ok=not found, words=words))
    return tuple(results)


def _requirement(name: str, rule: str) -> Callable[[_Check], _Check]:
    def register(check: _Check) -> _Check:
        _CHECKS[name] = (rule, check)
        return check

    return register


@_requirement("mandatory_dst_for_perceptible_transformations", "every perceptible change has a digital source type")
def _source_types(manifest: _Manifest) -> Iterator[str]:
    exempt = _NON_EDITORIAL | {"c2pa.created", "c2pa.opened", "c2pa.placed"}
    for action in manifest.actions:
        name = str(action.get("action"))
        if name.startswith("c2pa.") and name not in exempt and action.get("digitalSourceType") is None:
            yield name


@_requirement("mandatory_spec_version", "claim_generator_info names the specification version 2.4")
def _version(manifest: _Manifest) -> Iterator[str]:
    version = manifest.generator.get("specVersion")
    if not isinstance(version, str) or version.split(".")[:2] != EXPECTED_VERSION.split(".")[:2]:
        yield "none" if version is None else str(version)


@_requirement("mandatory_all_actions_included", "actions say whether they are all there are")
def _all_included(manifest: _Manifest) -> Iterator[str]:
    if any(value.get("allActionsIncluded") is None for value in manifest.action_assertions):
        yield "actions without allActionsIncluded"


@_requirement("no_dst_for_opened_action", "opened has no digital source type")
def _opened_source_type(manifest: _Manifest) -> Iterator[str]:
    for action in manifest.actions:
        if action.get("action") == "c2pa.opened" and action.get("digitalSourceType") is not None:
            yield str(action["digitalSourceType"])


@_requirement("well_formed_data_present", "there are validation results for the structure")
def _structure_judged(manifest: _Manifest) -> Iterator[str]:
    if manifest.results is None:
        yield "none"


@_requirement("well_formed_success", "the structure is sound")
def _structure(manifest: _Manifest) -> Iterator[str]:
    yield from (code for code in manifest.failures if code in STRUCTURE_CODES or manifest.results is None)


@_requirement("valid_data_present", "there are validation results for the integrity")
def _integrity_judged(manifest: _Manifest) -> Iterator[str]:
    yield from _structure_judged(manifest)


@_requirement("valid_success", "nothing was changed after signing")
def _integrity(manifest: _Manifest) -> Iterator[str]:
    yield from (code for code in manifest.failures if code in INTEGRITY_CODES or manifest.results is None)


@_requirement("inception_action_position", "created or opened is the first of the created actions (§18.14.2)")
def _inception(manifest: _Manifest) -> Iterator[str]:
    urls = [str(item.get("url")) for item in manifest.claim.get("created_assertions") or []]
    first = next((url for url in urls if "c2pa.actions" in url), "")
    if not first.endswith("c2pa.actions.v2"):
        yield "no c2pa.actions.v2 among the created assertions"
    names = [action.get("action") for action in manifest.actions]
    if "c2pa.created" in names and names[0] not in {"c2pa.created", "c2pa.opened"}:
        yield f"{names[0]} comes first"


@_requirement("no_deprecated_assertions", "no deprecated assertions (§6.3)")
def _deprecated_assertions(manifest: _Manifest) -> Iterator[str]:
    yield from (key for key in manifest.assertions if key.startswith("stds.") or key in _DEPRECATED_ASSERTIONS)


@_requirement("no_unsupported_assertions", "every c2pa. assertion is one of the specification's (§6.2)")
def _unknown_assertions(manifest: _Manifest) -> Iterator[str]:
    for key in manifest.assertions:
        base = key.split("__")[0]
        if key.startswith("c2pa.") and base not in _ASSERTIONS | _DEPRECATED_ASSERTIONS:
            yield key


@_requirement("no_deprecated_actions", "no deprecated actions (§18.14.11)")
def _deprecated_actions(manifest: _Manifest) -> Iterator[str]:
    yield from (name for name in _action_names(manifest) if name in _DEPRECATED_ACTIONS)


@_requirement("no_unsupported_actions", "every c2pa. action is one of the specification's (§18.14)")
def _unknown_actions(manifest: _Manifest) -> Iterator[str]:
    known = _EDITORIAL | _NON_EDITORIAL
    yield from (name for name in _action_names(manifest) if name.startswith("c2pa.") and name not in known)


@_requirement("no_unrecognized_custom_assertions", "other assertions have a name with a dot (§6.2.2)")
def _custom_assertions(manifest: _Manifest) -> Iterator[str]:
    yield from (key for key in manifest.assertions if "." not in key)


@_requirement("no_unrecognized_custom_actions", "other actions have a name with a dot (§18.14)")
def _custom_actions(manifest: _Manifest) -> Iterator[str]:
    yield from (name for name in _action_names(manifest) if "." not in name)


@_requirement("no_unrecognized_custom_action_parameters", "other parameters have a name with a dot (§18.14.4.7)")
def _custom_parameters(manifest: _Manifest) -> Iterator[str]:
    for action in manifest.actions:
        yield from (key for key in action.get("parameters") or {} if key not in _PARAMETERS and "." not in key)


@_requirement("discouraged_legacy_action_parameters", "description and ingredients stand where version 2 puts them")
def _legacy_parameters(manifest: _Manifest) -> Iterator[str]:
    for action in manifest.actions:
        parameters = action.get("parameters") or {}
        if parameters.get("description") is not None or parameters.get("ingredient") is not None:
            yield str(action.get("action", "unknown"))


@_requirement("active_manifest_urn", "the manifest's name starts with urn:c2pa: (§8.1)")
def _urn(manifest: _Manifest) -> Iterator[str]:
    if not manifest.label.startswith("urn:c2pa:"):
        yield manifest.label or "none"


@_requirement("review_ratings_datasource", "what people entered has no review ratings (§18.3.3)")
def _ratings(manifest: _Manifest) -> Iterator[str]:
    for value in manifest.values:
        kind = (value.get("dataSource") or {}).get("type")
        if value.get("reviewRatings") is not None and str(kind).startswith("humanEntry."):
            yield str(kind)


@_requirement("ingredient_v3_no_active_manifest", "unsigned ingredients have no validation results (§18.15.12)")
def _unsigned_ingredients(manifest: _Manifest) -> Iterator[str]:
    for item in manifest.ingredients:
        if item.get("activeManifest") is None and item.get("validationResults") is not None:
            yield str(item.get("dc:title", "ingredient"))


@_requirement("ingredient_v3_mandatory_validation_results", "signed ingredients have validation results (§18.15.12)")
def _signed_ingredients(manifest: _Manifest) -> Iterator[str]:
    for item in manifest.ingredients:
        if item.get("activeManifest") is not None and item.get("validationResults") is None:
            yield str(item.get("dc:title", "ingredient"))


@_requirement("ingredient_relationship_values", "ingredients are parentOf, componentOf or inputTo (§18.15.3)")
def _relationships(manifest: _Manifest) -> Iterator[str]:
    for item in manifest.ingredients:
        if item["relationship"] not in {"parentOf", "componentOf", "inputTo"}:
            yield str(item["relationship"])


@_requirement("mandatory_dst_for_created_action", "created has a digital source type (§18.14.2)")
def _created_source_type(manifest: _Manifest) -> Iterator[str]:
    for action in manifest.actions:
        if action.get("action") == "c2pa.created" and action.get("digitalSourceType") is None:
            yield "created without one"


@_requirement("no_deprecated_claim_fields", "the claim has no deprecated fields (§10.2.3.2)")
def _claim_fields(manifest: _Manifest) -> Iterator[str]:
    if manifest.claim.get("specVersion") is not None:
        yield "specVersion in the claim itself"


@_requirement("ingredient_v3_choice", "an ingredient has credentials or a digital source type, not both (§18.16.12.3)")
def _ingredient_choice(manifest: _Manifest) -> Iterator[str]:
    for item in manifest.ingredients:
        if item.get("activeManifest") is not None and item.get("digitalSourceType") is not None:
            yield str(item.get("dc:title", "ingredient"))


@_requirement("alternative_content_representation_choice", "an original is embedded or a part, one of both (§15.10.3)")
def _original(manifest: _Manifest) -> Iterator[str]:
    for value in manifest.values:
        given = value.get("parameters")
        parameters: Mapping[str, Json] = given if isinstance(given, Mapping) else {}
        if "exif.originalPreservationImage" in {value.get("type"), parameters.get("type")}:
            part, embedded = (parameters.get(k) for k in ("multiAssetPartIndex", "embeddedOriginalPreservationImage"))
            if (part is None) == (embedded is None):
                yield "both" if part is not None else "neither"


@_requirement("forbidden_labels_in_external_references", "external references point to what may be external (§18.24.1)")
def _external(manifest: _Manifest) -> Iterator[str]:
    for value in manifest.values:
        label, url = value.get("label"), value.get("url")
        if not isinstance(label, str) or url is None or value.get("relationship") is not None:
            continue
        if label in _NOT_REFERABLE_EXACT or label.startswith(_NOT_REFERABLE):
            yield label


@_requirement("no_url_in_hashes", "hash assertions have no url field (§18.5)")
def _hash_url(manifest: _Manifest) -> Iterator[str]:
    for key in ("c2pa.hash.data", "c2pa.hash.bmff.v3"):
        if (manifest.assertions.get(key) or {}).get("url"):
            yield key


@_requirement("all_actions_included_opened", "opening alone is said to be all that was done (§18.15.3)")
def _opened_alone(manifest: _Manifest) -> Iterator[str]:
    included = (manifest.assertions.get("c2pa.actions.v2") or {}).get("allActionsIncluded")
    if _action_names(manifest) == ["c2pa.opened"] and included is not True:
        yield "opened without allActionsIncluded: true"


@_requirement("opened_action_ingredient_reference", "opened names exactly one ingredient (§15.10.3.2.3)")
def _opened_ingredient(manifest: _Manifest) -> Iterator[str]:
    for action in manifest.actions:
        count = len((action.get("parameters") or {}).get("ingredients") or [])
        if action.get("action") == "c2pa.opened" and count != 1:
            yield f"{count} ingredients"


@_requirement("no_box_hash_for_tiff", "TIFF files are not hashed by boxes (§18.7.3.3)")
def _tiff(manifest: _Manifest) -> Iterator[str]:
    kind = (manifest.assertions.get("c2pa.asset-type.v2") or {}).get("dc:format")
    if "c2pa.hash.boxes" in manifest.assertions and kind in _TIFF:
        yield str(kind)


def _action_names(manifest: _Manifest) -> list[str]:
    return [str(action.get("action")) for action in manifest.actions]
