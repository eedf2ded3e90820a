"""Each way to falsify the log, and what finds it; only a witness finds an insider who holds the log's key."""

from dataclasses import replace
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, insert, text, update

from thsafe.core.canonical import canonical_bytes
from thsafe.core.errors import InputError, LedgerBroken, StoreError
from thsafe.ledger import merkle
from thsafe.ledger.log import Ledger
from thsafe.ledger.note import sign_checkpoint
from thsafe.ledger.witness import read_checkpoints, witness
from thsafe.store import schema
from thsafe.store.engine import writing


@pytest.fixture
def witnessed(log, tmp_path):
    """A log of twelve entries whose first ten were witnessed."""
    log.append_many({"type": "verify", "n": n} for n in range(10))
    witness(log, tmp_path / "auditor")
    log.append_many({"type": "verify", "n": n} for n in (10, 11))
    return log


def codes(log, folder=None):
    kept = read_checkpoints(folder) if folder else ()
    return {problem.code for problem in log.verify(witnessed=kept).problems}


def edit_row(log, key):
    forged = canonical_bytes({**log.entry(4).event, "n": 99})
    with writing(log._engine) as connection:
        row = {"leaf": forged, "leaf_hash": merkle.leaf_hash(forged)}
        connection.execute(update(schema.entry).where(schema.entry.c.position == 4).values(row))
        connection.execute(delete(schema.checkpoint))


def delete_row(log, key):
    with writing(log._engine) as connection:
        connection.execute(delete(schema.entry).where(schema.entry.c.position == 4))
        connection.execute(delete(schema.checkpoint))


def cut_tail(log, key):
    with writing(log._engine) as connection:
        connection.execute(delete(schema.entry).where(schema.entry.c.position >= 10))


def rebuild(log, key, leaves):
    """What someone with the database and the log's key can do: all tables anew, freshly signed."""
    with writing(log._engine) as connection:
        for table in (schema.node, schema.entry, schema.checkpoint):
            connection.execute(delete(table))
        frontier, nodes = merkle.Frontier(), []
        for position, leaf in enumerate(leaves):
            row = {"position": position, "leaf": canonical_bytes(leaf), "at": leaf["ts"], "type": leaf["type"]}
            hashed = merkle.leaf_hash(row["leaf"])
            connection.execute(insert(schema.entry).values(leaf_hash=hashed, **row))
            frontier, made = frontier.append(hashed)
            nodes += made
        connection.execute(
            insert(schema.node), [{"number": merkle.number(node), "hash": value} for node, value in nodes]
        )
        head = {
            "size": frontier.size,
            "root": frontier.root(),
            "frontier": frontier.packed(),
            "last_at": leaves[-1]["ts"],
        }
        connection.execute(update(schema.head).values(head))
        signed = sign_checkpoint(log.origin, frontier.size, frontier.root(), key)
        connection.execute(insert(schema.checkpoint).values(size=signed.size, at=leaves[-1]["ts"], note=signed.note))


def insider_rewrites(log, key):
    leaves = [entry.event for entry in log.entries()]
    leaves[4] = {**leaves[4], "n": 99}
    rebuild(log, key, leaves)


def insider_truncates(log, key):
    rebuild(log, key, [entry.event for entry in log.entries(0, 8)])


def insider_edits_after_the_witness(log, key):
    leaves = [entry.event for entry in log.entries()]
    leaves[11] = {**leaves[11], "n": 99}
    rebuild(log, key, leaves)


ATTACKS = [
    (edit_row, "HEAD-MISMATCH", "INCONSISTENT"),
    (delete_row, "HEAD-MISMATCH", "INCONSISTENT"),
    (cut_tail, "HEAD-MISMATCH", "HEAD-MISMATCH"),
    (insider_rewrites, None, "INCONSISTENT"),
    (insider_truncates, None, "ROLLBACK"),
    (insider_edits_after_the_witness, None, None),  # the window that is left: since the last witnessed checkpoint
]


@pytest.mark.parametrize(("attack", "alone", "with_witness"), ATTACKS, ids=lambda item: getattr(item, "__name__", None))
def test_attack(witnessed, tmp_path, key, attack, alone, with_witness):
    assert not codes(witnessed, tmp_path / "auditor")
    attack(witnessed, key)
    found = codes(witnessed)
    assert (alone in found) if alone else not found
    found = codes(witnessed, tmp_path / "auditor")
    assert (with_witness in found) if with_witness else not found


def test_own_checkpoints_show_a_rewrite_without_the_key(witnessed, key):
    kept = witnessed.checkpoints()
    stranger = Ed25519PrivateKey.generate()
    insider_rewrites(witnessed, stranger)
    assert codes(witnessed) == {"CHECKPOINT"}
    with writing(witnessed._engine) as connection:
        connection.execute(delete(schema.checkpoint))
        connection.execute(insert(schema.checkpoint).values(size=kept[0].size, at="", note=kept[0].note))
    assert codes(witnessed) == {"INCONSISTENT"}


