"""The ladder's word for everything that can happen to a signed file; the word is written beside each case."""

import base64
import dataclasses
import http.server
import json
import random
import shutil
import struct
import threading
from datetime import UTC, datetime, timedelta

import c2pa
import pytest

from thsafe.core.errors import InputError
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.provenance import sdk
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.manifest import Ingredient, build_manifest
from thsafe.provenance.read import read_credentials
from thsafe.provenance.sign import sign
from thsafe.provenance.timestamp import LoopbackAuthority
from thsafe.provenance.trust import Trust, TrustKind, TrustList
from thsafe.provenance.unprotected import top_level_boxes

from .conftest import facts, remux, write_clip


def boxes(path):
    return {box.name: box for box in top_level_boxes(path)}


def flip(source, target, place):
    data = bytearray(source.read_bytes())
    data[place] ^= 1
    target.write_bytes(data)
    return target


def test_intact(signed, trust):
    path, made = signed
    found = read_credentials(path, trust=trust)
    assert found.state is Ladder.INTACT_DEVELOPMENT
    assert not found.history_broken
    assert found.active_label == made.manifest_id
    assert found.signer.development
    assert found.signer.name == "thsafe development claim signer"
    assert found.time_stamped
    assert abs(datetime.fromisoformat(found.signed_at) - datetime.now(UTC)) < timedelta(minutes=5)
    assert found.soft_bindings == {"io.github.thsafe.watermark.1": "0123456789abcdef"}
    assert found.gate["log"] == {"origin": "thsafe.test/log", "index": 7}
    assert found.codes.failure == ()
    assert [action.name for action in found.actions] == ["c2pa.created", "c2pa.addedText", "c2pa.watermarked.bound"]


@pytest.mark.parametrize("box", ["mdat", "moov"])
def test_one_bit_of_media(signed, trust, tmp_path, box):
    middle = sum((boxes(signed[0])[box].start, boxes(signed[0])[box].end)) // 2
    found = read_credentials(flip(signed[0], tmp_path / "x.mp4", middle), trust=trust)
    assert found.state is Ladder.BROKEN
    assert "assertion.bmffHash.mismatch" in found.codes.failure


def test_one_bit_of_what_the_manifest_says(signed, trust, tmp_path):
    place = signed[0].read_bytes().index(b"trainedAlgorithmicMedia")
    assert read_credentials(flip(signed[0], tmp_path / "x.mp4", place), trust=trust).state is Ladder.BROKEN


def test_appended_padding_is_reported(signed, trust, tmp_path):
    target = tmp_path / "x.mp4"
    target.write_bytes(signed[0].read_bytes() + struct.pack(">I4s", 9008, b"free") + b"hidden!!!" * 1000)
    found = read_credentials(target, trust=trust)
    # The specification leaves free boxes out of the hash: the signature holds, so the bytes must be named.
    assert found.state is Ladder.INTACT_DEVELOPMENT
    (hidden,) = [item for item in found.unprotected if item.remark]
    assert hidden.end - hidden.start == 9008
    assert any("hide" in reason for reason in found.reasons)
    assert {item.name for item in read_credentials(signed[0], trust=trust).unprotected} >= {"ftyp", "uuid"}


def test_none(clip, trust):
    assert read_credentials(clip, trust=trust).state is Ladder.NONE


def test_unknown_signer(signed):
    found = read_credentials(signed[0], trust=Trust())
    assert found.state is Ladder.INTACT_UNKNOWN_SIGNER
    assert not found.time_stamped


