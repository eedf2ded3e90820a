"""Every rule that a file can show, with a file that passes, one that fails, one that cannot be told and one beside it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from policies.rules import Rule
from thsafe.audit import checkers, law, record
from thsafe.audit.answers import Facts
from thsafe.audit.checkers import BY_RULE, BY_WORD, judge
from thsafe.audit.model import FileState, LabelSeen, Measurement, Standing, Verdict
from thsafe.audit.run import _beside_the_point
from thsafe.core.errors import UsageError
from thsafe.store.outputs import OutputRecord

RULES = {rule.id: rule for rule in law.load_rules()}
SHOWN = sorted(name for name, rule in RULES.items() if rule.checker)
TODAY = datetime(2026, 11, 22, tzinfo=UTC)
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
AIGC = (
    '{"Label":"1","ContentProducer":"p","ProduceID":"1","ReservedCode1":"","ContentPropagator":"p","PropagateID":"1",'
    '"ReservedCode2":""}'
)

RECORD = OutputRecord(
    manifest_id="urn:c2pa:1",
    watermark_id="0011223344556677",
    sha256="ab" * 32,
    essence_hash=None,
    fingerprint=None,
    manifest=b"",
    media_type="video/mp4",
    created_at="2026-11-01T00:00:00.000Z",
    ledger_index=8,
    path="out.mp4",
    duration=4.0,
    engine="portrait",
    task="animate",
)


def seen_label(spec, *, present=True, height=None, contrast=9.0):
    label = law.labels_of(
        [Rule(id="x", pack="house", says="", source="", accessed=date(2026, 1, 1), status="house", label=spec)]
    )[0]
    return LabelSeen(
        label=label,
        present=present,
        height=label.height if height is None else height,
        contrast=contrast,
        first_seen=0.0,
        last_seen=4.0,
    )


_LABELLED = sorted((rule.label for rule in RULES.values() if rule.label), key=lambda spec: spec.icon)
SPECS = {(spec.text, spec.position): spec for spec in _LABELLED}.values()

GOOD = Measurement(
    duration=4.0,
    credentials_state="intact",
    credentials_intact=True,
    manifest_id=RECORD.manifest_id,
    signer="Example Studio",
    signed_at="2026-11-01T00:00:00Z",
    time_stamped=True,
    digital_source_types=(GENERATED,),
    actions=("c2pa.created",),
    software="portrait 0.1.0",
    ingredients=2,
    signpost="https://example.org",
    watermark_state="id",
    watermark_id=RECORD.watermark_id,
    labels=tuple(seen_label(spec) for spec in SPECS),
    metadata={"AIGC": AIGC},
)
BAD = Measurement(
    credentials_state="absent",
    credentials_intact=False,
    watermark_state="absent",
    labels=tuple(seen_label(spec, present=False, height=0.0, contrast=0.0) for spec in SPECS),
)
BLIND = Measurement(notes=("The decoder stopped.",))

INTENT = {
    "type": "intent",
    "job": "j",
    "request": "ab" * 32,
    "purpose": "training-video",
    "territories": ["DE"],
    "inputs": [
        {"role": "portrait", "sha256": "aa" * 32, "kind": "image", "performer": "person"},
        {"role": "voice", "sha256": "bb" * 32, "kind": "audio", "performer": "person"},
        {"role": "text", "sha256": "cc" * 32, "kind": "text", "performer": "synthetic"},
    ],
    "declared": {"sexual": False, "fraud": False, "election": False, "explicit": True},
    "screened": False,
    "consents": [{"id": "c", "digest": "dd" * 32, "input": "portrait", "match": "digest", "assurance": "self"}],
    "policy": "ee" * 32,
}
SYNTHETIC = {
    **INTENT,
    "consents": [],
    "inputs": [{"role": "portrait", "sha256": "aa" * 32, "kind": "image", "performer": "synthetic"}],
}
WRONG = {
    **INTENT,
    "request": "",
    "purpose": "",
    "territories": ["XX-?"],
    "declared": {"sexual": True, "fraud": True, "election": True, "explicit": True},
    "consents": [],
}
STANDING = Standing(
    id="c", state="active", digest="dd" * 32, specific=True, deceased=True, estate=True, biometric="transient"
)

FACTS = Facts(
    record=RECORD,
    state=FileState.INTACT,
    measurement=GOOD,
    intent=INTENT,
    intent_index=7,
    output_index=8,
    consents=(STANDING,),
    log_intact=True,
)


def verdict(name, **changes):
    judgement = judge(RULES[name], replace(FACTS, **changes))
    assert judgement.rule == name
    assert judgement.reason.endswith(".")
    return judgement.verdict


# Rules about sound alone need ears; an unlabelled copy is beside the point for a labelled file.
NEVER_PASS = {"CN-EXP-A", "EU-COP-S2b", "CN-9"}
NEVER_FAIL = NEVER_PASS


@pytest.mark.parametrize("name", sorted(set(SHOWN) - NEVER_PASS))
def test_good_file_passes(name):
    assert verdict(name) is Verdict.PASS


@pytest.mark.parametrize("name", sorted(set(SHOWN) - NEVER_FAIL))
def test_bad_file_fails_unless_the_text_was_not_read(name):
    standing = replace(STANDING, specific=False, estate=False, biometric="")
    found = verdict(name, measurement=BAD, intent=WRONG, intent_index=9, consents=(standing,))
    assert found is (Verdict.UNDETERMINED if law.unread(RULES[name]) else Verdict.FAIL)


def measured(name):
    """Whether the rule is judged by the file itself, not by the log alone."""
    return RULES[name].checker not in {"log", "consent"} or name in {"CN-9", "EU-COP-1.1.3"}


@pytest.mark.parametrize("name", [name for name in SHOWN if measured(name)])
def test_what_cannot_be_measured_is_undetermined(name):
    if RULES[name].media == "A":
        sound = replace(BLIND, media="A")
        assert verdict(name, measurement=sound) is Verdict.UNDETERMINED
        return
    assert verdict(name, measurement=BLIND) is Verdict.UNDETERMINED
    assert verdict(name, measurement=None, state=FileState.MISSING) is Verdict.UNDETERMINED


@pytest.mark.parametrize("name", [name for name in SHOWN if RULES[name].since])
def test_dates_decide(name):
    rule = RULES[name]
    before = datetime(rule.since.year, rule.since.month, rule.since.day, tzinfo=UTC) - (TODAY - TODAY.replace(day=21))
    assert law.out_of_time(rule, made=before, as_of=before).startswith("Not in force on")
    if rule.since <= TODAY.date():
        assert law.out_of_time(rule, made=before, as_of=TODAY).startswith("The file is older")
        assert law.out_of_time(rule, made=TODAY, as_of=TODAY) is None
        assert law.out_of_time(rule, made=TODAY, as_of=before).startswith("Not in force on")


def test_repealed_rules_and_bills():
    rule = replace(RULES["EU-50-2"], until=date(2026, 10, 1))
    assert law.out_of_time(rule, made=TODAY, as_of=TODAY).startswith("No longer")
    assert law.out_of_time(RULES["US-NOFAKES"], made=TODAY, as_of=TODAY) == "A bill, not law."
    assert law.out_of_time(RULES["CN-DVH"], made=TODAY, as_of=TODAY) == "A draft, not law."


@pytest.mark.parametrize(
    "name", [name for name in SHOWN if RULES[name].checker == "consent" and name != "HOUSE-SYNTHETIC"]
)
def test_nobody_shown_needs_no_consent(name):
    assert verdict(name, intent=SYNTHETIC, consents=()) is Verdict.NOT_APPLICABLE
    assert verdict(name, intent={}, intent_index=None, consents=()) is Verdict.UNDETERMINED


@pytest.mark.parametrize("name", [name for name in SHOWN if RULES[name].checker == "log" and not measured(name)])
def test_what_the_log_must_prove(name):
    assert verdict(name, log_intact=False) is Verdict.FAIL
    assert verdict(name, intent={}, intent_index=None) is Verdict.FAIL


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("EU-COP-1.1.1a", {"digital_source_types": (GENERATED.replace("trainedAlgorithmicMedia", "digitalCapture"),)}),
        ("EU-COP-1.1.1a", {"digital_source_types": ()}),
        ("EU-COP-1.1.1b", {"time_stamped": False}),
        ("EU-COP-1.2", {"ingredients": 1}),
        ("EU-COP-3.4", {"signpost": ""}),
        ("CA-3a-A", {"signer": ""}),
        ("CA-3a-B", {"software": "portrait"}),
        ("CA-3a-C", {"signed_at": None}),
        ("CA-3a-D", {"manifest_id": None}),
        ("CA-3a-E", {"actions": ("c2pa.published",)}),
        ("IN-3(3)-M", {"software": ""}),
        ("IPTC-DST", {"digital_source_types": ("trainedAlgorithmicMedia",)}),
        ("HOUSE-MARKS", {"watermark_id": "ffffffffffffffff"}),
        ("EU-COP-1.1", {"credentials_intact": False}),
        ("EU-COP-1.1.2", {"watermark_state": "absent", "watermark_id": None}),
    ],
)
def test_one_missing_item_fails(name, change):
    assert verdict(name, measurement=replace(GOOD, **change)) is Verdict.FAIL


def test_one_mark_is_enough_where_the_law_asks_for_one():
    bare = replace(GOOD, credentials_intact=False)
    assert verdict("EU-50-2", measurement=bare) is Verdict.PASS
    assert verdict("EU-50-2", measurement=replace(bare, watermark_id=None, watermark_state="absent")) is Verdict.FAIL
    assert verdict("EU-50-2", measurement=replace(bare, watermark_state="not-evaluated")) is Verdict.UNDETERMINED
    unreadable = replace(GOOD, watermark_state="present", watermark_id=None)
    assert verdict("HOUSE-MARKS", measurement=unreadable) is Verdict.UNDETERMINED


@pytest.mark.parametrize("word", ["digitalCreation", "virtualRecording"])
def test_whether_drawing_by_code_is_ai_is_left_to_people(word):
    drawn = replace(GOOD, digital_source_types=(GENERATED.replace("trainedAlgorithmicMedia", word),))
    assert verdict("EU-COP-1.1.1a", measurement=drawn) is Verdict.UNDETERMINED
    both = replace(drawn, digital_source_types=(*drawn.digital_source_types, GENERATED))
    assert verdict("EU-COP-1.1.1a", measurement=both) is Verdict.PASS


@pytest.mark.parametrize(
    ("height", "contrast", "expected"),
    [(0.05, 9, "pass"), (0.046, 9, "pass"), (0.044, 9, "fail"), (0.05, 2.9, "fail"), (0.2, 3.0, "pass")],
)
def test_size_and_contrast_of_the_label(height, contrast, expected):
    label = seen_label(RULES["HOUSE-LABEL"].label, height=height, contrast=contrast)
    assert verdict("HOUSE-LABEL", measurement=replace(GOOD, labels=(label,))) == expected


def test_label_that_nobody_looked_for():
    assert verdict("HOUSE-LABEL", measurement=replace(GOOD, labels=())) is Verdict.UNDETERMINED
    assert verdict("HOUSE-LABEL", measurement=replace(GOOD, media="A")) is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("text", ["", "[]", '{"Label":"1"}', AIGC.replace('"1"', '"9"', 1)])
def test_aigc_keys_that_are_wrong(text):
    rule = replace(RULES["CN-IMP"], source_read=True, read_instead="")  # the same rule, had its text been read
    facts = replace(FACTS, measurement=replace(GOOD, metadata={"AIGC": text}))
    assert judge(rule, facts).verdict is Verdict.FAIL
    undetermined = judge(RULES["CN-IMP"], facts)
    assert undetermined.verdict is Verdict.UNDETERMINED
    assert "not read" in undetermined.reason


def test_unverified_rules_never_fail():
    for changes in ({"status": "unverified"}, {"source_read": False, "read_instead": "a summary"}):
        rule = replace(RULES["HOUSE-MARKS"], **changes)
        assert judge(rule, replace(FACTS, measurement=BAD)).verdict is Verdict.UNDETERMINED
        assert judge(rule, FACTS).verdict is Verdict.PASS


def test_rules_read_second_hand_are_named_in_the_table():
    assert {name for name, rule in RULES.items() if rule.read_instead} == {
        "CN-EXP-I", "CN-EXP-A", "CN-IMP", "CN-IMP-LOC", "KR-31", "WA-1170",
    }  # fmt: skip
    assert not any(rule.source_read for rule in RULES.values() if rule.read_instead or rule.status == "unverified")


def test_consent_withdrawn_since():
    revoked = replace(STANDING, state="revoked")
    assert verdict("HOUSE-CONSENT", consents=(revoked,)) is Verdict.PASS
    assert verdict("HOUSE-CONSENT", consents=(replace(revoked, takedown=True),)) is Verdict.FAIL
    assert verdict("HOUSE-CONSENT", consents=(replace(STANDING, digest="00" * 32),)) is Verdict.FAIL
    assert verdict("HOUSE-CONSENT", consents=()) is Verdict.PASS
    for name in ("CA-927", "NY-50f", "GDPR-7-3"):
        assert verdict(name, consents=()) is Verdict.UNDETERMINED
    assert verdict("NY-50f", consents=(replace(STANDING, deceased=False),)) is Verdict.NOT_APPLICABLE


def test_content_that_nobody_looked_at():
    silent = {**INTENT, "declared": {"sexual": False, "fraud": False, "election": False, "explicit": False}}
    assert verdict("UK-138", intent=silent) is Verdict.UNDETERMINED
    assert verdict("UK-138", intent={**silent, "screened": True}) is Verdict.PASS
    nobody = {**SYNTHETIC, "declared": silent["declared"]}
    assert verdict("UK-138", intent=nobody) is Verdict.NOT_APPLICABLE
    assert verdict("EU-5-NCII", intent=nobody) is Verdict.UNDETERMINED


def test_which_jobs_a_rule_reaches():
    assert law.concerns(RULES["HOUSE-LABEL"], ["JP"])
    assert law.concerns(RULES["EU-50-2"], ["DE"])
    assert not law.concerns(RULES["EU-50-2"], ["JP"])
    assert law.concerns(RULES["CA-3a-A"], ["US"])
    assert law.concerns(RULES["EU-50-2"], [])
    assert not law.concerns(RULES["CN-EXP-V"], [])
    assert law.concerns(RULES["CN-EXP-V"], ["WORLD"])
    advert = replace(FACTS, intent={**SYNTHETIC, "purpose": "advertising"})
    assert _beside_the_point(RULES["NY-396b"], advert) is None
    assert "advertising" in _beside_the_point(RULES["NY-396b"], FACTS)
    assert "synthetic" in _beside_the_point(
        RULES["NY-396b"], replace(FACTS, intent={**INTENT, "purpose": "advertising", "inputs": []})
    )
    assert "media" in _beside_the_point(RULES["CN-EXP-I"], FACTS)


def test_scope():
    assert {rule.pack for rule in law.select(RULES.values(), ("eu",))} == {"EU"}
    assert [rule.id for rule in law.select(RULES.values(), ("ca-3a-c",))] == ["CA-3a-C"]
    assert len(law.select(RULES.values(), ())) == len(RULES)
    with pytest.raises(UsageError) as caught:
        law.select(RULES.values(), ("eu", "atlantis"))
    assert caught.value.found == "ATLANTIS"


def test_every_rule_of_the_table_has_its_checker():
    assert {rule.checker for rule in RULES.values()} - {""} <= set(BY_WORD)
    assert set(BY_RULE) <= set(RULES)


def test_labels_that_say_the_same_are_looked_for_once():
    spec = RULES["HOUSE-LABEL"].label
    large = replace(RULES["HOUSE-LABEL"], id="L", label=replace(spec, height=0.08, seconds=2.0))
    longer = replace(large, id="M", label=replace(spec, seconds=5.0))
    (merged,) = law.labels_of([large, longer])
    assert (merged.height, merged.seconds, merged.rule_ids) == (0.08, 5.0, ("L", "M"))
    (whole,) = law.labels_of([large, RULES["HOUSE-LABEL"], longer])
    assert whole.seconds is None


def examples(name):
    """Every verdict that the rule comes to over the examples of this file, dates included."""
    rule = RULES[name]
    silent = {key: value for key, value in INTENT.items() if key in {"type", "job", "inputs"}}
    undeclared = {**INTENT, "declared": {"sexual": False, "fraud": False, "election": False, "explicit": False}}
    standing = replace(STANDING, specific=False, estate=False, biometric="")
    changes = [
        {},
        {"measurement": BAD, "intent": WRONG, "intent_index": 9, "consents": (standing,)},
        {"measurement": BLIND},
        {"measurement": replace(BLIND, media="A")},
        {"intent": silent},
        {"intent": undeclared},
        {"intent": {}, "intent_index": None, "consents": ()},
        {"intent": SYNTHETIC, "consents": ()},
        {"intent": {**INTENT, "inputs": INTENT["inputs"][:2]}},
        {"consents": ()},
    ]
    found = {verdict(name, **change) for change in changes}
    media = next((letter for letter in "IAV" if letter not in rule.media), None)
    beside = media and _beside_the_point(rule, replace(FACTS, measurement=replace(GOOD, media=media)))
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    if beside or law.out_of_time(rule, made=TODAY, as_of=long_ago):
        found.add(Verdict.NOT_APPLICABLE)
    if not law.concerns(rule, ["JP"]):
        found.add(Verdict.NOT_APPLICABLE)
    return found


ALWAYS_JUDGED = {
    "HOUSE-BINDING",
    "HOUSE-CLOCK",
    "HOUSE-ELECTION",
    "HOUSE-MARKS",
    "HOUSE-PURPOSE",
    "HOUSE-TERRITORY",
    "IPTC-DST",
}
"""Rules of the house about every output there is."""

LOG_ALONE = {name for name in SHOWN if RULES[name].checker == "log" and checkers.checker_of(RULES[name]) is record.log}
"""What the log itself proves or does not: nothing there can be undetermined."""


@pytest.mark.parametrize("name", SHOWN)
def test_four_examples(name):
    expected = set(Verdict)
    if name in NEVER_PASS:
        expected.discard(Verdict.PASS)
    if name in NEVER_FAIL or law.unread(RULES[name]):
        expected.discard(Verdict.FAIL)
    if name in ALWAYS_JUDGED:
        expected.discard(Verdict.NOT_APPLICABLE)
    if name in LOG_ALONE | {"HOUSE-SYNTHETIC"}:
        expected.discard(Verdict.UNDETERMINED)
    assert examples(name) >= expected


def _cases():
    """What may be known of an output, from all to nothing."""
    ad = {**SYNTHETIC, "purpose": "advertising"}
    picture, sound = replace(RECORD, media_type="image/png"), replace(RECORD, media_type="audio/wav")
    wrong = replace(STANDING, specific=False, estate=False, biometric="")
    told = {name: INTENT[name] for name in ("type", "job", "inputs", "consents")}
    return [
        {},
        {"measurement": BAD, "intent": WRONG, "intent_index": 9, "consents": (wrong,)},
        {"measurement": BLIND},
        {"measurement": None, "state": FileState.MISSING},
        {"intent": {}, "intent_index": None, "consents": ()},
        {"intent": SYNTHETIC, "consents": ()},
        {"intent": told, "consents": ()},
        {"log_intact": False},
        {"record": picture, "measurement": replace(GOOD, media="I")},
        {"record": picture, "measurement": replace(BLIND, media="I")},
        {"record": sound, "measurement": replace(GOOD, media="A", labels=())},
        {"record": sound, "measurement": replace(BLIND, media="A")},
        {"intent": ad, "consents": ()},
        {"intent": ad, "consents": (), "measurement": BAD},
        {"intent": ad, "consents": (), "measurement": BLIND},
    ]


NEVER = {
    # Whether something is said aloud needs ears; whether somebody asked for an unlabelled copy is not logged.
    **dict.fromkeys(("CN-EXP-A", "EU-COP-S2b", "CN-9"), frozenset((Verdict.PASS, Verdict.FAIL))),
    # The log shows these or it does not.
    **dict.fromkeys(("HOUSE-CLOCK", "HOUSE-SYNTHETIC", "TN-1105"), frozenset((Verdict.UNDETERMINED,))),
}
"""Verdicts that a rule cannot come to, and why."""


@pytest.mark.parametrize("name", SHOWN)
def test_every_rule_has_an_example_of_every_verdict(name):
    rule = RULES[name]
    found = set()
    for case in _cases():
        facts = replace(FACTS, **case)
        found.add(Verdict.NOT_APPLICABLE if _beside_the_point(rule, facts) else judge(rule, facts).verdict)
    if rule.since:
        before = datetime(rule.since.year, rule.since.month, rule.since.day, tzinfo=UTC) - timedelta(days=1)
        assert law.out_of_time(rule, made=before, as_of=before)
        found.add(Verdict.NOT_APPLICABLE)
    expected = set(Verdict) - NEVER.get(name, frozenset())
    if law.unread(rule):
        expected -= {Verdict.FAIL}
        assert Verdict.FAIL not in found
    if rule.pack == "house":
        expected -= {Verdict.NOT_APPLICABLE}  # the house asks the same of everything that it publishes
    assert found >= expected, expected - found