def test_witness_refuses_what_it_did_not_see_grow(witnessed, tmp_path, key):
    folder = tmp_path / "auditor"
    insider_rewrites(witnessed, key)
    with pytest.raises(LedgerBroken) as caught:
        witness(witnessed, folder)
    assert caught.value.code == "log.inconsistent"
    insider_truncates(witnessed, key)
    with pytest.raises(LedgerBroken) as caught:
        witness(witnessed, folder)
    assert caught.value.code == "log.rollback"
    assert [item.size for item in read_checkpoints(folder)] == [10]


def test_witness_keeps_every_state_once(witnessed, tmp_path):
    folder = tmp_path / "auditor"
    assert witness(witnessed, folder) == witness(witnessed, folder)
    kept = read_checkpoints(folder)
    assert [item.size for item in kept] == [10, 12]
    assert read_checkpoints(next(folder.glob("*12.note"))) == kept[1:]
    assert witnessed.verify(witnessed=kept).witnessed == 2


def test_witness_folder_that_is_none(witnessed, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError):
        witness(witnessed, tmp_path / "file")
    with pytest.raises(StoreError) as caught:
        witness(witnessed, tmp_path / "file" / "below")
    assert caught.value.code == "log.witness"
    with pytest.raises(InputError):
        read_checkpoints(tmp_path / "nothing")


def test_checkpoint_of_another_log(witnessed, key):
    for size in (3, 99):
        foreign = sign_checkpoint("thsafe/other", size, sha256(b"").digest(), key)
        assert {problem.code for problem in witnessed.verify(witnessed=[foreign]).problems} == {"CHECKPOINT"}


def test_checkpoint_that_somebody_made_up_accuses_nobody(witnessed):
    forged = sign_checkpoint(witnessed.origin, 99, sha256(b"").digest(), Ed25519PrivateKey.generate())
    assert {problem.code for problem in witnessed.verify(witnessed=[forged]).problems} == {"CHECKPOINT"}


def test_without_the_key_checkpoints_are_still_compared(witnessed, any_home, key):
    with Ledger.open(any_home) as stranger:
        assert stranger.verify().ok
        foreign = sign_checkpoint("thsafe/other", 3, sha256(b"").digest(), key)
        assert {problem.code for problem in stranger.verify(witnessed=[foreign]).problems} == {"CHECKPOINT"}
        later = sign_checkpoint(witnessed.origin, 99, sha256(b"").digest(), key)
        assert {problem.code for problem in stranger.verify(witnessed=[later]).problems} == {"ROLLBACK"}


def test_stored_checkpoint_that_is_none(witnessed):
    tamper(witnessed, update(schema.checkpoint).values(note="scribble"))
    assert codes(witnessed) == {"CHECKPOINT"}


def tamper(log, statement):
    with writing(log._engine) as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(text("PRAGMA defer_foreign_keys=ON"))
        connection.execute(statement)


@pytest.mark.parametrize(
    ("code", "statement"),
    [
        ("ENTRY", update(schema.entry).where(schema.entry.c.position == 3).values(type="output")),
        ("ENTRY", update(schema.entry).where(schema.entry.c.position == 3).values(leaf_hash=b"\0" * 32)),
        ("ENTRY", update(schema.entry).where(schema.entry.c.position == 3).values(leaf=b"[]")),
        ("ENTRY", update(schema.entry).where(schema.entry.c.position == 3).values(leaf=b"not JSON")),
        ("ENTRY", delete(schema.entry).where(schema.entry.c.position == 0)),
        ("TIME", update(schema.entry).where(schema.entry.c.position == 3).values(at="2020-01-01T00:00:00.000Z")),
        ("NODE", update(schema.node).where(schema.node.c.number == 3).values(hash=b"\0" * 32)),
        ("NODE", delete(schema.node).where(schema.node.c.number == 7)),
        ("NODE", insert(schema.node).values(number=999, hash=b"\0" * 32)),
        ("USES", insert(schema.consent_use).values(consent="c", position=2)),
        ("HEAD-MISMATCH", update(schema.head).values(last_at="2020-01-01T00:00:00.000Z")),
        ("HEAD-MISMATCH", update(schema.head).values(size=11)),
    ],
)
def test_every_table_is_compared(witnessed, code, statement):
    assert witnessed.verify().ok
    tamper(witnessed, statement)
    assert code in codes(witnessed)


def test_head_that_cannot_be_appended_to(witnessed):
    tamper(witnessed, update(schema.head).values(frontier=b"\0" * 33))
    with pytest.raises(LedgerBroken) as caught:
        witnessed.append({"type": "verify"})
    assert caught.value.code == "log.head"


@pytest.mark.parametrize("change", [{"size": 99}, {"size": 8}, {"root": b"\0" * 32}, {"frontier": b"\0" * 33}])
def test_head_that_is_not_that_of_the_entries_is_not_signed(witnessed, tmp_path, change):
    tamper(witnessed, update(schema.head).values(**change))
    for seal in (witnessed.checkpoint, lambda: witness(witnessed, tmp_path / "new witness")):
        with pytest.raises(LedgerBroken) as caught:
            seal()
        assert caught.value.code == "log.head"
    assert not (tmp_path / "new witness").exists()


