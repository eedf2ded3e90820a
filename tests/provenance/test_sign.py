import json
import os
import subprocess
import wave
from datetime import UTC, datetime, timedelta
from pathlib import Path

import c2pa
import cv2
import numpy as np
import pytest

from thsafe.core.errors import InputError, MarkError, SigningError, UsageError
from thsafe.core.types import Task
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.keys.signers import open_signer
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.manifest import Ingredient, build_manifest
from thsafe.provenance.read import read_credentials
from thsafe.provenance.rubric import check_manifest
from thsafe.provenance.sign import has_credentials, sign
from thsafe.provenance.timestamp import LoopbackAuthority
from thsafe.provenance.trust import Trust, TrustKind, TrustList

from .conftest import facts, picture

CLOSED = "http://127.0.0.1:9/"


@pytest.fixture(scope="module")
def portrait(tmp_path_factory):
    path = tmp_path_factory.mktemp("people") / "jane-doe-passport.png"
    cv2.imwrite(str(path), picture(3))
    return path


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    path = tmp_path_factory.mktemp("voices") / "jane-doe-interview.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    return path


def still(path, relationship="inputTo"):
    return Ingredient(
        path=path,
        relationship=relationship,
        title="portrait",
        media_type="image/png",
        digital_source_type="digitalCapture",
    )


def sound(path, relationship="inputTo"):
    return Ingredient(path=path, relationship=relationship, title="voice", media_type="audio/wav")


SCRIPT = Ingredient(path=None, relationship="inputTo", title="script", media_type="text/plain")


def cases(clip, signed_path, portrait, voice):
    def footage(path):
        return Ingredient(path=path, relationship="parentOf", title="footage", media_type="video/mp4")

    whole, partly = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
    return {
        "say, drawn person": (facts(task=Task.SAY), (SCRIPT,)),
        "puppet": (facts(task=Task.PUPPET, digital_source_type="digitalCreation"), (SCRIPT,)),
        "animate": (facts(task=Task.ANIMATE, digital_source_type=whole), (still(portrait), sound(voice))),
        "animate, voice kept": (
            facts(task=Task.ANIMATE, digital_source_type=partly),
            (still(portrait), sound(voice, "componentOf")),
        ),
        "lipsync": (facts(task=Task.LIPSYNC, digital_source_type=partly), (footage(clip), sound(voice))),
        "lipsync of signed footage, translated": (
            facts(
                task=Task.LIPSYNC,
                digital_source_type=partly,
                source_language="en",
                target_language="de",
                fingerprint="AAAA",
            ),
            (footage(signed_path), SCRIPT),
        ),
        "drive": (facts(task=Task.DRIVE, digital_source_type=whole), (still(portrait),)),
        "swap": (facts(task=Task.SWAP, digital_source_type=partly), (footage(clip), still(portrait))),
    }


@pytest.mark.parametrize("name", list(cases(None, None, None, None)))
def test_every_mode_meets_all_requirements(name, clip, signed, portrait, voice, ring, trust, tmp_path):
    wanted, ingredients = cases(clip, signed[0], portrait, voice)[name]
    target = tmp_path / "out.mp4"
    made = sign(clip, target, facts=wanted, ingredients=ingredients, ring=ring)
    results = check_manifest(target)
    assert len(results) == 31
    assert [result for result in results if not result.ok] == []
    found = read_credentials(target, trust=trust)
    assert found.state is Ladder.INTACT_DEVELOPMENT
    assert not found.history_broken
    assert found.active_label == wanted.label == made.manifest_id
    assert made.size == target.stat().st_size
    assert {item.relationship for item in found.ingredients} == {item.relationship for item in ingredients}

    names = [action.name for action in found.actions]
    opened = any(item.relationship == "parentOf" for item in ingredients)
    assert names[0] == ("c2pa.opened" if opened else "c2pa.created")
    assert ("c2pa.placed" in names) == any(item.relationship == "componentOf" for item in ingredients)
    assert ("c2pa.translated" in names) == ("translated" in name)
    if wanted.task is Task.LIPSYNC:
        (dubbed,) = [action for action in found.actions if action.name == "c2pa.dubbed"]
        assert dubbed.regions == ("lips",)
    labels = {item["label"] for item in found.raw["manifests"][wanted.label]["assertions"]}
    assert ("c2pa.ai-disclosure" in labels) == (wanted.digital_source_type != "digitalCreation")
    assert {"cawg.training-mining", "io.github.thsafe.gate", "c2pa.soft-binding"} <= labels

    # Nothing of names and folders, nor of who sits at the machine, in any string of the manifest.
    text = json.dumps(found.raw) + json.dumps(found.crjson) + made.manifest_bytes.decode("latin-1")
    for secret in ("jane-doe", "passport", "interview", str(tmp_path), str(clip), clip.name):
        assert secret not in text


