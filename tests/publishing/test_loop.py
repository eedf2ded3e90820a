"""The publishing loop's invariants: the order, all marks or nothing, the log first, no trace of a failure."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from thsafe.core.errors import MarkError, PolicyRefused, StoreError, ThsafeError, UsageError
from thsafe.core.types import Verdict
from thsafe.destination import Destination
from thsafe.verification import verify


def _types(installation) -> list[str]:
    return [entry.type for entry in installation.ledger.entries()]


def test_an_output_is_marked_signed_logged_and_found_again(installation, tiny, tmp_path) -> None:
    output = tiny.Tiny().say(tmp_path / "out.mp4")
    assert Path(output).stat().st_size > 1000
    record = installation.ledger.outputs.by_sha256(output.sha256)
    assert record is not None
    assert (record.manifest_id, record.watermark_id) == (output.manifest_id, output.watermark_id)
    assert record.ledger_index == output.ledger_index
    assert _types(installation) == ["intent", "output"]
    report = verify(output.path)
    assert report.verdict is Verdict.DISCLOSED
    assert report.finding("log").code == "IDENTICAL"
    assert report.finding("credentials").code == "INTACT-DEVELOPMENT"
    assert report.finding("credentials").detail["time_stamped"] is True
    assert report.finding("watermark").detail["mark_id"] == output.watermark_id
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out.mp4"]


@pytest.mark.parametrize("open_elsewhere", [False, True])
def test_a_log_that_can_only_be_read_costs_no_report(installation, tiny, tmp_path, monkeypatch, open_elsewhere) -> None:
    output = tiny.Tiny(frames=30).say(tmp_path / "out.mp4")
    if not open_elsewhere:
        installation.ledger.close()
    monkeypatch.setattr("thsafe.store.engine.os.access", lambda _path, _mode: False)
    report = verify(output.path)
    assert (report.verdict, report.finding("log").code) == (Verdict.DISCLOSED, "IDENTICAL")
    assert [limit for limit in report.limits if "not in the log" in limit]
    assert _types(installation) == ["intent", "output"]


def test_the_order_is_label_watermark_encode_sign_read_back_log_rename(
    installation, tiny, tmp_path, monkeypatch
) -> None:
    import thsafe.label
    import thsafe.media.encode
    import thsafe.provenance.read
    import thsafe.provenance.sign
    import thsafe.watermark.picture
    from thsafe.destination import Destination
    from thsafe.ledger.log import Ledger

    steps: list[str] = []

    def spy(holder: object, name: str, step: str) -> None:
        real = getattr(holder, name)

        def noted(*args: object, **options: object) -> object:
            if not steps or steps[-1] != step:
                steps.append(step)
            return real(*args, **options)

        monkeypatch.setattr(holder, name, noted)

    spy(thsafe.label.LabelStamp, "apply", "label")
    spy(thsafe.watermark.picture.PictureMarker, "apply", "watermark")
    spy(thsafe.media.encode.Mp4Writer, "write_picture", "encode")
    spy(thsafe.provenance.sign, "sign", "sign")
    spy(thsafe.provenance.read, "read_credentials", "read back")
    spy(Ledger, "append", "log")
    spy(Destination, "place", "rename")
    tiny.Tiny(frames=30).say(tmp_path / "out.mp4")
    assert steps == ["log", *["label", "watermark", "encode"] * 30, "sign", "read back", "log", "rename"]


def test_no_engine_sees_the_output_path(installation, tiny, tmp_path) -> None:
    engine = tiny.Tiny(frames=30)
    engine.say(tmp_path / "secret-name.mp4")
    request, permit = engine.seen[0]
    assert "secret-name" not in repr(request)
    assert "secret-name" not in repr(permit)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("thsafe.watermark.picture.PictureMarker.apply", "mark.watermark"),
        ("thsafe.label.LabelStamp.apply", "mark.label"),
    ],
)
def test_a_mark_that_is_not_read_back_stops_the_output(installation, tiny, tmp_path, monkeypatch, target, code) -> None:
    monkeypatch.setattr(target, lambda *args, **options: None)
    with pytest.raises(MarkError) as caught:
        tiny.Tiny(frames=30).say(tmp_path / "out.mp4")
    assert caught.value.code == code
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert _types(installation) == ["intent", "failed"]


def test_no_log_no_output(installation, tiny, tmp_path, monkeypatch) -> None:
    from thsafe.ledger.log import Ledger

    real = Ledger.append

    def failing(self, event, **options):
        if event["type"] == "output":
            raise StoreError("The log cannot be written.", code="store.disk-full")
        return real(self, event, **options)

    monkeypatch.setattr(Ledger, "append", failing)
    with pytest.raises(StoreError):
        tiny.Tiny(frames=30).say(tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_existing_file_is_kept_unless_forced(installation, tiny, tmp_path) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    with pytest.raises(UsageError) as caught:
        tiny.Tiny(frames=30).say(out)
    assert caught.value.code == "output.exists"
    assert out.read_bytes() == b"precious"
    tiny.Tiny(frames=30).say(out, force=True)
    assert out.read_bytes() != b"precious"


def test_a_file_that_appears_meanwhile_is_not_replaced(installation, tiny, tmp_path) -> None:
    out = tmp_path / "out.mp4"
    with pytest.raises(UsageError):
        tiny.Tiny(frames=30, during=lambda n: out.write_bytes(b"precious") if n == 3 else None).say(out)
    assert out.read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["out.webm", "out.mkv", "out", "missing/out.mp4"])
def test_an_unfit_output_is_refused_before_any_work(installation, tiny, tmp_path, name) -> None:
    engine = tiny.Tiny()
    with pytest.raises(UsageError):
        engine.say(tmp_path / name)
    assert engine.seen == []
    assert _types(installation) == []


def test_an_engine_that_breaks_leaves_nothing(installation, tiny, tmp_path) -> None:
    def break_at(number: int) -> None:
        if number == 5:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        tiny.Tiny(during=break_at).say(tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    entries = list(installation.ledger.entries())
    assert entries[-1].event["reason"] == "RuntimeError"


def test_an_engine_without_frames_is_an_error(installation, tiny, tmp_path) -> None:
    with pytest.raises(ThsafeError) as caught:
        tiny.Tiny(frames=0).say(tmp_path / "out.mp4")
    assert caught.value.code == "engine.no-frames"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_input_that_changes_meanwhile_stops_the_output(installation, tiny, tmp_path, monkeypatch) -> None:
    import thsafe.gate

    real = thsafe.gate.verify_inputs

    def changed(request):
        script = tmp_path / "script.txt"
        script.write_text("other words")
        ref = dataclasses.replace(request.inputs[1], path=script, text=None)
        real(dataclasses.replace(request, inputs=(ref,)))

    monkeypatch.setattr(thsafe.gate, "verify_inputs", changed)
    with pytest.raises(PolicyRefused) as caught:
        tiny.Tiny(frames=30).say(tmp_path / "out.mp4")
    assert caught.value.code == "media.job-digest"
    assert not (tmp_path / "out.mp4").exists()


def test_nothing_personal_and_no_path_is_in_manifest_or_log(installation, tiny, tmp_path) -> None:
    folder = tmp_path / "holiday-of-jane-doe"
    folder.mkdir()
    output = tiny.Tiny(frames=30).say(folder / "jane.mp4")
    record = installation.ledger.outputs.by_sha256(output.sha256)
    assert record is not None
    assert b"jane" not in record.manifest
    assert all(b"jane" not in entry.leaf for entry in installation.ledger.entries())


def test_memory_does_not_grow_with_length(installation, tiny, tmp_path) -> None:
    def peak(frames: int, name: str) -> int:
        tracemalloc.start()
        try:
            tiny.Tiny(frames=frames).say(tmp_path / name)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(30, "warm.mp4")
    assert peak(600, "long.mp4") < 1.1 * peak(150, "short.mp4")


def test_a_full_disk_is_said_and_leaves_nothing(installation, tiny, tmp_path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        with pytest.raises(ThsafeError) as caught:
            tiny.Tiny(frames=200).say(small / "out.mp4")
        assert caught.value.code in {"store.disk-full", "output.unwritable"}
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert _types(installation)[-1] == "failed"


def test_a_name_that_no_table_could_keep_is_refused_before_any_work(tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        Destination.claim(tmp_path / os.fsdecode(b"caf\xe9.mp4"))
    assert caught.value.code == "output.name"
    assert str(caught.value.found).isascii()
