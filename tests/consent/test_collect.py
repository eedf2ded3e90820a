"""Another person's consent in three files, the phrase they read, and what can be exported of it."""

from __future__ import annotations

import hashlib
import json
import stat
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.consent.collect import (
    ENOUGH,
    countersign,
    parse_request,
    phrase_fits,
    record_consent,
    request_consent,
)
from thsafe.consent.export import iso27560
from thsafe.consent.grant import create_self_consent, subject_key, subject_key_path
from thsafe.consent.phrase import WORDS, agreement, phrase
from thsafe.consent.present import present
from thsafe.consent.record import Reference
from thsafe.core.errors import ConsentRefused, InputError, SigningError, UsageError
from thsafe.keys.did import did_from_public_key


def request_of(world, **changes):
    document = request_consent(world.terms(**changes), world.ring.gate_key(), collector=world.gate.did, now=world.now)
    return parse_request(json.loads(json.dumps(document)))


def test_three_files_make_a_consent_that_opens_the_gate(world):
    request = request_of(world, references=())
    mine = Reference(role="portrait", sha256=world.ref().sha256)
    signed = record_consent(
        request,
        [world.colleague],
        now=world.now,
        references=[mine],
        recording=world.recording,
        heard=["um", *request.phrase.split(), "thanks"],
    )
    record = countersign(
        json.loads(json.dumps(signed)), world.ring.gate_key(), now=world.now, recording=world.recording
    )
    assert record.evidence.method == "phrase-transcribed"
    assert record.evidence.transcript_score == 1.0
    assert phrase_fits(record)
    assert world.ask(consents=[record]).decision.consent_ids == (record.id,)


def test_a_delegate_may_use_it_until_the_date(world):
    from thsafe.consent.files import write_json
    from thsafe.consent.record import Delegate

    other = Ed25519PrivateKey.generate()
    did = did_from_public_key(other.public_key())
    record = world.consent(delegates=(Delegate(did=did, until=world.now + timedelta(days=1)),))
    shown = world.folder / "shown.json"

    def ask():
        request = world.request(requester=did)
        write_json(shown, present(record, other, job=request.digest(), gate=world.gate.did, created=world.now))
        return world.ask(request, [shown])

    assert ask().decision.allowed
    world.now += timedelta(days=1)
    with pytest.raises(ConsentRefused) as caught:
        ask()
    assert "@id consent.licensee" in caught.value.rule


@pytest.mark.parametrize(
    "change",
    [
        {"assurance": "self"},
        {"collector": "did:key:zNobody"},
        {"nonce": "00"},
        {"statusListIndex": 1},
        {"validUntil": "2040-01-01T00:00:00Z"},
        {"type": "ThsafeConsent"},
    ],
)
def test_an_edited_request_is_refused(world, change):
    document = request_consent(world.terms(), world.ring.gate_key(), collector=world.gate.did, now=world.now)
    with pytest.raises(InputError) as caught:
        parse_request({**document, **change})
    assert caught.value.code == "consent.malformed"


def test_a_record_without_a_picture_is_refused(world):
    with pytest.raises(InputError):
        record_consent(request_of(world, references=()), [world.colleague], now=world.now)


def test_the_collector_sees_another_recording(world):
    signed = record_consent(request_of(world), [world.colleague], now=world.now, recording=world.recording)
    other = world.file("other.wav", b"some other sound")
    for given in (other, None):
        with pytest.raises(ConsentRefused) as caught:
            countersign(signed, world.ring.gate_key(), now=world.now, recording=given)
        assert caught.value.code == "consent.evidence"


def test_the_collector_named_in_the_request_countersigns(world):
    signed = record_consent(request_of(world), [world.colleague], now=world.now, recording=world.recording)
    with pytest.raises(ConsentRefused) as caught:
        countersign(signed, Ed25519PrivateKey.generate(), now=world.now, recording=world.recording)
    assert caught.value.code == "consent.collector-signature"


def test_a_taken_place_in_the_status_list_is_refused(world):
    request = request_of(world)
    signed = record_consent(request, [world.colleague], now=world.now, recording=world.recording)
    with pytest.raises(ConsentRefused) as caught:
        countersign(
            signed, world.ring.gate_key(), now=world.now, recording=world.recording, taken=[request.status[0].index]
        )
    assert caught.value.code == "consent.status-place"


