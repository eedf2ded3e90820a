"""A receipt for a platform, refused for what lost its marks; then the person behind the video is forgotten."""

from __future__ import annotations

import errno
import json
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import select, update

from thsafe.audit import html, verify_pack
from thsafe.cli.main import run
from thsafe.consent.store import ConsentStore
from thsafe.core.canonical import canonical_bytes
from thsafe.installation import Installation
from thsafe.ledger.log import InclusionProof
from thsafe.ledger.merkle import leaf_hash
from thsafe.ledger.note import Verifier, verify_checkpoint
from thsafe.media.files import write_failure
from thsafe.media.image import write_png
from thsafe.registry import draw_person
from thsafe.store import schema
from thsafe.store.engine import open_engine, reading, writing
from thsafe.verification import verify


def said(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def video(home: Path, tmp_path: Path, capsys) -> Path:
    """A published video of somebody who consented."""
    portrait, out = tmp_path / "me.png", tmp_path / "out.mp4"
    assert run(["keys", "new"]) == 0
    write_png(portrait, draw_person("ada", 512))
    assert run(["consent", "new", "--self", "--portrait", str(portrait), "--name", "Ada Example"]) == 0
    command = ["generate", "say", "--image", str(portrait), "--size", "256", "--text", "Hello, hello.", "-o", str(out)]
    assert run(command) == 0, capsys.readouterr().err
    capsys.readouterr()
    return out


def full_disk(path: Path, data: bytes) -> None:
    raise write_failure(path, errno.ENOSPC, len(data))


def test_receipts_and_forgetting(video: Path, tmp_path: Path, capsys, attacks, monkeypatch) -> None:
    # Each platform gets its own flag, and the proof that the log holds the publication.
    flags = {}
    for platform in ("youtube", "tiktok", "dv360", "meta"):
        assert run(["publish", str(video), "--platform", platform, "--json"]) == 0
        receipt = said(capsys)
        assert receipt == json.loads((tmp_path / f"out.mp4.{platform}.json").read_text())
        flags[platform] = (receipt["flag"]["field"], receipt["flag"]["value"])
        log = receipt["log"]
        proof = InclusionProof(**{**log["proof"], "path": tuple(log["proof"]["path"])})
        assert proof.holds()
        assert proof.leaf_hash == leaf_hash(log["leaf"].encode()).hex()
        assert verify_checkpoint(log["checkpoint"], Verifier.parse(log["key"])).root == proof.root
        assert json.loads(log["leaf"])["platform"] == platform
    assert flags == {
        "youtube": ("status.containsSyntheticMedia", True),
        "tiktok": ("post_info.is_aigc", True),
        "dv360": ("syntheticContentAttestationStatus", "IS_SYNTHETIC"),
        "meta": ("", None),
    }
    assert run(["publish", str(video), "--platform", "youtube"]) == 2  # the receipt is there already
    assert "--force" in capsys.readouterr().err

    # A receipt that cannot be written leaves its entry, and says so; asked again it is there.
    with monkeypatch.context() as patch:
        patch.setattr(html, "write_whole", full_disk)
        assert run(["publish", str(video), "--platform", "meta", "--force", "--json"]) == 34
    problem = said(capsys)
    assert problem["error"] == "store.disk-full"
    installation = Installation.open()
    entry = list(installation.ledger.find("publish"))[-1]
    assert problem["log"] == f"entry {entry.index} says that the file was published; no receipt was written"
    assert run(["publish", str(video), "--platform", "meta", "--force", "--json"]) == 0
    assert said(capsys)["log"]["index"] == entry.index + 1

    # What lost its credentials or was changed gets none.
    bare = tmp_path / "bare.mp4"
    attacks.remux(video, bare)
    assert run(["publish", str(bare), "--platform", "youtube"]) == 35
    assert "publish.unknown" in capsys.readouterr().err
    changed = tmp_path / "changed.mp4"
    data = bytearray(video.read_bytes())
    data[data.rindex(b"mdat") + 4000] ^= 0xFF
    changed.write_bytes(data)
    assert run(["publish", str(changed), "--platform", "youtube", "--json"]) == 35
    problem = said(capsys)
    assert problem["error"] in {"publish.marks", "publish.unknown"}
    assert not (tmp_path / "changed.mp4.youtube.json").exists()

    # Forgetting: names, pictures and keys go; every proof holds; what stays is named.
    (record,) = ConsentStore(installation.home).list()
    assert installation.ledger.outputs.by_sha256(receipt["file"]["sha256"]).thumbnail
    assert b"Ada Example" in b"".join(path.read_bytes() for path in installation.home.consents.rglob("*.json"))
    assert run(["erase", "urn:uuid:00000000-0000-0000-0000-000000000000", "--yes"]) == 2
    assert "erase.unknown" in capsys.readouterr().err
    assert run(["erase", record.id, "--yes", "--json"]) == 0
    erased = said(capsys)
    assert (erased["vault_files"], erased["thumbnails"], erased["key_deleted"]) == (1, 1, False)
    assert erased["manifests"] == 1
    assert erased["still_active"] == [record.id]
    assert {item["what"].partition(" (")[0] for item in erased["kept"]} >= {"signed consent records", "log entries"}
    assert b"Ada Example" not in b"".join(
        path.read_bytes() for path in installation.home.path.rglob("*") if path.is_file()
    )
    assert installation.ledger.outputs.by_sha256(receipt["file"]["sha256"]).thumbnail is None
    stored = installation.ledger.outputs.by_sha256(receipt["file"]["sha256"])
    assert (stored.manifest, stored.fingerprint) == (b"", None)
    with reading(installation.ledger._engine) as connection:
        assert connection.execute(select(schema.look)).all() == []
    assert installation.ledger.verify().ok
    # A stripped copy is still known as published here; its credentials are not given out again.
    finding = verify(bare).finding("recovery")
    assert finding.code == "ERASED"
    assert "erased for the person" in finding.summary
    # The evidence pack holds without the manifest, because the log tells of the erasure.
    assert run(["audit", "pack", "-o", str(tmp_path / "after.zip"), "--json"]) == 0
    pack = said(capsys)["pack"]
    assert verify_pack.verify(tmp_path / "after.zip", pack["key"], pack["checkpoint"])
    assert not [name for name in zipfile.ZipFile(tmp_path / "after.zip").namelist() if name.endswith(".c2pa")]
    assert installation.ledger.prove(proof.index, proof.size) == proof
    event = installation.ledger.entry(erased["entry"]).event
    assert (event["vault"], event["subject_keys"]) == (1, 0)
    assert record.subject not in json.dumps(event)

    # Doing it again is no error; the DID names the person too.
    assert run(["erase", record.subject, "--yes"]) == 0
    shown = capsys.readouterr().out
    assert "0 vault files" in shown
    assert f"thsafe consent revoke {record.id}" in shown

    # Withdrawn: no further receipt, and now the person's key may go, too.
    assert run(["consent", "revoke", record.id]) == 0
    capsys.readouterr()
    assert run(["publish", str(video), "--platform", "tiktok", "--force"]) == 21
    assert "publish.consent" in capsys.readouterr().err
    assert run(["erase", record.id, "--yes", "--with-key", "--json"]) == 0
    erased = said(capsys)
    assert erased["key_deleted"]
    assert erased["still_active"] == []


def test_a_manifest_taken_out_of_the_store_is_missed(video: Path, tmp_path: Path, capsys) -> None:
    """Only an erasure that the log tells of may take one."""
    installation = Installation.open()
    assert installation.ledger.verify().ok
    engine = open_engine(f"sqlite:///{next(installation.home.path.rglob('*.db'))}")
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE output SET manifest = x''")
    engine.dispose()
    assert [problem.code for problem in installation.ledger.verify().problems] == ["OUTPUT"]
    assert run(["audit", "pack", "-o", str(tmp_path / "x.zip"), "--json"]) in {0, 40}
    capsys.readouterr()
    # A decision of another form than the gate writes permits no publication.
    (intent,) = installation.ledger.find("intent")
    with writing(engine) as connection:
        leaf = canonical_bytes({**intent.event, "duties": 5})
        connection.execute(update(schema.entry).where(schema.entry.c.position == intent.index).values(leaf=leaf))
    engine.dispose()
    assert run(["publish", str(video), "--platform", "meta", "--json"]) == 40
    problem = said(capsys)
    assert (problem["error"], problem["found"]) == ("log.form", "duties")


def test_a_pack_from_the_command_line(home: Path, tmp_path: Path, capsys) -> None:
    assert run(["keys", "new"]) == 0
    Installation.open().ledger.append({"type": "verify"})
    capsys.readouterr()
    assert run(["audit", "pack", "-o", str(tmp_path / "one.zip"), "--json"]) == 0
    first = said(capsys)["pack"]
    assert run(["audit", "pack", "-o", str(tmp_path / "two.zip"), "--previous", first["path"]]) == 0
    assert first["key"] in capsys.readouterr().out
    lines = verify_pack.verify(tmp_path / "two.zip", first["key"], first["checkpoint"])
    assert any("last pack" in line for line in lines)
    assert run(["audit", "pack", "-o", str(tmp_path / "two.zip")]) == 2
    assert run(["audit", "run", "--oscal", str(tmp_path / "oscal.json")]) == 0
    assert "assessment-results" in (tmp_path / "oscal.json").read_text()
