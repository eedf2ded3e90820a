"""The bundle as shipped, its law table, and what the table makes the loop do."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from policies import pin
from policies.bundle import BASELINE, BASELINE_DIGESTS, PACKAGE_FOLDER, PolicyBundle, read_files
from policies.engine import Depiction, PolicyFacts, decide
from policies.lint import lint
from policies.obligations import metadata_texts
from policies.rules import parse_rules
from policies.territories import EU_MEMBERS, enclosing, is_known, uncovered
from thsafe.core.errors import PolicyRefused


@pytest.fixture(scope="module")
def bundle():
    return PolicyBundle.load()


def facts(**changes):
    return PolicyFacts(
        **{
            "task": "say",
            "requester": "did",
            "job": "job",
            "purpose": "demonstration",
            "now": datetime(2026, 11, 22, tzinfo=UTC),
            "media_intact": True,
            "depictions": (Depiction(media="p", performer="synthetic", synthetic_proof=True),),
            **changes,
        }
    )


def test_the_shipped_bundle_is_sound_and_pinned():
    assert lint(read_files(PACKAGE_FOLDER)) == []
    assert (PACKAGE_FOLDER / BASELINE_DIGESTS).read_text() == pin.pinned()


def test_every_shipped_forbid_is_baseline(bundle):
    assert {note.id for note in bundle.notes.values() if note.effect == "forbid"} == BASELINE


def test_the_digest_covers_every_file(tmp_path):
    from policies.bundle import digest_of

    files = read_files(PACKAGE_FOLDER)
    whole = digest_of(files)
    for name in files:
        assert digest_of({**files, name: files[name] + "\n"}) != whole
        assert digest_of({other: text for other, text in files.items() if other != name}) != whole


def test_a_folder_without_a_bundle_is_refused(tmp_path):
    with pytest.raises(PolicyRefused) as caught:
        PolicyBundle.load(tmp_path)
    assert caught.value.code == "policy.unreadable"


def test_every_label_is_readable_and_says_ai(bundle):
    for territory in ("DE", "US-CA", "US-WA", "US-NY", "CN", "IN", "KR", "WORLD"):
        labels = decide(bundle, facts(territories=(territory,), purpose="advertising")).obligations.labels
        whole = [label for label in labels if label.seconds is None and label.start == 0.0]
        assert any("AI" in label.text and label.height >= 0.05 and label.position == "top-right" for label in whole)
        assert len({label.position for label in labels}) == len(labels)


def test_chinas_label_lasts_and_is_tall_enough(bundle):
    labels = decide(bundle, facts(territories=("CN",))).obligations.labels
    [chinese] = [label for label in labels if "CN-EXP-V" in label.rule_ids]
    assert chinese.height >= 0.05
    assert chinese.start == 0.0
    assert chinese.seconds is None or chinese.seconds >= 2.0
    assert "AI" in chinese.text
    assert "生成" in chinese.text


def test_chinas_key_holds_seven_plain_ascii_fields(bundle):
    key = decide(bundle, facts(territories=("CN",))).obligations.metadata["AIGC"]
    assert len(key) == 7
    assert key["Label"] == "1"
    for value in key.values():
        assert value.isascii()
        assert not set(value) & set(" \"'\\")


@pytest.mark.parametrize(
    ("territory", "rule"),
    [
        ("FR", "EU-50-4"),
        ("US-CA", "CA-3a-E"),
        ("US", "CA-3a-A"),
        ("US-NY", "NY-50f"),
        ("KR", "KR-31"),
        ("IN", "IN-3(3)-M"),
    ],
)
def test_each_places_duties_are_named(bundle, territory, rule):
    assert rule in decide(bundle, facts(territories=(territory,))).obligations.rule_ids


def test_law_is_read_as_of_the_job(bundle):
    early = decide(bundle, facts(territories=("DE",), now=datetime(2026, 8, 1, 23, 59, tzinfo=UTC)))
    late = decide(bundle, facts(territories=("DE",), now=datetime(2026, 8, 2, tzinfo=UTC)))
    assert "EU-50-4" not in early.obligations.rule_ids
    assert "EU-50-4" in late.obligations.rule_ids
    assert early.obligations.labels[0].text == "AI-generated"
    washington = facts(territories=("US-WA",), now=datetime(2027, 2, 1, tzinfo=UTC))
    assert "WA-1170" in decide(bundle, washington).obligations.rule_ids
    assert "WA-1170" not in decide(bundle, facts(territories=("US-WA",))).obligations.rule_ids


def test_bills_and_drafts_do_not_oblige(bundle):
    names = set(decide(bundle, facts(territories=("WORLD",))).obligations.rule_ids)
    idle = {rule.id for rule in bundle.rules if rule.status in {"bill", "draft", "unverified"}}
    assert idle
    assert names.isdisjoint(idle)


def test_places_lie_in_places():
    assert len(EU_MEMBERS) == 27
    assert enclosing("DE") == {"DE", "EU", "WORLD"}
    assert enclosing("US-CA") == {"US-CA", "US", "WORLD"}
    assert uncovered(("DE", "NO"), {"EU"}) == {"NO"}
    assert uncovered((), {"EU"}) == {"WORLD"}
    assert all(is_known(code) for code in ("WORLD", "EU", "DE", "US-CA", "GB-ENG", "FR-75"))
    assert not any(is_known(code) for code in ("", "de", "XX", "US-", "US-CALIF", "UK", "XX-CA", "DE\n"))


@pytest.mark.parametrize(
    "row",
    [
        "{}",
        "- says: x",
        "- {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: perhaps}",
        "- {id: a, pack: EU, says: x, source: y, accessed: soon, status: in-force}",
        "- {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: in-force, since: soon}",
        "- {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: in-force, media: X}",
        "- {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: in-force, colour: red}",
        "- {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: in-force, label: {size: 1}}",
        "- {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: in-force, source_read: perhaps}",
        "- {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: in-force, source_read: false}",
        "- {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: unverified}",
        "- &r {id: a, pack: EU, says: x, source: y, accessed: 2026-01-01, status: house}\n- *r",
    ],
)
def test_a_law_table_with_a_bad_row_is_refused(row):
    with pytest.raises(ValueError):
        parse_rules(row)


def test_every_row_names_its_source_and_day(bundle):
    for rule in bundle.rules:
        assert rule.source
        assert rule.accessed <= date(2026, 11, 22)
        assert (
            rule.status == "house"
            or rule.since is not None
            or rule.status in {"bill", "draft", "unverified"}
            or rule.id == "IPTC-DST"
        )


def test_braces_in_a_file_name_are_not_a_placeholder(bundle):
    odd = Depiction(media="{purpose}.png", performer="person")
    [reason] = decide(bundle, facts(depictions=(odd,))).reasons
    assert "{purpose}.png" in reason.words
    assert '"demonstration"' in reason.words


def test_metadata_is_written_as_json_without_anything_left_open(bundle):
    metadata = decide(bundle, facts(territories=("CN",))).obligations.metadata
    text = metadata_texts(metadata, provider="did:key:z6Mk", output="urn:c2pa:1")["AIGC"]
    assert json.loads(text) == {
        "Label": "1",
        "ContentProducer": "did:key:z6Mk",
        "ProduceID": "urn:c2pa:1",
        "ReservedCode1": "",
        "ContentPropagator": "did:key:z6Mk",
        "PropagateID": "urn:c2pa:1",
        "ReservedCode2": "",
    }
    for provider in ("A Company", 'a"b', "a\\b", "Müller"):
        with pytest.raises(ValueError):
            metadata_texts(metadata, provider=provider, output="x")


def test_the_refusal_of_a_purpose_lists_those_that_are_known(bundle):
    [reason] = decide(bundle, facts(purpose="advert")).reasons
    assert reason.id == "use.purpose"
    for word in reason.next_step.removeprefix("use one of: ").split(", "):
        refused = decide(bundle, facts(purpose=word)).rule_ids
        assert "use.purpose" not in refused, word
