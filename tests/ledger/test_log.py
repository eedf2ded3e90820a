"""Appending, counting, finding, proving, erasing."""

import json
from datetime import timedelta

import pytest

from thsafe.core.canonical import canonical_bytes
from thsafe.core.errors import ConsentRefused, StoreError
from thsafe.home import Home
from thsafe.ledger import merkle
from thsafe.ledger.log import Ledger


def test_first_entry(log):
    assert (log.size, log.last_time()) == (0, None)
    entry = log.append({"type": "intent", "job": "j-1"})
    assert entry.index == 0
    assert entry.type == "intent"
    assert json.loads(entry.leaf) == {"v": 1, "seq": 0, "ts": entry.at, "type": "intent", "job": "j-1"}
    assert entry.leaf == canonical_bytes(entry.event)
    assert entry.leaf_hash == merkle.leaf_hash(entry.leaf).hex()
    assert log.entry(0) == entry
    assert log.origin.startswith("thsafe/")
    assert len(log.origin) == 39


def test_what_was_written_is_there_after_reopening(log, any_home, key):
    log.append_many({"type": "verify", "n": n} for n in range(7))
    with Ledger.open(any_home, key=key) as again:
        assert [entry.event["n"] for entry in again.entries()] == list(range(7))
        assert [entry.index for entry in again.entries(2, 5)] == [2, 3, 4]
        assert again.origin == log.origin
        assert again.verify().ok


def test_pages(log):
    log.append_many({"type": "verify", "n": n} for n in range(1203))
    assert [entry.index for entry in log.entries()] == list(range(1203))
    assert [entry.index for entry in log.entries(499, 1001)] == list(range(499, 1001))
    assert list(log.entries(5, 5)) == []
    assert list(log.entries(2000)) == []
    assert sum(1 for _ in log.find("verify")) == 1203
    report = log.verify()
    assert report.ok
    assert report.size == 1203
    assert report.counts == {"verify": 1203}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": ""},
        {"type": 3},
        {"type": "x", "seq": 9},
        {"type": "x", "ts": "now"},
        {"type": "x", "n": float("nan")},
    ],
)
def test_events_that_are_not(log, event):
    with pytest.raises(ValueError):
        log.append(event)
    assert log.size == 0


def test_clock_turned_back(log, clock):
    log.append({"type": "verify"})
    clock.now -= timedelta(seconds=2)
    inside = log.append({"type": "verify"})
    assert inside.at == log.entry(0).at  # within the tolerance time stands still, it never goes back
    clock.now -= timedelta(hours=1)
    with pytest.raises(StoreError) as caught:
        log.append({"type": "verify"})
    assert caught.value.code == "log.clock"
    assert log.size == 2
    assert log.verify().ok


def test_uses_are_counted_against_the_limit(log):
    for n in (1, 2):
        assert log.append({"type": "intent"}, uses={"c": 2}).event["uses"] == {"c": n}
    with pytest.raises(ConsentRefused) as caught:
        log.append({"type": "intent"}, uses={"other": 5, "c": 2})
    assert caught.value.code == "consent.uses"
    assert log.uses("c") == 2
    assert log.uses("other") == 0
    assert log.size == 2
    log.append({"type": "intent"}, uses={"free": None})
    assert log.uses("free") == 1
    assert [entry.index for entry in log.find(consent="c")] == [0, 1]
    assert log.verify().ok


def test_output_row_and_entry_are_one_step(log, make_record, make_event):
    entry = log.append(make_event(), output=make_record())
    stored = log.outputs.by_sha256("ab" * 32)
    assert stored == make_record(ledger_index=entry.index)
    assert stored == log.outputs.by_watermark("00112233aabbccdd")
    assert stored == log.outputs.by_manifest("urn:c2pa:1") == log.outputs.by_essence("cd" * 32)
    assert log.outputs.by_sha256("00" * 32) is None
    assert list(log.outputs.all()) == [stored]
    with pytest.raises(StoreError):
        log.append(make_event(), output=make_record())  # the same watermark id again
    assert log.size == 1
    assert log.verify().ok


def test_outputs_are_sealed_at_once(log, make_record, make_event):
    log.append({"type": "intent", "job": "j"})
    assert log.checkpoints() == ()
    log.append(make_event(), output=make_record())
    (sealed,) = log.checkpoints()
    assert sealed.size == 2
    assert log.checkpoint() == sealed


