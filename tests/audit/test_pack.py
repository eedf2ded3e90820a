"""The evidence pack, checked by its own verifier in a bare process; a changed byte anywhere is found."""

import base64
import io
import json
import random
import subprocess
import sys
import zipfile
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from policies.bundle import PACKAGE_FOLDER, PolicyBundle, read_files
from thsafe.audit import pack as packing
from thsafe.audit import verify_pack
from thsafe.audit.oscal import as_oscal, write_oscal
from thsafe.audit.pack import write_pack
from thsafe.audit.run import run_audit
from thsafe.core.errors import InputError, LedgerBroken, StoreError
from thsafe.core.ids import new_manifest_label
from thsafe.ledger.note import parse_checkpoint, sign_checkpoint

KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


@pytest.fixture
def pack(house, tmp_path):
    """(path, the Pack) of a house with a failing rule."""
    house.publish("a.mp4", territories=["EU"])
    house.change("a.mp4", time_stamped=False)
    house.publish("b.mp4")
    house.publish("c.mp4", intent=False)
    path = tmp_path / "pack.zip"
    return path, make(house, path)


def audit(house):
    return run_audit(house.home, measure=house.measure, ledger=house.ledger, clock=house.clock, folders=(house.folder,))


def make(house, path, **options):
    return write_pack(audit(house), path, ledger=house.ledger, key=KEY, policies=read_files(PACKAGE_FOLDER), **options)