def test_log_without_a_head(witnessed, any_home):
    tamper(witnessed, delete(schema.head))
    with pytest.raises(LedgerBroken) as caught:
        Ledger.open(any_home)
    assert caught.value.code == "log.head"


def test_columns_of_another_kind_are_compared_all_the_same(log):
    for number in range(3):
        log.append({"type": "verify", "n": number})
    if log._engine.dialect.name != "sqlite":
        pytest.skip("only SQLite keeps text in a column of bytes")
    tamper(log, text("UPDATE log_entry SET leaf = 'x' WHERE position = 1"))
    assert codes(log) >= {"ENTRY"}
    tamper(log, text("UPDATE log_entry SET at = x'00' WHERE position = 2"))
    assert [problem.index for problem in log.verify().problems if problem.code == "ENTRY"] == [1, 1, 2]
    tamper(log, text("UPDATE log_head SET size = 'many'"))
    assert codes(log) >= {"ENTRY", "HEAD-MISMATCH"}
    with pytest.raises(LedgerBroken) as caught:
        log.append({"type": "verify", "n": 3})
    assert caught.value.code == "log.head"


def test_tables_built_anew_without_their_rules_are_no_clean_log(log):
    log.append({"type": "verify", "n": 0})
    if log._engine.dialect.name == "sqlite":
        tamper(log, text("PRAGMA defer_foreign_keys = ON"))
        for words in (
            "CREATE TABLE loose AS SELECT * FROM log_entry",
            "DROP TABLE log_entry",
            "ALTER TABLE loose RENAME TO log_entry",
        ):
            tamper(log, text(words))
    else:
        tamper(log, text("ALTER TABLE log_entry ALTER leaf DROP NOT NULL"))
    tamper(log, text("UPDATE log_entry SET leaf = NULL"))
    with pytest.raises(LedgerBroken) as caught:
        log.verify()
    assert caught.value.code == "log.unreadable"


def test_holes_in_the_tree_stop_proofs(witnessed):
    tamper(witnessed, delete(schema.node))
    with pytest.raises(LedgerBroken) as caught:
        witnessed.prove(0)
    assert caught.value.code == "log.nodes"


def test_forged_nodes_prove_nothing(witnessed):
    tamper(witnessed, update(schema.node).values(hash=b"\0" * 32))
    with pytest.raises(LedgerBroken) as caught:
        witnessed.prove(0)
    assert caught.value.code == "log.nodes"


def test_exchanged_personal_fields_and_manifest(log, make_record):
    record = make_record()
    log.append({"type": "consent.created"}, personal={"name": "Mara"}, subject="s")
    event = {
        "type": "output",
        "sha256": record.sha256,
        "manifest_id": record.manifest_id,
        "watermark_id": record.watermark_id,
    }
    log.append(event, output=record)
    assert log.verify().ok
    tamper(log, update(schema.personal).values(salt=b"\0" * 32))
    tamper(log, update(schema.output).values(manifest=b"another"))
    assert codes(log) == {"PERSONAL", "OUTPUT"}
    tamper(log, delete(schema.output))
    assert "OUTPUT" in codes(log)


def published(log, record):
    names = ("sha256", "manifest_id", "watermark_id")
    log.append({"type": "output", **{name: getattr(record, name) for name in names}}, output=record)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("thumbnail", b"of somebody else"),
        ("thumbnail", None),
        ("fingerprint", "of another film"),
        ("fingerprint", None),
        ("essence_hash", "0" * 64),
        ("essence_hash", None),
        ("media_type", "image/png"),
        ("created_at", "2020-01-01T00:00:00.000Z"),
        ("duration", 9.5),
        ("engine", "another"),
        ("task", "another"),
        ("sha256", "0" * 64),
        ("manifest_id", "urn:c2pa:another"),
        ("watermark_id", "0" * 16),
    ],
)
def test_no_word_of_an_output_can_be_exchanged(log, make_record, column, value):
    published(log, replace(make_record(), thumbnail=b"a small picture", fingerprint="{}", essence_hash="e" * 64))
    assert log.verify().ok
    tamper(log, update(schema.output).values({column: value}))
    assert [(problem.code, problem.index) for problem in log.verify().problems] == [("OUTPUT", 0)]


def test_files_move_and_entries_of_early_versions_hold_less(log, make_record):
    published(log, make_record())
    tamper(log, update(schema.output).values(path="/elsewhere/out.mp4"))
    assert log.verify().ok
    (leaf,) = (dict(entry.event) for entry in log.entries())
    assert set(leaf.pop("record")) == {"facts", "fingerprint", "thumbnail"}
    row = {"leaf": canonical_bytes(leaf), "leaf_hash": merkle.leaf_hash(canonical_bytes(leaf))}
    tamper(log, update(schema.entry).values(row))
    tamper(log, update(schema.output).values(engine="another"))
    # The tree is no longer the same; of the row itself nothing is said any more.
    assert "OUTPUT" not in codes(log)
    tamper(log, update(schema.output).values(manifest=b"another"))
    assert "OUTPUT" in codes(log)