def test_other_kinds_of_file(portrait, voice, ring, trust, tmp_path):
    jpeg = tmp_path / "in.jpg"
    cv2.imwrite(str(jpeg), picture(4))
    webp = tmp_path / "in.webp"
    cv2.imwrite(str(webp), picture(4))
    kinds = (portrait, "image/png"), (voice, "audio/wav"), (jpeg, "image/jpeg"), (webp, "image/webp")
    for source, kind in kinds:
        target = tmp_path / f"out{source.suffix}"
        sign(source, target, facts=facts(media_type=kind), ring=ring)
        assert read_credentials(target, trust=trust).state is Ladder.INTACT_DEVELOPMENT
        assert all(result.ok for result in check_manifest(target))
        data = bytearray(target.read_bytes())
        data[-30] ^= 255
        target.write_bytes(data)
        assert not read_credentials(target, trust=trust).state.intact


def test_thumbnail(clip, ring, trust, tmp_path):
    _, jpeg = cv2.imencode(".jpg", picture(1))
    target = tmp_path / "out.mp4"
    sign(clip, target, facts=facts(), ring=ring, thumbnail_jpeg=jpeg.tobytes())
    found = read_credentials(target, trust=trust)
    assert found.state is Ladder.INTACT_DEVELOPMENT
    assert found.raw["manifests"][found.active_label]["thumbnail"]["format"] == "image/jpeg"
    assert all(result.ok for result in check_manifest(target))


def test_signing_twice_keeps_the_history_only_through_an_ingredient(signed, ring, trust, tmp_path):
    target = tmp_path / "out.mp4"
    parent = Ingredient(path=signed[0], relationship="parentOf", title="footage", media_type="video/mp4")
    sign(signed[0], target, facts=facts(), ingredients=(parent,), ring=ring)
    assert len(read_credentials(target, trust=trust).raw["manifests"]) == 2


def test_never_onto_itself(clip, ring, tmp_path):
    source = tmp_path / "a.mp4"
    source.write_bytes(clip.read_bytes())
    link = tmp_path / "b.mp4"
    os.link(source, link)
    (tmp_path / "c.mp4").symlink_to(source)
    for target in (source, link, tmp_path / "c.mp4"):
        with pytest.raises(UsageError) as caught:
            sign(source, target, facts=facts(), ring=ring)
        assert caught.value.code == "provenance.in-place"
    assert source.read_bytes() == clip.read_bytes()


def test_webm_is_refused_with_the_reason(clip, ring, tmp_path):
    with pytest.raises(InputError) as caught:
        sign(clip, tmp_path / "out.webm", facts=facts(media_type="video/webm"), ring=ring)
    assert caught.value.code == "provenance.unsupported"
    assert "WebM" in caught.value.rule
    assert "MP4" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_content_of_another_kind_leaves_nothing(portrait, ring, tmp_path):
    with pytest.raises(MarkError) as caught:
        sign(portrait, tmp_path / "out.mp4", facts=facts(), ring=ring)
    assert caught.value.code == "provenance.sign"
    assert list(tmp_path.iterdir()) == []


def test_missing_source(ring, tmp_path):
    with pytest.raises(InputError):
        sign(tmp_path / "absent.mp4", tmp_path / "out.mp4", facts=facts(), ring=ring)


def test_a_failure_keeps_what_was_there(clip, ring, tmp_path):
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    with pytest.raises(MarkError):
        sign(clip, target, facts=facts(), ring=ring, tsa_url=CLOSED)
    assert target.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [target]


def test_time_stamp_policies_when_nobody_answers(clip, ring, trust, tmp_path):
    target = tmp_path / "out.mp4"
    with pytest.raises(MarkError) as caught:
        sign(clip, target, facts=facts(), ring=ring, tsa_url=CLOSED, timestamp="required")
    assert caught.value.code == "provenance.timestamp"
    assert not target.exists()
    made = sign(clip, target, facts=facts(), ring=ring, tsa_url=CLOSED, timestamp="best-effort")
    assert not made.time_stamped
    found = read_credentials(target, trust=trust)
    assert found.state is Ladder.INTACT_DEVELOPMENT
    assert found.signed_at is None
    assert not sign(clip, target, facts=facts(), ring=ring, tsa_url=CLOSED, timestamp="off").time_stamped
    with pytest.raises(UsageError):
        sign(clip, target, facts=facts(), ring=ring, tsa_url="ftp://example.org", timestamp="required")