@pytest.mark.parametrize(
    ("kinds", "state", "stamped"),
    [
        ((TrustKind.C2PA,), Ladder.INTACT_TRUSTED, False),
        ((TrustKind.LEGACY,), Ladder.INTACT_LEGACY_LIST, False),
        ((TrustKind.TSA,), Ladder.INTACT_UNKNOWN_SIGNER, True),
        ((TrustKind.CAWG,), Ladder.INTACT_UNKNOWN_SIGNER, False),
        ((TrustKind.TSA, TrustKind.C2PA), Ladder.INTACT_TRUSTED, True),
        ((TrustKind.C2PA, TrustKind.LEGACY), Ladder.INTACT_TRUSTED, False),
        ((TrustKind.LEGACY, TrustKind.DEVELOPMENT), Ladder.INTACT_LEGACY_LIST, True),
    ],
)
def test_anchors_vouch_for_their_own_kind_only(signed, ring, kinds, state, stamped):
    lists = tuple(TrustList(name=str(kind), kind=kind, pem=ring.root_pem) for kind in kinds)
    found = read_credentials(signed[0], trust=Trust(lists))
    assert (found.state, found.time_stamped) == (state, stamped)


def test_the_sdk_alone_would_trust_a_time_stamp_anchor(signed, ring):
    """Why anchors are grouped: if this ever fails, the SDK has begun to tell kinds apart."""
    anchor = {"trust_anchors": ring.root_pem.decode(), "trust_uri": "urn:x", "trust_kind": "tsa"}
    with c2pa.Reader(str(signed[0]), context=sdk.context(sdk.reading_settings([anchor]))) as reader:
        assert reader.get_validation_state() == "Trusted"


def test_stripped_by_remux(signed, trust, tmp_path):
    assert read_credentials(remux(signed[0], tmp_path / "x.mp4"), trust=trust).state is Ladder.NONE


def test_stored_manifest_beside_the_file_it_was_made_for(signed, trust, clip):
    found = read_credentials(clip, trust=trust, manifest_bytes=signed[1].manifest_bytes)
    assert found.state is Ladder.BROKEN
    assert found.active_label == signed[1].manifest_id


def test_damaged_ancestor(signed, ring, trust, tmp_path):
    middle = boxes(signed[0])["mdat"].start + 100
    broken = flip(signed[0], tmp_path / "broken.mp4", middle)
    parent = Ingredient(path=broken, relationship="parentOf", title="footage", media_type="video/mp4")
    child = tmp_path / "child.mp4"
    sign(broken, child, facts=facts(), ingredients=(parent,), ring=ring)
    found = read_credentials(child, trust=trust)
    # The SDK says "Trusted" here.
    assert found.state is Ladder.INTACT_DEVELOPMENT
    assert found.history_broken
    assert found.raw["validation_state"] == "Trusted"

    grandchild = tmp_path / "grandchild.mp4"
    parent = dataclasses.replace(parent, path=child)
    sign(child, grandchild, facts=facts(), ingredients=(parent,), ring=ring)
    found = read_credentials(grandchild, trust=trust)
    assert found.history_broken
    assert found.ingredients[0].children[0].failures


def test_a_damaged_input_is_named_and_breaks_no_history(signed, ring, trust, tmp_path):
    """A portrait that was cropped in an editor went into the making; nothing of it was opened or placed."""
    broken = flip(signed[0], tmp_path / "broken.mp4", boxes(signed[0])["mdat"].start + 100)
    fed = Ingredient(path=broken, relationship="inputTo", title="portrait", media_type="video/mp4")
    sign(signed[0], tmp_path / "child.mp4", facts=facts(), ingredients=(fed,), ring=ring, timestamp="off")
    found = read_credentials(tmp_path / "child.mp4", trust=trust)
    assert (found.state, found.history_broken) == (Ladder.INTACT_DEVELOPMENT, False)
    assert any("input of the making was changed" in reason for reason in found.reasons)
    assert found.ingredients[0].failures

    # Opened above it, the same input still is an input; opened itself, it is history.
    parent = Ingredient(path=tmp_path / "child.mp4", relationship="parentOf", title="footage", media_type="video/mp4")
    grandchild = tmp_path / "grandchild.mp4"
    sign(parent.path, grandchild, facts=facts(), ingredients=(parent,), ring=ring, timestamp="off")
    assert not read_credentials(grandchild, trust=trust).history_broken
    both = (fed, dataclasses.replace(fed, relationship="componentOf", title="voice"))
    sign(signed[0], tmp_path / "both.mp4", facts=facts(), ingredients=both, ring=ring, timestamp="off")
    assert read_credentials(tmp_path / "both.mp4", trust=trust).history_broken