def test_the_phrase_follows_from_terms_and_nonce(world):
    assert len(WORDS) == len(set(WORDS)) == 256
    agreed = {"licensee": "x", "scope": {"modes": ["say"]}}
    words = phrase(agreed, "00" * 16)
    assert len(words.split()) == 6
    assert words == phrase(agreed, "00" * 16)
    assert words != phrase(agreed, "01" * 16)
    assert words != phrase({**agreed, "licensee": "y"}, "00" * 16)


@pytest.mark.parametrize(
    ("heard", "score"),
    [("a b c d e f", 1.0), ("x A y B c D e f", 1.0), ("a b c d e", 5 / 6), ("f e d c b a", 1 / 6), ("", 0.0)],
)
def test_agreement_is_in_order(heard, score):
    assert agreement("a b c d e f", heard.split()) == pytest.approx(score)


def test_four_of_six_words_are_enough_and_three_are_not(world):
    request = request_of(world)
    words = request.phrase.split()
    assert record_consent(request, [world.colleague], now=world.now, recording=world.recording, heard=words[2:])
    with pytest.raises(ConsentRefused) as caught:
        record_consent(request, [world.colleague], now=world.now, recording=world.recording, heard=words[3:])
    assert caught.value.code == "consent.phrase"
    assert request.phrase in caught.value.rule


def test_the_export_follows_iso_27560(world):
    record = world.consent()
    exported = json.loads(json.dumps(iso27560(record, facts={"revoked": False, "suspended": False}, uses=3)))
    assert exported["schema_version"] == "ISO/IEC TS 27560:2023"
    assert exported["pii_principal_id"] == record.subject
    assert {item["purpose"] for item in exported["pii_processing"]["purposes"]} == set(record.terms.scope.purposes)
    assert {item["party_role"] for item in exported["party_identification"]} == {"pii_controller", "consent_collector"}
    signatures = [item for item in exported["events"] if item["event_type"] == "signature"]
    assert {item["entity_id"] for item in signatures} == {record.subject, record.collector}
    assert exported["events"][-1]["event_state"] == "given"
    gone = iso27560(record, facts={"revoked": True, "suspended": False}, uses=3)
    assert gone["events"][-1]["event_state"] == "withdrawn"


