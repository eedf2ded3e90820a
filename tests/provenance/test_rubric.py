"""Each of the 31 requirements can fail, and fails for its own reason only."""

import copy

import pytest

from thsafe.core.errors import InputError
from thsafe.provenance.rubric import check_manifest

DST = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
PARENT = {"relationship": "parentOf", "dc:title": "footage"}


def good():
    return {
        "manifests": [
            {
                "label": "urn:c2pa:1",
                "claim.v2": {
                    "claim_generator_info": {"name": "x", "specVersion": "2.4.0"},
                    "created_assertions": [{"url": "self#jumbf=c2pa.assertions/c2pa.actions.v2"}],
                },
                "assertions": {
                    "c2pa.actions.v2": {
                        "allActionsIncluded": True,
                        "actions": [{"action": "c2pa.created", "digitalSourceType": DST}],
                    },
                    "c2pa.hash.bmff.v3": {"alg": "sha256"},
                },
                "validationResults": {"success": [], "failure": []},
            }
        ]
    }


def active(document):
    return document["manifests"][0]


def add_action(**action):
    return lambda d: active(d)["assertions"]["c2pa.actions.v2"]["actions"].append(action)


def set_actions(*actions, **more):
    def change(d):
        active(d)["assertions"]["c2pa.actions.v2"] = {"allActionsIncluded": True, "actions": list(actions), **more}

    return change


def add(label, value):
    return lambda d: active(d)["assertions"].__setitem__(label, value)


def fail(code):
    return lambda d: active(d)["validationResults"]["failure"].append({"code": code})


CASES = {
    "mandatory_dst_for_perceptible_transformations": add_action(action="c2pa.dubbed"),
    "mandatory_spec_version": lambda d: active(d)["claim.v2"]["claim_generator_info"].__setitem__(
        "specVersion", "2.2.0"
    ),
    "mandatory_all_actions_included": lambda d: active(d)["assertions"]["c2pa.actions.v2"].pop("allActionsIncluded"),
    "no_dst_for_opened_action": set_actions(
        {"action": "c2pa.opened", "digitalSourceType": DST, "parameters": {"ingredients": [{}]}}
    ),
    "well_formed_success": fail("claim.malformed"),
    "valid_success": fail("assertion.dataHash.mismatch"),
    "inception_action_position": lambda d: active(d)["claim.v2"].__setitem__("created_assertions", []),
    "no_deprecated_assertions": add("stds.schema-org.CreativeWork", {}),
    "no_unsupported_assertions": add("c2pa.training-mining", {}),
    "no_deprecated_actions": add_action(action="c2pa.watermarked"),
    "no_unsupported_actions": add_action(action="c2pa.invented", digitalSourceType=DST),
    "no_unrecognized_custom_assertions": add("nodot", {}),
    "no_unrecognized_custom_actions": add_action(action="nodot"),
    "no_unrecognized_custom_action_parameters": add_action(action="c2pa.transcoded", parameters={"nodot": 1}),
    "discouraged_legacy_action_parameters": add_action(action="c2pa.transcoded", parameters={"description": "x"}),
    "active_manifest_urn": lambda d: active(d).__setitem__("label", "urn:uuid:1"),
    "review_ratings_datasource": add(
        "org.example.review", {"reviewRatings": [], "dataSource": {"type": "humanEntry.anonymous"}}
    ),
    "ingredient_v3_no_active_manifest": add("c2pa.ingredient.v3", PARENT | {"validationResults": {}}),
    "ingredient_v3_mandatory_validation_results": add("c2pa.ingredient.v3", PARENT | {"activeManifest": {}}),
    "ingredient_relationship_values": add("c2pa.ingredient.v3", {"relationship": "childOf"}),
    "mandatory_dst_for_created_action": set_actions({"action": "c2pa.created"}),
    "no_deprecated_claim_fields": lambda d: active(d)["claim.v2"].__setitem__("specVersion", "2.4.0"),
    "ingredient_v3_choice": add(
        "c2pa.ingredient.v3", PARENT | {"activeManifest": {}, "validationResults": {}, "digitalSourceType": DST}
    ),
    "alternative_content_representation_choice": add(
        "c2pa.alternative-content-representation", {"type": "exif.originalPreservationImage", "parameters": {}}
    ),
    "forbidden_labels_in_external_references": add(
        "c2pa.external-reference", {"label": "c2pa.hash.data", "url": "https://example.org"}
    ),
    "no_url_in_hashes": add("c2pa.hash.data", {"url": "x"}),
    "all_actions_included_opened": set_actions(
        {"action": "c2pa.opened", "parameters": {"ingredients": [{}]}}, allActionsIncluded=False
    ),
    "opened_action_ingredient_reference": set_actions({"action": "c2pa.opened"}, {"action": "c2pa.transcoded"}),
}


def failed(document):
    return {result.id.removeprefix("validation:") for result in check_manifest(document) if not result.ok}


def test_good_meets_all():
    results = check_manifest(good())
    assert len(results) == len({result.id for result in results}) == 31
    assert all(result.ok for result in results)


@pytest.mark.parametrize("name", CASES)
def test_fails_alone(name):
    document = copy.deepcopy(good())
    CASES[name](document)
    assert failed(document) == {name}


def test_results_missing():
    document = good()
    active(document).pop("validationResults")
    wanted = {"well_formed_data_present", "well_formed_success", "valid_data_present", "valid_success"}
    assert failed(document) == wanted


def test_box_hash_for_tiff():
    document = good()
    active(document)["assertions"] |= {"c2pa.hash.boxes": {}, "c2pa.asset-type.v2": {"dc:format": "image/tiff"}}
    assert failed(document) == {"no_box_hash_for_tiff"}


def test_repeated_assertions_count_by_their_base_name():
    document = good()
    active(document)["assertions"]["c2pa.soft-binding__1"] = {"alg": "x"}
    assert failed(document) == set()


def test_file_without_credentials(clip):
    with pytest.raises(InputError):
        check_manifest(clip)


@pytest.mark.shared
def test_every_requirement_of_the_official_rubric_is_here(shared_data):
    import yaml

    path = shared_data / "c2pa" / "asset-rubric-conformance0.2-spec2.4.yml"
    with path.open() as stream:
        official = [entry["id"] for part in yaml.safe_load_all(stream) if isinstance(part, list) for entry in part]
    assert sorted(official) == sorted(result.id for result in check_manifest(good()))
