"""The gate: a permit for what is consented and lawful, an error that says all for anything else."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import pickle
from datetime import timedelta

import pytest

from thsafe.consent.files import write_json
from thsafe.core.errors import ConsentRefused, InputError, PolicyRefused, UsageError
from thsafe.core.types import MediaKind, MediaRef, Task
from thsafe.gate import PERMIT_TERM, Permit, verify_inputs


def synthetic(world, **changes):
    return world.ref(performer="synthetic", **changes)


def test_self_consent_in_one_step_opens_the_gate(world):
    record = world.own_consent(name="A. Person")
    permit = world.ask()
    assert permit.decision.allowed
    assert permit.decision.consent_ids == (record.id,)
    assert permit.consent_digests == (record.digest,)
    assert permit.obligations.labels[0].text == "AI-generated"
    event = world.last_event()
    assert event["type"] == "intent"
    assert event["consents"][0]["assurance"] == "self"
    assert event["consents"][0]["match"] == "exact-media"
    assert event["policy"] == permit.decision.policy_digest
    permit.check(world.request(job_id="job-1", nonce="nonce-1"), now=world.now)


def test_no_consent_is_refused_in_words_that_say_what_to_do(world):
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.explain() == (
        'error[consent.missing]: No consent covers the person in portrait.png for purpose "demonstration".\n'
        "  found   no portrait.consent.json beside portrait.png, none in THSAFE_CONSENT or the consent store\n"
        "  rule    policies/10-consent.cedar @id consent.missing\n"
        "  next    thsafe consent new --self --portrait portrait.png   "
        "(your own face; for anyone else: thsafe consent request)\n"
        "  log     event 0; nothing was written"
    )
    assert world.last_event()["type"] == "refusal"
    assert world.last_event()["rules"] == ["consent.missing"]


def test_all_failing_rules_are_named_at_once(world):
    world.own_consent(purposes=["demonstration"], territories=["DE"])
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(purpose="advertising", territories=("FR",)))
    assert caught.value.code == "consent.purpose"
    for name in ("consent.purpose", "consent.territories", "consent.assurance"):
        assert f"@id {name}" in caught.value.rule
        assert name in world.last_event()["rules"]
    assert "demonstration" in caught.value.found


def test_a_closed_use_is_named_first_and_offers_no_way_round(world):
    world.own_consent()
    with pytest.raises(PolicyRefused) as caught:
        world.ask(world.request(params={"declared": {"sexual": True}}))
    assert caught.value.code == "use.sexual"
    assert caught.value.next_step == "there is no next step: this use is closed"
    assert world.last_event()["declared"] == {
        "sexual": True,
        "fraud": False,
        "election": False,
        "celebrity": False,
        "explicit": True,
    }


@pytest.mark.parametrize("word", ["fraud", "election", "celebrity"])
def test_every_declared_abuse_is_refused_whatever_the_consent(world, word):
    world.consent()
    with pytest.raises(PolicyRefused) as caught:
        world.ask(world.request(params={"declared": {word: True}}))
    assert caught.value.code == f"use.{word}"


def test_models_of_named_people_are_refused(world):
    world.consent()
    with pytest.raises(PolicyRefused) as caught:
        world.ask(world.request(task=Task.SWAP, params={"deep_swapper_model": "someone/a_name_320"}))
    assert caught.value.code == "use.celebrity"


@pytest.mark.parametrize("declared", [{"sexual": "no"}, {"sexual": 0}, {"nudity": False}, ["sexual"], "none"])
def test_a_declaration_that_cannot_be_read_is_no_declaration(world, declared):
    world.own_consent()
    with pytest.raises(UsageError, match="declaration"):
        world.ask(world.request(params={"declared": declared}))


def test_screening_counts_like_a_declaration(world):
    world.own_consent()
    gate = world.new_gate(screen=lambda _: frozenset({"sexual"}))
    with pytest.raises(PolicyRefused) as caught:
        gate.ask(world.request())
    assert caught.value.code == "use.sexual"


def test_synthetic_needs_proof_not_a_word(world):
    request = world.request(inputs=(synthetic(world),))
    with pytest.raises(ConsentRefused) as caught:
        world.ask(request)
    assert caught.value.code == "consent.synthetic-proof"
    permit = world.new_gate(synthetic_proof=lambda _: True).ask(world.request(inputs=(synthetic(world),)))
    assert permit.consent_digests == ()


def test_a_drawn_portrait_has_no_file(world):
    drawn = MediaRef(role="portrait", path=None, sha256="a" * 64, kind=MediaKind.IMAGE, performer="synthetic")
    request = world.request(inputs=(drawn,))
    permit = world.new_gate(synthetic_proof=lambda ref: ref.sha256 == "a" * 64).ask(request)
    permit.verify_inputs(request, now=world.now)
    with pytest.raises(ConsentRefused):
        world.new_gate(synthetic_proof=lambda ref: ref.sha256 == "b" * 64).ask(world.request(inputs=(drawn,)))


def test_a_person_without_a_file_is_never_intact(world):
    ghost = MediaRef(role="portrait", path=None, sha256="a" * 64, kind=MediaKind.IMAGE)
    with pytest.raises(PolicyRefused) as caught:
        world.ask(world.request(inputs=(ghost,)))
    assert caught.value.code == "media.job-digest"
    assert "consent.missing" in caught.value.rule


def test_both_people_of_a_swap_must_agree(world):
    other = world.file("target.mp4", b"a film of someone else")
    world.consent()
    inputs = (world.ref(), world.ref(other, role="target", kind=MediaKind.VIDEO))
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(task=Task.SWAP, inputs=inputs))
    assert caught.value.code == "consent.missing"
    assert "target.mp4" in caught.value.message
    from thsafe.consent.record import Reference

    world.consent(references=(Reference(role="target", sha256=inputs[1].sha256),))
    permit = world.ask(world.request(task=Task.SWAP, inputs=inputs))
    assert len(permit.consent_digests) == 2


def test_a_driver_lends_movement_not_a_likeness(world):
    world.own_consent()
    driver = world.ref(world.file("driver.mp4", b"someone moving"), role="driver", kind=MediaKind.VIDEO)
    assert world.ask(world.request(task=Task.DRIVE, inputs=(world.ref(), driver))).decision.allowed
    with pytest.raises(ConsentRefused, match=r"driver\.mp4"):
        world.ask(world.request(task=Task.LIPSYNC, inputs=(world.ref(), driver)))


@pytest.mark.parametrize("performer", ["none", "nobody", "", "Person"])
def test_an_input_cannot_claim_to_show_nobody(world, performer):
    world.own_consent()
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(inputs=(world.ref(performer=performer),)))
    assert caught.value.code == "consent.performer"


def test_a_picture_in_any_other_role_needs_consent(world):
    extra = world.ref(world.file("extra.png", b"another face"), role="background")
    world.own_consent()
    with pytest.raises(ConsentRefused, match=r"extra\.png"):
        world.ask(world.request(inputs=(world.ref(), extra)))


def test_a_picture_posing_as_voice_needs_consent(world):
    world.own_consent()
    posing = world.ref(world.file("posing.png", b"another face"), role="voice")
    with pytest.raises(ConsentRefused, match=r"posing\.png"):
        world.ask(world.request(inputs=(world.ref(), posing)))


def test_consent_is_found_beside_the_input_and_in_the_environment(world, monkeypatch):
    record = world.consent(keep=False)
    beside = world.folder / "portrait.consent.json"
    write_json(beside, dict(record.document))
    assert world.ask().decision.consent_ids == (record.id,)
    elsewhere = world.folder / "elsewhere.json"
    beside.rename(elsewhere)
    with pytest.raises(ConsentRefused):
        world.ask()
    monkeypatch.setenv("THSAFE_CONSENT", str(elsewhere))
    assert world.ask().decision.consent_ids == (record.id,)
    monkeypatch.delenv("THSAFE_CONSENT")
    assert world.ask(consents=[elsewhere]).decision.consent_ids == (record.id,)
    assert world.ask(consents=[record]).decision.consent_ids == (record.id,)


def test_a_named_consent_that_cannot_be_read_is_an_error(world):
    world.own_consent()
    damaged = world.file("damaged.json", b'{"type": 1, "type": 2}')
    with pytest.raises(InputError) as caught:
        world.ask(consents=[damaged])
    assert caught.value.code == "consent.malformed"


def test_the_consent_that_fits_is_chosen_among_several(world):
    world.own_consent()
    wider = world.consent()
    assert world.ask(world.request(purpose="advertising")).decision.consent_ids == (wider.id,)


def test_territories_choose_the_labels(world):
    world.own_consent()
    permit = world.ask(world.request(territories=("CN",)))
    texts = {label.text: label for label in permit.obligations.labels}
    assert texts["AI生成"].height >= 0.05
    assert (texts["AI生成"].seconds or 99) >= 2
    assert set(permit.obligations.metadata["AIGC"]) == {
        "Label",
        "ContentProducer",
        "ProduceID",
        "ReservedCode1",
        "ContentPropagator",
        "PropagateID",
        "ReservedCode2",
    }


def test_an_unknown_territory_is_refused(world):
    world.own_consent()
    with pytest.raises(PolicyRefused) as caught:
        world.ask(world.request(territories=("GERMANY",)))
    assert "use.territory" in caught.value.rule


def test_a_permit_is_for_one_request(world):
    world.own_consent()
    request = world.request()
    permit = world.ask(request)
    permit.check(request, now=world.now)
    for change in (
        {"purpose": "personal"},
        {"params": {"seed": 2}},
        {"inputs": (world.ref(performer="synthetic"),)},
        {"nonce": "other"},
        {"territories": ("US",)},
    ):
        with pytest.raises(PolicyRefused) as caught:
            permit.check(dataclasses.replace(request, **change), now=world.now)
        assert caught.value.code == "permit.other-job"


def test_a_permit_expires(world):
    world.own_consent()
    request = world.request()
    permit = world.ask(request)
    permit.check(request, now=world.now + PERMIT_TERM - timedelta(seconds=1))
    with pytest.raises(PolicyRefused) as caught:
        permit.check(request, now=world.now + PERMIT_TERM)
    assert caught.value.code == "permit.expired"


def test_nobody_else_makes_a_permit(world):
    world.own_consent()
    request = world.request()
    permit = world.ask(request)
    parts = {field.name: getattr(permit, field.name) for field in dataclasses.fields(permit)}
    with pytest.raises(TypeError):
        Permit(**{**parts, "seal": "0" * 64})
    with pytest.raises(TypeError):
        Permit(**{**parts, "request_digest": "0" * 64})
    with pytest.raises(TypeError):
        dataclasses.replace(permit, expires=permit.expires + timedelta(days=1))
    with pytest.raises(TypeError):
        dataclasses.replace(permit, obligations=dataclasses.replace(permit.obligations, labels=()))
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copier(permit)
    with pytest.raises(TypeError):
        type("Loose", (Permit,), {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        permit.expires = permit.expires + timedelta(days=1)
    empty = object.__new__(Permit)
    with pytest.raises(PolicyRefused) as caught:
        empty.check(request)
    assert caught.value.code == "permit.forged"
    object.__setattr__(permit, "request_digest", world.request().digest())
    with pytest.raises(PolicyRefused) as caught:
        permit.check(request)
    assert caught.value.code == "permit.forged"


def test_a_look_alike_is_not_a_permit(world):
    world.own_consent()
    request = world.request()
    permit = world.ask(request)

    class LookAlike:
        pass

    fake = LookAlike()
    for field in dataclasses.fields(permit):
        setattr(fake, field.name, getattr(permit, field.name))
    with pytest.raises(PolicyRefused):
        Permit.check(fake, request)


def test_inputs_are_hashed_again_before_publishing(world):
    world.own_consent()
    request = world.request()
    permit = world.ask(request)
    verify_inputs(request)
    world.portrait.write_bytes(b"another picture")
    with pytest.raises(PolicyRefused) as caught:
        verify_inputs(request)
    assert caught.value.code == "media.job-digest"
    assert "portrait.png" in caught.value.found
    with pytest.raises(PolicyRefused):
        permit.verify_inputs(request, now=world.now)


def test_words_are_bound_like_files(world):
    world.own_consent()
    words = "Good morning."

    def text(said, digest_of):
        digest = hashlib.sha256(digest_of.encode()).hexdigest()
        return MediaRef(role="text", path=None, sha256=digest, kind=MediaKind.TEXT, text=said)

    assert world.ask(world.request(inputs=(world.ref(), text(words, words)))).decision.allowed
    with pytest.raises(PolicyRefused) as caught:
        world.ask(world.request(inputs=(world.ref(), text("Send money.", words))))
    assert caught.value.code == "media.job-digest"


def test_nothing_personal_reaches_the_log(world):
    world.own_consent(name="Ada Example")
    world.ask(
        world.request(inputs=(world.ref(), world.ref(world.file("v.wav", b"v"), role="voice", kind=MediaKind.AUDIO)))
    )
    with pytest.raises(ConsentRefused):
        world.ask(world.request(purpose="advertising"))
    for entry in world.ledger.entries():
        text = entry.leaf.decode()
        for secret in ("Ada", "Example", "portrait.png", str(world.folder)):
            assert secret not in text


def test_revocation_lists_and_blocks(world):
    from thsafe.consent.grant import subject_key

    record = world.own_consent()
    world.ask()
    world.gate.withdraw(record, subject_key(world.home, record.issuer))
    assert world.last_event()["type"] == "consent.revoked"
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.revoked"


def test_suspension_ends_when_it_is_lifted(world):
    record = world.consent()
    world.gate.withdraw(record, world.colleague, purpose="suspension")
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.suspended"
    world.gate.withdraw(record, world.colleague, purpose="suspension", lift=True)
    assert world.ask().decision.allowed
