"""The index: the same in both forms, refused when it is something else, and what feeds on it."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from detectors.faceforensics.layouts import find_videos
from thsafe.cli.main import run
from thsafe.core.errors import InputError, MissingError, ThsafeError, UsageError
from thsafe.datasets.clip import Clip
from thsafe.datasets.index import KNOWN, Index, read, write

CLIPS = (
    Clip(id="a/1", video="a/1.mp4", audio="a/1.m4a", person="a", split="train", emotion="happy", text="größer"),
    Clip(id="b/1", video="b/1.mp4", label="fake", method="Deepfakes", people=("b", "a"), start=0.5, end=1.0),
    Clip(id="c/1", audio="c/1.wav", split="test", box=(0.1, 0.2, 0.3, 0.4), attributes=("male", "talk")),
)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(dataset="mead", title="MEAD", licence="research", access="ask", root=tmp_path / "data", clips=CLIPS)


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_both_forms_hold_the_same(index, tmp_path, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow", reason="Parquet is an extra (thsafe[parquet])")
    write(index, tmp_path / f"x{ending}")
    assert read(tmp_path / f"x{ending}") == index


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"\xff\xfe", b'{"schema": "thsafe.index/2"}', b"[1]", b'{"schema": "thsafe.index/1"}', b"{" * 100_000],
)
@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_something_else_is_no_index(tmp_path, content: bytes, ending: str) -> None:
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / f"x{ending}").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(tmp_path / f"x{ending}")
    assert caught.value.code == "data.index"


def test_clips_with_other_fields_are_refused(index, tmp_path) -> None:
    write(index, tmp_path / "x.jsonl")
    for line in ('{"id": "d", "weight": 3}', '{"video": "d.mp4"}', '{"id": 4}', "7"):
        (tmp_path / "y.jsonl").write_text((tmp_path / "x.jsonl").read_text() + line + "\n")
        with pytest.raises(InputError):
            read(tmp_path / "y.jsonl")


def test_names_and_missing_packages_are_said(index, tmp_path, monkeypatch) -> None:
    with pytest.raises(UsageError):
        write(index, tmp_path / "x.csv")
    with pytest.raises(ThsafeError):
        read(tmp_path / "gone.jsonl")
    real = importlib.import_module

    def without(name: str, *rest: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingError) as caught:
        write(index, tmp_path / "x.parquet")
    assert "thsafe[parquet]" in caught.value.next_step
    assert not (tmp_path / "x.parquet").exists()


def test_the_index_feeds_the_training_of_detectors(index, tmp_path) -> None:
    write(index, tmp_path / "x.jsonl")
    videos = find_videos("index", tmp_path / "x.jsonl")
    assert [(video.label, video.splits) for video in videos] == [
        ("genuine", ("train",)),
        ("Deepfakes", ("train", "val", "test")),
    ]
    assert videos[0].path == tmp_path / "data" / "a" / "1.mp4"
    assert videos[0].frames == "mead/frames/a/1"


def test_the_commands(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("M003/video/front/happy/level_2/001.mp4", "M003/audio/happy/level_2/001.m4a"):
        (tmp_path / "MEAD" / name).parent.mkdir(parents=True)
        (tmp_path / "MEAD" / name).write_bytes(b"")
    assert run(["data", "index", "mead", "MEAD"]) == 0
    shown = capsys.readouterr().out
    for words in ("1 clip of 1 person", "missing  speaker without a view: 6", "licence  for research", "access "):
        assert words in shown
    assert run(["data", "index", "mead", "MEAD"]) == 2, "it exists"
    capsys.readouterr()
    assert run(["data", "index", "mead", "MEAD", "--force", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["clips"], said["label"], said["split"]) == (1, {"real": 1}, {"unknown": 1})
    assert said["missing"][0] == {
        "what": "view without an emotion",
        "count": 7,
        "examples": [f"M003/video/front/{name}" for name in ("angry", "contempt", "disgusted", "fear", "neutral")],
    }
    assert read(tmp_path / "mead.jsonl").clips[0].person == "M003"
    assert run(["data", "index", "imagenet", "MEAD"]) == 2
    assert run(["data", "index", "lrw", "MEAD", "-o", "lrw.jsonl"]) == 30
    assert not (tmp_path / "lrw.jsonl").exists()
    capsys.readouterr()
    assert run(["data", "sets"]) == 0
    shown = capsys.readouterr().out
    assert all(kind.title in shown and kind.access in shown for kind in KNOWN.values())
    assert run(["data", "sets", "lrs2", "--json"]) == 0
    assert "BBC" in json.loads(capsys.readouterr().out)["licence"]