def test_checkpoint_needs_the_key(any_home, make_record, make_event):
    with Ledger.open(any_home) as log:
        log.append(make_event(), output=make_record())
        assert log.checkpoints() == ()
        assert log.verifier is None
        with pytest.raises(StoreError) as caught:
            log.checkpoint()
        assert caught.value.code == "log.no-key"


def test_find(log):
    log.append_many(
        [
            {"type": "intent", "job": "a"},
            {"type": "consent.created", "consent": "c"},
            {"type": "consent.revoked", "consent": "c"},
            {"type": "failed", "job": "a", "reason": "engine.crash"},
            {"type": "verify", "sha256": "aa"},
        ]
    )
    log.append({"type": "consented"})

    def indexes(**by):
        return [entry.index for entry in log.find(**by)]

    assert indexes(type="consent.") == [1, 2]
    assert indexes(job="a") == [0, 3]
    assert indexes(type="failed", job="a") == [3]
    assert indexes(sha256="aa") == [4]
    last = log.entry(5).at
    assert indexes(since=last) == [5]
    assert indexes(until=last) == [0, 1, 2, 3, 4]


def test_proofs(log):
    log.append_many({"type": "verify", "n": n} for n in range(37))
    roots = {}
    for size in (1, 2, 20, 37):
        for index in range(size):
            proof = log.prove(index, size)
            assert proof.holds()
            assert proof.leaf_hash == log.entry(index).leaf_hash
            roots[size] = proof.root
    path = [bytes.fromhex(item) for item in log.prove_consistency(20, 37)]
    assert merkle.verify_consistency(20, 37, path, bytes.fromhex(roots[20]), bytes.fromhex(roots[37]))
    for index, size in ((37, None), (-1, None), (20, 20), (0, 38)):
        with pytest.raises(StoreError) as caught:
            log.prove(index, size)
        assert caught.value.code == "log.no-entry"
    with pytest.raises(StoreError):
        log.entry(37)
    with pytest.raises(StoreError):
        log.prove_consistency(3, 2)


def test_open_intents(log, make_record, make_event):
    log.append_many(
        [
            {"type": "intent", "job": "done"},
            {"type": "intent", "job": "killed"},
            {"type": "intent", "job": "broken"},
            {"type": "failed", "job": "broken"},
        ]
    )
    log.append(make_event(job="done"), output=make_record())
    (left,) = log.verify().open_intents
    assert (left.index, left.job) == (1, "killed")


def test_erasing_keeps_every_proof(log, make_record, make_event):
    secret = {"name": "Mara Ellingsen", "born": "1990-02-03"}
    entry = log.append({"type": "consent.created"}, personal=secret, subject="did:key:mara")
    other = log.append({"type": "consent.created"}, personal={"name": "Ivo"}, subject="did:key:ivo")
    log.append({"type": "intent", "job": "j"}, uses={"consent-mara": 3})
    log.append(make_event(), output=make_record())
    assert log.personal(entry.index) == secret
    assert b"Mara" not in entry.leaf
    assert b"did:key:mara" not in entry.leaf
    before = log.prove(entry.index)
    erased = log.erase("did:key:mara", consents=["consent-mara"])
    assert erased.event["entries"] == [entry.index]
    assert erased.event["thumbnails"] == 1
    assert b"did:key:mara" not in erased.leaf
    assert log.personal(entry.index) is None
    assert log.personal(other.index) == {"name": "Ivo"}
    assert log.outputs.by_manifest("urn:c2pa:1").thumbnail is None
    assert log.prove(entry.index, before.size) == before
    assert before.holds()
    assert log.prove(entry.index).holds()
    assert log.verify().ok


def test_erased_bytes_are_gone_from_the_disk(home, key):
    with Ledger.open(Home(home), key=key) as log:
        log.append({"type": "consent.created"}, personal={"name": "Mara"}, subject="did:key:mara")
        log.append({"type": "consent.created"}, personal={"name": "Ivo"}, subject="did:key:ivo")
        log.erase("did:key:mara")
        everything = b"".join(path.read_bytes() for path in home.glob("thsafe.db*"))
    assert b"did:key:mara" not in everything
    assert b"did:key:ivo" in everything


def test_personal_fields_need_a_subject(log):
    with pytest.raises(ValueError, match="subject"):
        log.append({"type": "consent.created"}, personal={"name": "x"})
    assert log.personal(0) is None
