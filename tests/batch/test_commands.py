"""``thsafe batch`` as a person uses it, and the ways in which it says no."""

import csv
import json
import os

import pytest

from thsafe.batch import plan_verification, run_batch
from thsafe.batch.driver import this_driver
from thsafe.batch.export import export
from thsafe.batch.sources import path_of, source_of
from thsafe.cli.main import run as thsafe
from thsafe.core.errors import MissingError
from thsafe.core.exitcodes import ExitCode


@pytest.fixture
def said(capsys):
    def call(*words):
        capsys.readouterr()
        code = thsafe(["batch", *map(str, words)])
        heard = capsys.readouterr()
        return code, heard.out, heard.err

    return call


def test_the_whole_way(lite, many, said, tmp_path):
    folder = many(6, broken=1)
    code, out, _ = said("plan", folder, "-r", "--json")
    assert code == 0
    batch = json.loads(out)["batch"]
    assert json.loads(out)["items"] == 6
    code, out, _ = said("status", batch)
    assert "waiting: 0 of 6" in out
    code, out, _ = said("run", batch, "--executor", "serial")
    assert code == ExitCode.BATCH_FAILURES
    assert "5 done, 1 failed" in out
    code, out, _ = said("status", batch[:6], "--json")
    standing = json.loads(out)
    assert (standing["state"], standing["items"]) == ("finished", {"done": 5, "failed": 1})
    code, out, _ = said("status", batch)
    assert "00001.txt" in out
    code, out, _ = said("retry", batch, "--executor", "serial", "--json")
    assert code == ExitCode.BATCH_FAILURES
    assert json.loads(out)["done_now"] == 1

    code, out, _ = said("export", batch)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["number"] for line in lines] == list(range(6))
    assert {line["report"]["schema"] for line in lines if line["report"]} == {"thsafe.report/1"}
    assert all(line["source"].endswith(line["report"]["file"]) for line in lines if line["report"])
    assert said("export", batch, "-o", tmp_path / "all.csv")[0] == 0
    with (tmp_path / "all.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == 6
    assert said("export", batch, "--failed", "-o", tmp_path / "failed.jsonl")[1].endswith("failed.jsonl: 1 items\n")
    code, _, err = said("export", batch, "-o", tmp_path / "all.csv")
    assert (code, "output.exists" in err) == (ExitCode.USAGE, True)
    assert said("cancel", batch)[0] == ExitCode.USAGE


def test_a_verdict_sets_the_exit_code_where_it_is_asked_to(copied, signed, tmp_path, picture, said):
    """And outranks items that failed."""
    folder = tmp_path / "files"
    folder.mkdir()
    changed = bytearray(signed[1].read_bytes())
    changed[-200] ^= 0xFF
    (folder / "changed.jpg").write_bytes(changed)
    call = ("verify", folder, "-r", "--executor", "serial")
    assert said(*call)[0] == ExitCode.DONE
    (folder / "none.jpg").write_text("no picture")
    assert said(*call)[0] == ExitCode.BATCH_FAILURES
    assert said(*call, "--fail-on", "tampered")[0] == ExitCode.TAMPERED
    (folder / "changed.jpg").write_bytes(picture)
    assert said(*call, "--fail-on", "tampered,signs")[0] == ExitCode.BATCH_FAILURES
    assert said(*call, "--fail-on", "tampered,inconclusive")[0] == ExitCode.INCONCLUSIVE
    code, _, err = said(*call, "--fail-on", "fake")
    assert (code, "usage.fail-on" in err) == (ExitCode.USAGE, True)


def test_parquet(lite, many, tmp_path, rows, scripted):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (thsafe[parquet])")
    import pyarrow.parquet as pq

    batch = plan_verification([str(many(4))], recursive=True, home=lite).batch.id
    run_batch(batch, home=lite, opened=scripted())
    assert export(rows(lite), batch, tmp_path / "all.parquet", form="parquet") == 4
    table = pq.read_table(tmp_path / "all.parquet").to_pylist()
    assert [row["number"] for row in table] == [0, 1, 2, 3]
    assert {row["verdict"] for row in table} == {"inconclusive"}


def test_parquet_without_its_package(lite, many, tmp_path, rows, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    batch = plan_verification([str(many(1))], recursive=True, home=lite).batch.id
    with pytest.raises(MissingError) as caught:
        export(rows(lite), batch, tmp_path / "all.parquet", form="parquet")
    assert caught.value.code == "export.pyarrow"
    assert list(tmp_path.glob("*.parquet*")) == []


def test_cells_are_no_formulas(lite, tmp_path, rows, scripted, picture):
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "=cmd.jpg").write_bytes(picture)
    batch = plan_verification([str(folder)], recursive=True, home=lite).batch.id
    run_batch(batch, home=lite, opened=scripted())
    export(rows(lite), batch, tmp_path / "all.csv", form="csv")
    assert "\n=" not in (tmp_path / "all.csv").read_text()


def test_cancel_and_take_up_again(lite, many, said):
    batch = json.loads(said("plan", many(3), "-r", "--json")[1])["batch"]
    assert "3 items will not be done" in said("cancel", batch)[1]
    code, _, err = said("run", batch)
    assert (code, "batch.cancelled" in err) == (ExitCode.USAGE, True)
    assert said("retry", batch, "--cancelled", "--executor", "serial")[0] == 0


def test_run_by_another(lite, many, said, rows):
    batch = json.loads(said("plan", many(1), "-r", "--json")[1])["batch"]
    rows(lite).hold(batch, this_driver(), instead_of=None)
    code, _, err = said("run", batch, "--executor", "serial")
    assert code == ExitCode.USAGE
    assert "batch.running" in err
    assert f"process {os.getpid()}" in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run", "nothing"], "batch.unknown"),
        (["verify", "FOLDER"], "batch.folder"),
        (["verify", "absent.jpg"], "input.missing"),
        (["verify", "EMPTY", "-r"], "batch.empty"),
        (["verify", "@absent.txt"], "input.unreadable"),
        (["verify", "http://media.example/clip.mp4"], "address.scheme"),
        (["verify", "ftp://media.example/clip.mp4"], "address.scheme"),
        (["generate", "absent.csv"], "input.unreadable"),
    ],
)
def test_what_cannot_be_planned(lite, many, said, rows, tmp_path, words, code):
    (tmp_path / "empty").mkdir()
    names = {"FOLDER": str(many(1)), "EMPTY": str(tmp_path / "empty")}
    _, _, err = said(*[names.get(word, word) for word in words])
    assert f"error[{code}]" in err
    assert rows(lite).all() == ()


def test_folders_lists_and_patterns(lite, many, tmp_path, rows):
    folder = many(4)
    (folder / ".hidden.jpg").write_bytes(b"x")
    (folder / "link.jpg").symlink_to(folder / "00000-fine.jpg")
    (folder / "below").mkdir()
    (folder / "below" / "notes.txt").write_text("x")
    wanted = tmp_path / "list.txt"
    wanted.write_text(f"{folder / 'below' / 'notes.txt'}\n\n{folder / '00000-fine.jpg'}\n")
    assert plan_verification([str(folder)], recursive=True, home=lite).total == 5
    assert plan_verification([str(folder)], recursive=True, match=["*.JPG"], home=lite).total == 4
    assert plan_verification([f"@{wanted}"], home=lite).total == 2


def test_names_that_are_no_text(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    source = source_of(path)
    source.encode()
    assert path_of(source) == path
    assert source_of(tmp_path / "café.jpg") == str(tmp_path / "café.jpg")