def test_sound_ancestor(signed, ring, trust, tmp_path):
    parent = Ingredient(path=signed[0], relationship="parentOf", title="footage", media_type="video/mp4")
    child = tmp_path / "child.mp4"
    sign(signed[0], child, facts=facts(), ingredients=(parent,), ring=ring)
    found = read_credentials(child, trust=trust)
    assert found.state is Ladder.INTACT_DEVELOPMENT
    assert not found.history_broken
    assert found.ingredients[0].manifest_label == signed[1].manifest_id


@pytest.fixture(scope="module")
def short_lived(tmp_path_factory, clip):
    """Two files signed with a certificate that has expired since, with and without time stamp, and the home."""
    import time

    folder = tmp_path_factory.mktemp("short")
    home = Home(folder / "home")
    ring = KeyRing.create(home, leaf_validity=timedelta(seconds=3))
    sign(clip, folder / "stamped.mp4", facts=facts(), ring=ring)
    sign(clip, folder / "bare.mp4", facts=facts(), ring=ring, timestamp="off")
    time.sleep(3.2)
    return folder, home


def test_expired_with_time_stamp(short_lived):
    folder, home = short_lived
    assert read_credentials(folder / "stamped.mp4", trust=Trust.of_home(home)).state is Ladder.INTACT_DEVELOPMENT


def test_expired_without_time_stamp(short_lived):
    folder, home = short_lived
    found = read_credentials(folder / "bare.mp4", trust=Trust.of_home(home))
    # The SDK calls this "Invalid", as if it had been tampered with.
    assert found.state is Ladder.INTACT_UNKNOWN_SIGNER
    assert found.signed_at is None


def test_expired_and_stamped_by_an_authority_of_the_wrong_kind(short_lived):
    folder, home = short_lived
    root = (home.keys / "root.pem").read_bytes()
    trust = Trust((TrustList(name="signers", kind=TrustKind.C2PA, pem=root),))
    assert read_credentials(folder / "stamped.mp4", trust=trust).state is Ladder.INTACT_UNKNOWN_SIGNER


def test_fixed_validation_time(signed, trust):
    late = datetime.now(UTC) + timedelta(days=3650)
    found = read_credentials(signed[0], trust=trust, clock=lambda: late)
    assert found.state is Ladder.INTACT_DEVELOPMENT  # the time stamp holds after the certificate's end


def test_remote_manifest_is_not_fetched(clip, ring, trust, tmp_path):
    hits = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_error(404)

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    signer = ring.claim_signer()
    native = c2pa.Signer.from_callback(signer.sign, c2pa.C2paSigningAlg.ES256, signer.chain_pem.decode(), None)
    target = tmp_path / "remote.mp4"
    with c2pa.Builder(build_manifest(facts())) as builder, clip.open("rb") as source, target.open("w+b") as output:
        builder.set_no_embed()
        builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/manifest.c2pa")
        builder.sign(native, "video/mp4", source, output)
    try:
        with pytest.raises(c2pa.C2paError):
            c2pa.Reader(str(target))
        assert hits  # the SDK by itself does fetch: this vector is a real one
        hits.clear()
        found = read_credentials(target, trust=trust)
        parent = Ingredient(path=target, relationship="parentOf", title="footage", media_type="video/mp4")
        sign(clip, tmp_path / "child.mp4", facts=facts(), ingredients=(parent,), ring=ring, timestamp="off")
    finally:
        server.shutdown()
        server.server_close()
    assert found.state is Ladder.NOT_EVALUATED
    assert "not fetched" in found.reasons[0]
    assert hits == []