def test_time_stamp_from_a_named_authority(clip, ring, trust, tmp_path):
    other = KeyRing.create(Home(tmp_path / "other"))
    with LoopbackAuthority(other) as authority:
        made = sign(clip, tmp_path / "out.mp4", facts=facts(), ring=ring, tsa_url=authority.url)
    assert made.time_stamped
    found = read_credentials(tmp_path / "out.mp4", trust=trust)
    assert found.signed_at
    assert not found.time_stamped  # nobody here knows that authority
    assert any("proves nothing" in reason for reason in found.reasons)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_is_not_asked_for_this_machine(clip, ring, tmp_path, monkeypatch, name):
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.setenv("no_proxy", "example.org")
    monkeypatch.setenv(name, CLOSED)
    assert sign(clip, tmp_path / "out.mp4", facts=facts(), ring=ring).time_stamped
    assert os.environ["NO_PROXY"] == "example.org,127.0.0.1"


def test_an_authority_that_talks_nonsense(clip, ring, tmp_path, monkeypatch):
    monkeypatch.setattr("thsafe.provenance.timestamp.respond", lambda *_, **__: b"nonsense")
    with pytest.raises(MarkError) as caught:
        sign(clip, tmp_path / "out.mp4", facts=facts(), ring=ring)
    assert caught.value.code == "provenance.timestamp"
    assert list(tmp_path.iterdir()) == []


def test_the_signers_own_reason_reaches_the_caller(clip, ring, tmp_path):
    class Broken:
        algorithm = "es256"
        chain_pem = ring.signing_chain_pem

        def sign(self, data):
            raise ConnectionError("the token was pulled out")

    with pytest.raises(SigningError, match="signer failed") as caught:
        sign(clip, tmp_path / "out.mp4", facts=facts(), ring=ring, signer=Broken())
    assert "pulled out" in caught.value.found
    assert list(tmp_path.iterdir()) == []


def test_file_names_do_not_get_in(clip, ring, tmp_path):
    private = tmp_path / "jane.mp4"
    private.write_bytes(clip.read_bytes())
    named = Ingredient(path=private, relationship="parentOf", title="jane.mp4", media_type="video/mp4")
    with pytest.raises(MarkError) as caught:
        sign(clip, tmp_path / "out.mp4", facts=facts(), ingredients=(named,), ring=ring)
    assert caught.value.code == "provenance.personal"


def test_ordinary_words_as_names_do_no_harm(clip, ring, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "voice").write_bytes(bytes(100))
    monkeypatch.chdir(tmp_path)
    voice = Ingredient(path=Path("data/voice"), relationship="inputTo", title="voice")
    assert sign(clip, tmp_path / "out.mp4", facts=facts(), ingredients=(voice,), ring=ring).manifest_id


@pytest.mark.parametrize("algorithm", ["es256", "es384", "es512", "ps256", "ed25519"])
def test_keys_from_elsewhere(clip, ring, tmp_path, algorithm):
    key, chain, root = outside_signer(algorithm)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "chain.pem").write_bytes(chain)
    signer = open_signer(f"file:{tmp_path}/key.pem?chain={tmp_path}/chain.pem")
    assert signer.algorithm == algorithm
    target = tmp_path / "out.mp4"
    sign(clip, target, facts=facts(), ring=ring, signer=signer)
    trust = Trust((TrustList(name="outside", kind=TrustKind.C2PA, pem=root),))
    found = read_credentials(target, trust=trust)
    assert found.state is Ladder.INTACT_TRUSTED
    assert found.signer.algorithm.lower() == algorithm