def rewrite(path, change, key=None):
    """The pack with some files changed; signed anew if a key is given."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    if key is not None:
        envelope = json.loads(files.pop(verify_pack.ENVELOPE))
        statement = json.loads(base64.b64decode(envelope["payload"]))
        subject = [{"name": name, "digest": {"sha256": sha256(data).hexdigest()}} for name, data in files.items()]
        files[verify_pack.ENVELOPE] = packing._sign(subject, statement["predicate"], key)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            with archive.open(verify_pack.member(name), "w") as file:
                file.write(data)


def test_a_bare_interpreter_verifies_the_pack_with_the_script_inside(pack, tmp_path):
    path, made = pack
    with zipfile.ZipFile(path) as archive:
        (tmp_path / "verify_pack.py").write_bytes(archive.read("verify_pack.py"))
    command = [sys.executable, "-I", str(tmp_path / "verify_pack.py"), str(path), "--key", made.key]
    shown = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.endswith("ok      the whole pack\n")
    assert shown.stderr == ""
    source = (tmp_path / "verify_pack.py").read_text()
    assert "import thsafe" not in source
    assert "from thsafe" not in source
    (tmp_path / "known.note").write_text(made.checkpoint.note)
    subprocess.run([*command, "--checkpoint", str(tmp_path / "known.note")], check=True, capture_output=True)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    broken = subprocess.run(command, check=False, capture_output=True, text=True)
    assert broken.returncode == 1
    assert broken.stdout.splitlines()[-1].startswith("BROKEN")


def test_a_changed_byte_anywhere_is_found(pack, tmp_path):
    path, made = pack
    good = path.read_bytes()
    chance = random.Random(6)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        edges = [info.header_offset for info in archive.infolist()]
        start = archive.start_dir
    places = {0, len(good) - 1, *edges, *(edge + 12 for edge in edges), *range(start, len(good), 37)}
    places |= {chance.randrange(len(good)) for _ in range(60)}
    for place in sorted(places):
        data = bytearray(good)
        data[place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        with pytest.raises(verify_pack.Broken):
            verify_pack.verify(path, made.key)
    for data in (good + b"\0", good[:-1], b"\0" + good, b""):
        path.write_bytes(data)
        with pytest.raises(verify_pack.Broken):
            verify_pack.verify(path, made.key)
    path.write_bytes(good)
    assert len(verify_pack.verify(path, made.key)) >= 6


def test_whoever_holds_no_key_cannot_sign_anew(pack):
    path, made = pack
    stranger = Ed25519PrivateKey.generate()
    rewrite(path, lambda files: files.update({"report.html": b"all is well"}), stranger)
    with pytest.raises(verify_pack.Broken, match="signature"):
        verify_pack.verify(path, made.key)
    with pytest.raises(verify_pack.Broken, match="another key"):
        verify_pack.verify(path, made.key.replace("thsafe/", "other/"))


def other_report(files, change):
    report = json.loads(files["report.json"])
    change(report)
    files["report.json"] = json.dumps(report).encode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: other_report(files, lambda r: r["outputs"][0].update(sha256="00" * 32)), "different files"),
        (lambda files: other_report(files, lambda r: r["outputs"][0].update(entry=0)), "not in the log"),
        (lambda files: other_report(files, lambda r: r["outputs"][0]["intent"].update(purpose="x")), "decisions"),
        (lambda files: other_report(files, lambda r: r["audit"]["log"].update(origin="other")), "another log"),
        (lambda files: files.update({"manifests/1.c2pa": b"another"}), "manifest"),
        (lambda files: files.update({"policies/00-permit.cedar": b"permit(principal,action,resource);"}), "policies"),
        (
            lambda files: files.update({"log/entries.jsonl": files["log/entries.jsonl"].replace(b"a.mp4", b"z.mp4")}),
            "not in the log",
        ),
        (
            lambda files: files.update(
                {"log/checkpoint.note": files["log/checkpoint.note"].replace(b"\n5\n", b"\n6\n")}
            ),
            "not signed",
        ),
    ],
)
def test_even_the_log_key_cannot_sign_what_does_not_fit_together(pack, change, words):
    path, made = pack
    rewrite(path, change, KEY)
    with pytest.raises(verify_pack.Broken, match=words):
        verify_pack.verify(path, made.key)


def test_the_next_pack_proves_that_the_log_only_grew(house, pack, tmp_path):
    path, made = pack
    house.publish("d.mp4")
    second = tmp_path / "second.zip"
    make(house, second, previous=path)
    said = verify_pack.verify(second, made.key, known=made.checkpoint.note)
    assert any("extends the 5 entries" in line for line in said)
    assert "the last pack's checkpoint is the one given" in said
    earlier = house.ledger.checkpoints()[0].note
    with pytest.raises(verify_pack.Broken, match="does not speak of"):
        verify_pack.verify(second, made.key, known=earlier)
    (tmp_path / "no.zip").write_bytes(b"no")
    with pytest.raises(InputError) as caught:
        make(house, tmp_path / "third.zip", previous=tmp_path / "no.zip")
    assert caught.value.code == "audit.previous-pack"
    assert not (tmp_path / "third.zip").exists()


def test_a_pack_speaks_of_every_checkpoint_that_a_witness_holds(house, tmp_path):
    house.publish("a.mp4")
    kept = house.ledger.checkpoint()
    house.publish("b.mp4")
    later, path = house.ledger.checkpoint(), tmp_path / "pack.zip"
    house.publish("c.mp4")
    forged = sign_checkpoint(house.ledger.origin, 2, b"\1" * 32, KEY)
    stranger = sign_checkpoint("thsafe/other", 2, b"\1" * 32, KEY)
    made = make(house, path, witnessed=(later, kept, kept, forged, stranger))
    said = verify_pack.verify(path, made.key, known=kept.note)
    assert said[5:7] == [
        "it extends 2 checkpoints that witnesses hold",
        "it extends the 2 entries of the checkpoint given",
    ]
    for given, words in (
        (forged.note, "rewritten"),
        (sign_checkpoint(house.ledger.origin, 3, b"\1" * 32, KEY).note, "ask for a pack made with --witness"),
        (stranger.note, "another log"),
        ("no note", "given checkpoint cannot be read"),
    ):
        with pytest.raises(verify_pack.Broken, match=words):
            verify_pack.verify(path, made.key, known=given)

    def rewritten(files):
        items = json.loads(files["log/witnessed.json"])
        files["log/witnessed.json"] = json.dumps([{**items[0], "path": items[1]["path"]}]).encode()

    rewrite(path, rewritten, KEY)
    with pytest.raises(verify_pack.Broken, match="rewritten"):
        verify_pack.verify(path, made.key)


def test_a_log_that_is_not_the_last_packs_gets_no_pack(house, pack, tmp_path, monkeypatch):
    path, made = pack
    rewritten = parse_checkpoint(made.checkpoint.note.replace("\n5\n", "\n4\n"))
    monkeypatch.setattr(packing, "_previous", lambda _pack, _key: rewritten)
    with pytest.raises(LedgerBroken) as caught:
        make(house, tmp_path / "second.zip", previous=path)
    assert caught.value.code == "log.inconsistent"
    assert [item.name for item in tmp_path.glob(".thsafe-*")] == []
    with pytest.raises(StoreError):
        make(house, tmp_path / "nowhere" / "pack.zip")


def test_oscal(house, pack, tmp_path):
    report = audit(house)
    write_oscal(report, tmp_path / "oscal.json")
    document = json.loads((tmp_path / "oscal.json").read_text())
    assert document == as_oscal(report)
    results = document["assessment-results"]
    assert {"uuid", "metadata", "import-ap", "results"} <= set(results)
    assert {"title", "last-modified", "version", "oscal-version"} <= set(results["metadata"])
    (result,) = results["results"]
    assert {"uuid", "title", "description", "start", "reviewed-controls"} <= set(result)
    states = {item["title"]: item["target"]["status"] for item in result["findings"]}
    assert states["EU-COP-1.1.1b"] == {"state": "not-satisfied", "reason": "fail"}
    assert states["HOUSE-LABEL"]["state"] == "satisfied"
    observed = {item["uuid"] for item in result["observations"]}
    assert {
        link["observation-uuid"] for item in result["findings"] for link in item["related-observations"]
    } <= observed
    items = {item["uuid"] for item in result["local-definitions"]["inventory-items"]}
    assert {s["subject-uuid"] for item in result["observations"] for s in item.get("subjects", ())} <= items
    assert len(result["observations"]) == len(result["findings"]) + len(report.exceptions)
    assert new_manifest_label() not in json.dumps(document)
    ids = [item["uuid"] for kind in ("observations", "findings") for item in result[kind]]
    assert len(ids) == len(set(ids))


def kept_policies(path, folder, change=""):
    """The policies of a pack, as an auditor may have kept them."""
    folder.mkdir()
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.startswith("policies/"):
                (folder / name.removeprefix("policies/")).write_bytes(archive.read(name))
    with (folder / "rules.yaml").open("a", encoding="utf-8") as file:
        file.write(change)
    return folder


def test_decisions_are_held_against_policies_that_the_auditor_kept(pack, tmp_path):
    path, _ = pack
    same, other = kept_policies(path, tmp_path / "same"), kept_policies(path, tmp_path / "other", "# later\n")
    said = verify_pack.verify(path, policies=[other, same])
    assert "2 decisions were made under the policies given" in said
    with pytest.raises(verify_pack.Broken, match="were not given"):
        verify_pack.verify(path, policies=[other])
    with pytest.raises(verify_pack.Broken, match="cannot be read"):
        verify_pack.verify(path, policies=[tmp_path])


def test_old_decisions_are_asked_again_under_their_own_policies(house, pack, tmp_path):
    path, _ = pack
    old = PolicyBundle.load_earlier(kept_policies(path, tmp_path / "old", "# an earlier table\n"))
    assert old.digest != PolicyBundle.load().digest
    house.intent("long-ago", policy=old.digest)

    def other_policies(**options):
        report = run_audit(house.home, measure=house.measure, ledger=house.ledger, clock=house.clock, **options)
        return [item for item in report.exceptions if item.code == "decision.other-policy"]

    assert other_policies()
    assert not other_policies(policies=[old])