def test_wrong_extension_and_media_type(signed, trust, tmp_path):
    target = tmp_path / "x.jpg"
    shutil.copyfile(signed[0], target)
    assert read_credentials(target, trust=trust).state is Ladder.INTACT_DEVELOPMENT


@pytest.mark.parametrize(("suffix", "codec", "sound"), [("webm", "libvpx", None), ("mkv", "libx264", "aac")])
def test_kinds_that_cannot_be_searched(trust, tmp_path, suffix, codec, sound):
    path = write_clip(tmp_path / f"x.{suffix}", codec=codec, sound=sound, frames=5)
    assert read_credentials(path, trust=trust).state is Ladder.NOT_EVALUATED


@pytest.mark.parametrize("content", [b"", b"x", b"garbage" * 100, b"\0\0\0\x18ftypmp42" + b"\xff" * 64])
def test_not_media(trust, tmp_path, content):
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    assert read_credentials(path, trust=trust).state in {Ladder.NOT_EVALUATED, Ladder.NONE}


def test_no_file(trust, tmp_path):
    with pytest.raises(InputError):
        read_credentials(tmp_path / "absent.mp4", trust=trust)


def test_damaged_stores_never_pass_and_never_raise(signed, trust, tmp_path):
    def said(found):
        manifests = json.loads(json.dumps(found.raw["manifests"]))
        # The stamp lies outside the signature, since it is made over it: damage there costs the time, no more.
        if not found.time_stamped:
            manifests[found.active_label]["signature_info"]["time"] = whole.signed_at
        return manifests

    whole = read_credentials(signed[0], trust=trust)
    store, data = signed[1].manifest_bytes, signed[0].read_bytes()
    start = data.index(store[:64])
    chance = random.Random(20)
    target = tmp_path / "x.mp4"
    states = set()
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 1, 8))):
            broken[start + chance.randrange(len(store))] = chance.randrange(256)
        if bytes(broken) == data:
            continue
        target.write_bytes(broken)
        found = read_credentials(target, trust=trust)
        states.add(found.state)
        if found.state.intact:
            assert said(found) == said(whole)
    assert Ladder.BROKEN in states


@pytest.mark.parametrize("cut", [0, 10, 100, 2000])
def test_cut_stores(signed, trust, cut):
    found = read_credentials(signed[0], trust=trust, manifest_bytes=signed[1].manifest_bytes[:cut])
    assert found.state in {Ladder.BROKEN, Ladder.NOT_EVALUATED, Ladder.NONE}


def test_mistyped_settings_are_refused():
    for settings in (
        {"trusts": {}},
        {"verify": {"remote_manifest_fetc": False}},
        {"verify": {"remote_manifest_fetch": "no"}},
        {"trust": {"anchors": [{"trust_anchor": "x", "trust_uri": "u", "trust_kind": "tsa"}]}},
        {"trust": {"anchors": [{"trust_anchors": "x", "trust_uri": "u", "trust_kind": "signer"}]}},
    ):
        with pytest.raises(ValueError, match=r"the SDK has no|an anchor has"):
            sdk.check_settings(settings)


def test_sdk_is_the_measured_one():
    """The verdict is built on measured behaviour; another version needs measuring again."""
    assert c2pa.sdk_version().startswith("0.91.")


def test_loopback_authority_is_closed_after_use(ring):
    with LoopbackAuthority(ring) as authority:
        port = int(authority.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(RuntimeError):
        _ = authority.url
    import socket

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_binary_fields_are_text_in_reports(signed, trust):
    found = read_credentials(signed[0], trust=trust)
    assertions = found.raw["manifests"][found.active_label]["assertions"]
    digest = next(item["data"]["hash"] for item in assertions if item["label"].startswith("c2pa.hash"))
    assert len(base64.b64decode(digest)) == 32