def outside_signer(algorithm):
    """Key, chain and root (PEM) of a certificate with c2pa-kp-claimSigning alone, which default settings refuse."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    from thsafe.keys.authority import CLAIM_SIGNING, make_root

    now = datetime.now(UTC)
    key = {
        "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "es512": lambda: ec.generate_private_key(ec.SECP521R1()),
        "ps256": lambda: rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }[algorithm]()
    root = make_root("Outside", now)
    bits = dict.fromkeys(
        ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"],
        False,
    )
    usage = x509.KeyUsage(digital_signature=True, encipher_only=False, decipher_only=False, **bits)
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Outside")])
    leaf = (
        x509.CertificateBuilder(root.certificate.subject, name, key.public_key(), 7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([CLAIM_SIGNING]), critical=False)
        .sign(root.key, hashes.SHA256())
    )
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    return pem, leaf.public_bytes(form.Encoding.PEM), root.certificate_pem


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"label": "urn:uuid:x"}, "provenance.label"),
        ({"digital_source_type": "fooBar"}, "provenance.source-type"),
        ({"human_oversight": "maybe"}, "provenance.oversight"),
        ({"policy_digest": "abc"}, "provenance.digest"),
        ({"consent_digests": ("Jane Doe",)}, "provenance.digest"),
    ],
)
def test_facts_outside_their_vocabulary(change, code):
    with pytest.raises(UsageError) as caught:
        build_manifest(facts(**change))
    assert caught.value.code == code


def test_two_parents_and_unknown_relationships(clip):
    parent = Ingredient(path=clip, relationship="parentOf", title="footage", media_type="video/mp4")
    for ingredients in ((parent, parent), (Ingredient(path=None, relationship="childOf", title="x"),)):
        with pytest.raises(UsageError):
            build_manifest(facts(), ingredients)


def test_has_credentials(clip, signed, portrait):
    assert has_credentials(signed[0])
    assert not has_credentials(clip)
    assert not has_credentials(portrait)


def test_openssl_verifies_our_time_stamps(ring, tmp_path):
    import hashlib
    import shutil

    from asn1crypto import tsp

    from thsafe.provenance.timestamp import respond

    if shutil.which("openssl") is None:
        pytest.skip("no openssl command")
    imprint = {"hash_algorithm": {"algorithm": "sha512"}, "hashed_message": hashlib.sha512(b"data").digest()}
    request = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "nonce": 2**64 + 5, "cert_req": True})
    (tmp_path / "q").write_bytes(request.dump())
    (tmp_path / "r").write_bytes(respond(request.dump(), ring))
    (tmp_path / "ca").write_bytes(ring.root_pem)
    command = ["openssl", "ts", "-verify", "-in", "r", "-queryfile", "q", "-CAfile", "ca"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verification: OK" in done.stdout, done.stderr


def test_unfit_time_stamp_requests_are_rejected(ring):
    import hashlib

    from asn1crypto import tsp

    from thsafe.provenance.timestamp import respond

    def ask(algorithm, digest, **more):
        imprint = {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": digest}
        return tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, **more}).dump()

    good = ask("sha256", hashlib.sha256(b"").digest())
    unfit = (
        b"",
        b"\x30",
        np.random.default_rng(1).bytes(80),
        good[:-1],
        ask("md5", bytes(16)),
        ask("sha256", bytes(20)),
    )
    for request in (*unfit, ask("sha256", bytes(32), req_policy="1.2.3.4")):
        # 30 len (30 len (02 01 02 …)): PKIStatus rejection, and no token after it.
        response = respond(request, ring)
        assert response[4:7] == b"\x02\x01\x02"
        assert len(response) < 20
    assert tsp.TimeStampResp.load(respond(good, ring))["status"]["status"].native == "granted"


def test_naive_manifests_do_not_meet_the_requirements(clip, ring, tmp_path):
    """The checks can fail: a manifest as the SDK's own examples write it."""
    signer = ring.claim_signer()
    native = c2pa.Signer.from_callback(signer.sign, c2pa.C2paSigningAlg.ES256, signer.chain_pem.decode(), None)
    action = {"action": "c2pa.created", "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty"}
    definition = {
        "claim_generator_info": [{"name": "x"}],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [action, {"action": "c2pa.edited"}]}},
            {"label": "nodot", "data": {}},
        ],
    }
    target = tmp_path / "out.mp4"
    with c2pa.Builder(definition) as builder, clip.open("rb") as source, target.open("w+b") as output:
        builder.sign(native, "video/mp4", source, output)
    failed = {result.id.removeprefix("validation:") for result in check_manifest(target) if not result.ok}
    assert failed == {
        "mandatory_dst_for_perceptible_transformations",
        "mandatory_spec_version",
        "mandatory_all_actions_included",
        "inception_action_position",
        "no_unrecognized_custom_assertions",
    }
