"""FaceForensics++, Celeb-DF v2 and the DFDC preview with their exact names become DeepfakeBench's lists, whatever happens."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from detectors.faceforensics.layouts import find_videos
from detectors.faceforensics.listing import read_faceless, read_list
from detectors.faceforensics.prepare import prepare
from thsafe.cli.main import run
from thsafe.core.errors import InputError, UsageError
from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr
from thsafe.registry import draw_person

PAIRS = {"train": [["000", "003"]], "val": [["010", "011"]], "test": [["020", "021"]]}
FAKES = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


@pytest.fixture(scope="session")
def face() -> np.ndarray:
    return draw_person("kofi", 128)


def film(path: Path, picture: np.ndarray, frames: int = 2) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = picture.shape[:2]
    with Mp4Writer(path, width=width, height=height, fps=Fraction(25), crf=23) as writer:
        for number in range(frames):
            writer.write_picture(i420_from_bgr(np.roll(picture, number, axis=1)))


@pytest.fixture(scope="session")
def ffpp(tmp_path_factory, face) -> Path:
    """The official layout in miniature: three pairs, four manipulations, masks, both kinds of extra names."""
    root = tmp_path_factory.mktemp("ffpp")
    blank = np.full((128, 128, 3), 90, np.uint8)
    (root / "splits").mkdir()
    for split, pairs in PAIRS.items():
        (root / "splits" / f"{split}.json").write_text(json.dumps(pairs))
    genuine = root / "original_sequences" / "youtube" / "c23" / "videos"
    for name in ("000", "003", "010", "020"):
        film(genuine / f"{name}.mp4", face)
    film(genuine / "021.mp4", blank)
    (genuine / "999.mp4").write_bytes(b"in no split")
    (genuine / "notes.txt").write_text("not a film")
    for method in FAKES:
        place = root / "manipulated_sequences" / method
        film(place / "c23" / "videos" / "020_021.mp4", 255 - face if method == "nothing" else face)
        film(place / "masks" / "videos" / "020_021.mp4", np.full((128, 128, 3), 255, np.uint8))
    film(root / "manipulated_sequences" / "Deepfakes" / "c23" / "videos" / "000_003.mp4", face)
    film(root / "manipulated_sequences" / "Deepfakes" / "c23" / "videos" / "010_011.mp4", face)
    (root / "manipulated_sequences" / "Deepfakes" / "c23" / "videos" / "003_000.mp4").write_bytes(b"broken off")
    return root


def crops(method: str, name: str, kind: str = "frames") -> list[str]:
    base = "original_sequences/youtube" if method == "youtube" else f"manipulated_sequences/{method}"
    return [f"FaceForensics++/{base}/c23/{kind}/{name}/{number:03d}.png" for number in range(2)]


def genuine(name: str) -> dict:
    return {"label": "FF-real", "frames": crops("youtube", name), "missing": 0}


def made(label: str, method: str, name: str, *, masks: bool) -> dict:
    there = crops(method, name, "masks") if masks else []
    return {"label": label, "frames": crops(method, name), "masks": there, "missing": 0}


GOLDEN = {
    "FaceForensics++": {
        "FF-real": {
            "train": {"c23": {"000": genuine("000"), "003": genuine("003")}},
            "val": {"c23": {"010": genuine("010")}},
            "test": {"c23": {"020": genuine("020"), "021": {"label": "FF-real", "frames": [], "missing": 2}}},
        },
        "FF-DF": {
            "train": {"c23": {"000_003": made("FF-DF", "Deepfakes", "000_003", masks=False)}},
            "val": {"c23": {"010_011": made("FF-DF", "Deepfakes", "010_011", masks=False)}},
            "test": {"c23": {"020_021": made("FF-DF", "Deepfakes", "020_021", masks=True)}},
        },
        **{
            label: {"train": {}, "val": {}, "test": {"c23": {"020_021": made(label, method, "020_021", masks=True)}}}
            for label, method in (("FF-F2F", "Face2Face"), ("FF-FS", "FaceSwap"), ("FF-NT", "NeuralTextures"))
        },
    }
}


@pytest.fixture(scope="session")
def prepared(ffpp, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("crops")
    done = prepare(find_videos("ffpp", ffpp), output)
    assert done.problems[0][0] == "003_000.mp4"
    assert len(done.problems) == 1
    assert done.missing == 2
    return output


def test_the_list_is_deepfakebench_s(prepared) -> None:
    folder = prepared / "dataset_json"
    assert json.loads((folder / "FaceForensics++.json").read_text()) == GOLDEN
    assert {path.name for path in folder.iterdir()} == {
        "FaceForensics++.json", "FF-DF.json", "FF-F2F.json", "FF-FS.json", "FF-NT.json", "FaceShifter.json",
    }  # fmt: skip
    one = json.loads((folder / "FF-F2F.json").read_text())
    assert set(one["FF-F2F"]) == {"FF-real", "FF-F2F"}
    assert one["FF-F2F"]["FF-real"] == GOLDEN["FaceForensics++"]["FF-real"]


def test_crops_masks_and_landmarks_lie_beside_each_other(prepared) -> None:
    import cv2

    place = prepared / "FaceForensics++" / "manipulated_sequences" / "Deepfakes" / "c23"
    crop = cv2.imread(str(place / "frames" / "020_021" / "000.png"))
    mask = cv2.imread(str(place / "masks" / "020_021" / "000.png"))
    marks = np.load(place / "landmarks" / "020_021" / "000.npy")
    assert crop.shape == mask.shape == (256, 256, 3)
    assert mask.mean() > 240
    # ArcFace's template, 1.3 times as wide: the tip of the nose lies a little right of and below the middle
    assert marks[1] == pytest.approx(((56.0 / 112 + 0.15) / 1.3 * 256, (71.7 / 112 + 0.15) / 1.3 * 256), abs=14)


def test_a_second_run_makes_only_what_is_missing(prepared, ffpp, monkeypatch) -> None:
    import detectors.faceforensics.crops as cutting

    gone = prepared / GOLDEN["FaceForensics++"]["FF-real"]["train"]["c23"]["000"]["frames"][1]
    before = gone.read_bytes()
    gone.unlink()
    cut = []
    real = cutting.cut_face
    monkeypatch.setattr(cutting, "cut_face", lambda *a, **k: (cut.append(1), real(*a, **k))[1])
    prepare(find_videos("ffpp", ffpp), prepared)
    assert gone.read_bytes() == before
    assert len(cut) == 2  # the two frames of one video
    assert json.loads((prepared / "dataset_json" / "FaceForensics++.json").read_text()) == GOLDEN


def test_crops_of_two_kinds_are_not_mixed(prepared, ffpp) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(find_videos("ffpp", ffpp), prepared, crop="mtcnn")
    assert caught.value.code == "prepare.other"


def test_what_is_read_back_has_one_polarity_and_tells_videos_apart(prepared) -> None:
    path = prepared / "dataset_json" / "FaceForensics++.json"
    samples = read_list(path, "test", compression="c23")
    assert {sample.method: sample.label for sample in samples} == {
        "FF-real": 0, "FF-DF": 1, "FF-F2F": 1, "FF-FS": 1, "FF-NT": 1,
    }  # fmt: skip
    # 020_021 of four methods is four videos, not one
    assert len({sample.video for sample in samples}) == 5
    assert {sample.identities for sample in samples} == {("020",), ("020", "021")}
    missing = read_faceless(path, "test")
    assert [(item.video, item.frames, item.label) for item in missing] == [("FF-real/c23/021", 2, 0)]


def test_celeb_df_takes_labels_from_folders(tmp_path) -> None:
    """The numbers in its list mean the opposite of ours."""
    for name in ("Celeb-real/id0_0000", "Celeb-real/id1_0000", "Celeb-synthesis/id0_id1_0000", "YouTube-real/00000"):
        place = tmp_path / f"{name}.mp4"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"")
    (tmp_path / "List_of_testing_videos.txt").write_text(
        "1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n1 YouTube-real/00000.mp4\n\n"
    )
    found = {video.name: video for video in find_videos("celebdf-v2", tmp_path)}
    assert {name: video.label for name, video in found.items()} == {
        "id0_0000": "CelebDFv2_real", "id1_0000": "CelebDFv2_real", "id0_id1_0000": "CelebDFv2_fake",
        "00000": "CelebDFv2_real",
    }  # fmt: skip
    assert found["id0_id1_0000"].splits == ("val", "test")
    assert found["id1_0000"].splits == ("train",)
    assert found["00000"].frames == "Celeb-DF-v2/YouTube-real/frames/00000"


def test_dfdc_preview_follows_its_own_table(tmp_path) -> None:
    table = {
        "method_A/1/1_2_A.mp4": {"label": "fake", "set": "train"},
        "method_B/1/1_3_B.mp4": {"label": "fake", "set": "test"},
        "original_videos/1/1_A.mp4": {"label": "real", "set": "test"},
        "original_videos/1/lost.mp4": {"label": "real", "set": "test"},
    }
    for name in list(table)[:3]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "dataset.json").write_text(json.dumps(table))
    found = [(video.label, video.splits) for video in find_videos("dfdcp", tmp_path)]
    assert found == [
        ("DFDCP_FakeA", ("train",)), ("DFDCP_FakeB", ("val", "test")), ("DFDCP_Real", ("val", "test")),
    ]  # fmt: skip
    (tmp_path / "dataset.json").write_text(json.dumps({"../../secret.mp4": {"label": "real", "set": "test"}}))
    with pytest.raises(InputError):
        find_videos("dfdcp", tmp_path)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("[", "data.splits"),
        ('[["000"]]', "data.splits"),
        ('[["../a", "b"]]', "data.splits"),
        ("{}", None),
        ("[[1, 2]]", "data.splits"),
    ],
)
def test_split_files_that_are_something_else(tmp_path, content, code) -> None:
    for name in ("train", "val", "test"):
        (tmp_path / f"{name}.json").write_text(content)
    with pytest.raises(InputError) as caught:
        find_videos("ffpp", tmp_path)
    assert caught.value.code == (code or "data.layout")


def test_one_person_in_two_splits_is_refused(tmp_path) -> None:
    (tmp_path / "train.json").write_text('[["000", "003"]]')
    (tmp_path / "val.json").write_text('[["003", "004"]]')
    (tmp_path / "test.json").write_text("[]")
    with pytest.raises(InputError, match="one person into two splits"):
        find_videos("ffpp", tmp_path)


def test_a_list_may_not_lead_out_of_its_folder(tmp_path) -> None:
    path = tmp_path / "dataset_json" / "x.json"
    path.parent.mkdir()
    entry = {"label": "FF-real", "frames": ["../../etc/passwd"]}
    path.write_text(json.dumps({"x": {"FF-real": {"test": {"c23": {"000": entry}}}}}))
    with pytest.raises(InputError) as caught:
        read_list(path, "test")
    assert caught.value.code == "list.path"
    entry["frames"] = ["x\\frames\\000\\001.png"]
    path.write_text(json.dumps({"x": {"FF-real": {"test": {"c23": {"000": entry}}}}}))
    assert read_list(path, "test")[0].path == tmp_path / "x" / "frames" / "000" / "001.png"


@pytest.mark.parametrize(
    "content",
    ["", "[1]", '{"x": {"y": {"test": {"v": {"frames": 5}}}}}', '{"x": {"y": {"test": {"v": {"frames": [1]}}}}}'],
)
def test_lists_in_another_form_are_refused_in_words(tmp_path, content) -> None:
    path = tmp_path / "list.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        read_list(path, "test")
    assert caught.value.code in {"list.form", "list.unreadable"}


def test_the_command_prepares_with_two_processes(ffpp, tmp_path, capsys) -> None:
    small = tmp_path / "ffpp"
    videos = small / "original_sequences" / "youtube" / "c23" / "videos"
    videos.mkdir(parents=True)
    for name in ("000", "003"):
        (videos / f"{name}.mp4").write_bytes(
            (ffpp / "original_sequences/youtube/c23/videos" / f"{name}.mp4").read_bytes()
        )
    for split, pairs in PAIRS.items():
        (small / f"{split}.json").write_text(json.dumps(pairs))
    assert run(["data", "prepare", "ffpp", str(small), "--frames", "1", "--jobs", "2", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["crops"] == 2
    assert report["crop"] == "dfb-5pt"
    assert (small / "deepfakebench" / "dataset_json" / "FaceForensics++.json").exists()
    assert run(["data", "prepare", "ffpp", str(tmp_path / "nowhere")]) == 30
    assert "data.layout" in capsys.readouterr().err
