"""Policy files are edited, deleted, widened or doubled before the gate reads them."""

from __future__ import annotations

import shutil

import pytest

from policies.bundle import PACKAGE_FOLDER, PolicyBundle
from thsafe.core.errors import PolicyRefused


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    for pattern in ("*.cedar", "*.cedarschema", "rules.yaml"):
        for path in PACKAGE_FOLDER.glob(pattern):
            shutil.copy(path, folder)
    return folder


def edit(folder, name, old, new):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def code_of(folder):
    with pytest.raises(PolicyRefused) as caught:
        PolicyBundle.load(folder)
    return caught.value.code


def test_a_faithful_copy_loads(bundle):
    assert PolicyBundle.load(bundle).digest == PolicyBundle.load().digest


def test_a_customer_may_add_a_forbid(bundle):
    (bundle / "50-ours.cedar").write_text(
        '@id("ours.no-advertising")\n@rule("HOUSE-PURPOSE")\n@words("No advertising here.")\n@next("another purpose")\n'
        'forbid (principal, action, resource) when { context.purpose == "advertising" };\n'
    )
    loaded = PolicyBundle.load(bundle)
    assert loaded.digest != PolicyBundle.load().digest
    assert "ours.no-advertising" in loaded.notes


def test_a_deleted_file(bundle):
    (bundle / "20-use.cedar").unlink()
    assert code_of(bundle) == "policy.baseline"


def test_a_weakened_condition(bundle):
    edit(bundle, "20-use.cedar", "when { context.declared.sexual ||", "when { false && context.declared.sexual ||")
    assert code_of(bundle) == "policy.baseline"


def test_a_widened_exception(bundle):
    edit(bundle, "10-consent.cedar", "unless { context.consent.present }", "unless { true }")
    assert code_of(bundle) == "policy.baseline"


def test_a_narrowed_action(bundle):
    edit(bundle, "10-consent.cedar", 'action in Action::"generate"', 'action == Action::"say"')
    assert code_of(bundle) == "policy.baseline"


def test_a_permit_elsewhere(bundle):
    (bundle / "50-ours.cedar").write_text('@id("ours.all")\npermit (principal, action, resource);\n')
    assert code_of(bundle) == "policy.permit"


def test_a_doubled_id(bundle):
    (bundle / "50-ours.cedar").write_text(
        '@id("consent.missing")\n@rule("HOUSE-PURPOSE")\n@words("x")\n@next("y")\n'
        "forbid (principal, action, resource) when { false };\n"
    )
    assert code_of(bundle) == "policy.id"


def test_a_policy_without_id(bundle):
    (bundle / "50-ours.cedar").write_text("forbid (principal, action, resource) when { false };\n")
    assert code_of(bundle) == "policy.id"


def test_a_misspelt_attribute(bundle):
    (bundle / "50-ours.cedar").write_text(
        '@id("ours.x")\n@rule("HOUSE-PURPOSE")\n@words("x")\n@next("y")\n'
        'forbid (principal, action, resource) when { context.porpoise == "x" };\n'
    )
    assert code_of(bundle) == "policy.schema"


def test_a_schema_with_an_optional_attribute(bundle):
    edit(bundle, "schema.cedarschema", "present: Bool", "present?: Bool")
    assert code_of(bundle) == "policy.schema"


def test_a_rule_that_is_not_in_the_table(bundle):
    edit(bundle, "rules.yaml", '"HOUSE-CLOCK"', '"HOUSE-CLOCKS"')
    assert code_of(bundle) == "policy.rule"


def test_a_label_taken_out_of_the_table(bundle):
    text = (bundle / "rules.yaml").read_text()
    (bundle / "rules.yaml").write_text(text.replace('  label: {"text": "AI-generated"}\n', ""))
    assert code_of(bundle) == "policy.baseline"


def test_text_that_is_no_policy(bundle):
    (bundle / "50-ours.cedar").write_text("allow everything")
    assert code_of(bundle) == "policy.schema"


def test_another_engine(bundle, monkeypatch):
    import policies.bundle

    monkeypatch.setattr(policies.bundle, "ENGINE_RANGE", ((9, 0), (10, 0)))
    assert code_of(bundle) == "policy.engine"


def test_a_pinned_bundle_is_the_one_that_decides(world):
    """The digest of the bundle that was asked stands in the log, so that an exchange shows."""
    from policies.engine import PolicyBundle

    world.own_consent()
    world.ask()
    assert world.last_event()["policy"] == PolicyBundle.load().digest