def test_self_consent_keeps_names_and_keys_private(world):
    record = world.own_consent(name="Ada Example")
    assert "Ada" not in json.dumps(dict(record.document))
    vault = world.store.vault_of(record.id)
    assert vault["name"]["value"] == "Ada Example"
    salted = f"{vault['name']['salt']}:Ada Example"
    assert record.terms.commitments["name"] == hashlib.sha256(salted.encode()).hexdigest()
    key = subject_key_path(world.home, record.subject)
    for path in (key, *world.home.consents.rglob("*.json")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert did_from_public_key(subject_key(world.home, record.subject).public_key()) == record.subject
    assert world.store.forget(record.id)
    assert not world.store.forget(record.id)
    assert world.store.vault_of(record.id) == {}
    with pytest.raises(SigningError):
        subject_key(world.home, "did:key:zNobody")


@pytest.mark.parametrize("days", [0, -1, 367, 4000])
def test_self_consent_has_a_short_term(world, days):
    with pytest.raises(UsageError) as caught:
        create_self_consent(world.home, portrait=world.portrait, days=days, keys=world.ring)
    assert caught.value.code == "consent.term"


def test_self_consent_makes_keys_where_there_are_none(tmp_path):
    from thsafe.home import Home

    portrait = tmp_path / "me.png"
    portrait.write_bytes(b"me")
    record = create_self_consent(Home(tmp_path / "home"), portrait=portrait)
    assert record.assurance == "self"
    with pytest.raises(InputError):
        create_self_consent(Home(tmp_path / "home"), portrait=tmp_path / "nobody.png")


def test_the_store_lists_finds_and_survives_damage(world):
    first = world.own_consent()
    second = world.consent()
    (world.store.records / "damaged.json").write_text("{")
    assert {record.id for record in world.store.list()} == {first.id, second.id}
    assert {record.id for record in world.store.find_for(world.ref().sha256)} == {first.id, second.id}
    assert world.store.find_for("0" * 64) == ()
    assert world.store.get(first.id).document == first.document
    for unknown in (
        "urn:uuid:00000000-0000-4000-8000-000000000000",
        "urn:uuid:../../../../../../../etc/passwd000",
        "x",
    ):
        with pytest.raises((UsageError, InputError)):
            world.store.get(unknown)


def test_spoken_words_are_heard_offline(tmp_path):
    """The whole way with a synthetic voice: phrase, sound, recogniser, agreement."""
    pytest.importorskip("pocketsphinx")
    pytest.importorskip("espeakng_loader")
    from generators.speech import espeak as speaker
    from thsafe.consent.transcript import heard_words

    words = "yellow golden oatmeal glacier friday tomato"
    path = tmp_path / "phrase.wav"
    _speak(speaker, words, path)
    heard = heard_words(path, words)
    assert agreement(words, heard) >= ENOUGH, heard
    other = "zebra volcano lantern giraffe biscuit orchard"
    assert agreement(other, heard_words(path, other)) < ENOUGH


def test_a_file_without_sound_holds_no_words(tmp_path):
    pytest.importorskip("pocketsphinx")
    from thsafe.consent.transcript import heard_words

    path = tmp_path / "silent.wav"
    path.write_bytes(b"not sound at all")
    with pytest.raises(InputError):
        heard_words(path, "acorn admiral")


def _speak(speaker, words, path):
    import soundfile

    speech = speaker.Espeak().speak(", ".join(words.split()), rate=120)
    soundfile.write(path, speech.samples, speaker.SAMPLE_RATE)


@pytest.mark.parametrize(
    "changes", [{"nonce": "zz"}, {"nonce": 5}, {"collector": 5}, {"collector": ["x"]}, {"statusListIndex": True}]
)
def test_a_request_that_its_own_licensee_spoilt_is_malformed(world, changes):
    """Signed as it stands, so the signature alone does not catch it; the person who reads it must not see a crash."""
    from thsafe.consent import proof

    key = world.ring.gate_key()
    asked = request_consent(world.terms(), key, collector=world.ring.gate_did, now=world.now)
    spoilt = {name: value for name, value in {**asked, **changes}.items() if name != "proof"}
    with pytest.raises(InputError) as caught:
        parse_request(proof.sign(spoilt, key, created=world.now))
    assert caught.value.code == "consent.malformed"


def test_terms_cannot_hide_behind_control_characters(world):
    from thsafe.consent.words import in_words

    hidden = "A greeting card.\x1b[2K\rmodes       say\n\u202eabc\u200b"
    shown = dict(in_words(world.terms({"uses_text": hidden})))["uses"]
    assert shown.startswith("A greeting card.\N{REPLACEMENT CHARACTER}[2K")
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (["--comes-of-age", "2040-01-01", "--court-reference", "7/26"], "no --guardian"),
        (["--guardian", "DID", "--comes-of-age", "2040-01-01"], "no --court-reference"),
        (["--guardian", "DID", "--court-reference", "7/26"], "no --comes-of-age"),
        (["--guardian", "DID", "--court-reference", "7/26", "--comes-of-age", "2026-12-01"], "runs past"),
        (
            ["--guardian", "DID", "--court-reference", "7/26", "--comes-of-age", "2044-12-01", "--days", "2000"],
            "longer",
        ),
    ],
)
def test_a_minors_request_that_could_never_serve_is_not_made(home, tmp_path, capsys, changes, found):
    from thsafe.cli.main import run

    assert run(["keys", "new"]) == 0
    did = did_from_public_key(Ed25519PrivateKey.generate().public_key())
    arguments = ["--purpose", "education", "--uses", "One film about frogs.", "-o", str(tmp_path / "r.json")]
    code = run(["consent", "request", *arguments, *(did if word == "DID" else word for word in changes)])
    told = capsys.readouterr().err
    assert code == 2
    assert "consent.minor" in told
    assert found in told
    assert not (tmp_path / "r.json").exists()
