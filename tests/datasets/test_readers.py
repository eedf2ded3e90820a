"""Every reader on a miniature of its data set's tree, with the exact names; nothing of the data sets themselves."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from thsafe.core.errors import InputError
from thsafe.core.types import Silent
from thsafe.datasets.clip import Clip
from thsafe.datasets.index import Index, dataset, look


def lay(root: Path, *names: str, **texts: str) -> None:
    """Files, empty unless their words are given."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get(name, ""), encoding="utf-8")


def write(root: Path, texts: dict[str, str]) -> None:
    lay(root, *texts, **texts)


def read(name: str, root: Path) -> tuple[Index, dict[str, tuple[str, ...]], dict[str, Clip]]:
    index, missing = look(dataset(name), root, Silent())
    assert index.licence
    assert index.access
    return index, {item.what: item.examples for item in missing}, {clip.id: clip for clip in index.clips}


def test_lrw(tmp_path) -> None:
    lay(tmp_path, "lipread_mp4/ABOUT/train/ABOUT_00001.mp4", "lipread_mp4/ABOUT/val/ABOUT_00001.mp4")
    lay(tmp_path, "lipread_mp4/ABSOLUTELY/test/ABSOLUTELY_00050.mp4", "lipread_mp4/ABOUT/train/ABOUT_00001.mpg")
    note = "Disk reference: 1\nChannel: BBC One\nProgram start: 1\nClip start: 2\nDuration: 0.52 seconds\n"
    write(tmp_path, {f"lipread_mp4/ABOUT/{split}/ABOUT_00001.txt": note for split in ("train", "val")})
    _, missing, clips = read("lrw", tmp_path)
    assert list(clips) == ["train/ABOUT_00001", "val/ABOUT_00001", "test/ABSOLUTELY_00050"]
    about = clips["train/ABOUT_00001"]
    assert (about.text, about.split, about.start, about.end) == ("ABOUT", "train", 0.32, 0.84)
    assert about.video == "lipread_mp4/ABOUT/train/ABOUT_00001.mp4"
    assert missing["video without its text"] == ("lipread_mp4/ABSOLUTELY/test/ABSOLUTELY_00050.txt",)
    assert "lipread_mp4/ABOUT/test" in missing["word without a split"]
    assert len(read("lrw", tmp_path / "lipread_mp4")[2]) == 3, "the inner folder will do"


def test_lrs2(tmp_path) -> None:
    talk, other = "5535415699068794046", "6330311066473698535"
    lay(tmp_path, f"mvlrs_v1/main/{talk}/00001.mp4", f"mvlrs_v1/main/{other}/00011.mp4")
    lay(tmp_path, f"mvlrs_v1/pretrain/{talk}/00002.mp4")
    said = {
        f"mvlrs_v1/main/{talk}/00001.txt": "Text:  WHEN YOU'RE COOKING CHIPS AT HOME\nConf:  4\n",
        f"mvlrs_v1/pretrain/{talk}/00002.txt": "Text:  IT IS A LONG WAY\nConf:  3\n\nWORD START END ASDSCORE\nIT 0.1 0.2 5\n",
    }
    write(tmp_path, said)
    write(tmp_path, {"train.txt": f"{talk}/00001\n{talk}/00007\n", "test.txt": f"{other}/00011 NF\n", "val.txt": ""})
    _, missing, clips = read("lrs2", tmp_path)
    assert {name: clip.split for name, clip in clips.items()} == {
        f"main/{talk}/00001": "train",
        f"main/{other}/00011": "test",
        f"pretrain/{talk}/00002": "pretrain",
    }
    assert clips[f"main/{talk}/00001"].text == "WHEN YOU'RE COOKING CHIPS AT HOME"
    assert missing == {
        "no list of a split": ("pretrain.txt", "val.txt"),
        "video without its text": (f"mvlrs_v1/main/{other}/00011.txt",),
        "listed and not there": (f"main/{talk}/00007.mp4",),
    }
    (tmp_path / "train.txt").write_text("../../etc/passwd\n")
    with pytest.raises(InputError) as caught:
        read("lrs2", tmp_path)
    assert caught.value.code == "data.splits"


def test_voxceleb1(tmp_path) -> None:
    lay(tmp_path, "wav/id10001/1zcIwhmdeo4/00001.wav", "wav/id10270/5r0dWxy17C8/00001.wav", "wav/notes/x/00001.wav")
    table = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\n"
    table += "id10001\tA.J._Buckley\tm\tIreland\tdev\nid10270\tX\tm\tUSA\ttest\nid10271\tY\tf\tUSA\ttest\n"
    write(
        tmp_path,
        {"vox1_meta.csv": table, "iden_split.txt": "2 id10001/1zcIwhmdeo4/00001.wav\n1 id10001/gone/00001.wav\n"},
    )
    index, missing, clips = read("voxceleb1", tmp_path)
    assert {name: clip.split for name, clip in clips.items()} == {
        "id10001/1zcIwhmdeo4/00001": "val",
        "id10270/5r0dWxy17C8/00001": "test",
    }
    clip = clips["id10270/5r0dWxy17C8/00001"]
    assert (clip.person, clip.video) == ("id10270", None)
    assert index.path_of(clip) is None
    assert index.sound_of(clip) == tmp_path.absolute() / "wav/id10270/5r0dWxy17C8/00001.wav"
    assert missing == {
        "person without sound": ("wav/id10271",),
        "listed and not there": ("wav/id10001/gone/00001.wav",),
    }


def test_voxceleb2(tmp_path) -> None:
    lay(tmp_path, "dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "dev/aac/id00012/21Uxsk56VDQ/00001.m4a")
    lay(tmp_path, "dev/mp4/id00012/21Uxsk56VDQ/00002.mp4", "test/aac/id00017/01dfn2spqyE/00001.m4a")
    write(
        tmp_path,
        {"vox2_meta.csv": "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000001 ,m ,dev \nid00018 ,n2 ,f ,dev \n"},
    )
    _, missing, clips = read("voxceleb2", tmp_path)
    both = clips["dev/id00012/21Uxsk56VDQ/00001"]
    assert (both.audio, both.split) == ("dev/aac/id00012/21Uxsk56VDQ/00001.m4a", "train")
    assert clips["test/id00017/01dfn2spqyE/00001"].split == "test"
    assert missing == {
        "picture without sound, or sound without picture": ("dev/aac/id00012/21Uxsk56VDQ/00002.m4a",),
        "picture or sound of a part": ("test/mp4",),
        "person without a clip": ("id00018",),
    }


def test_mead(tmp_path) -> None:
    lay(tmp_path, "M003/video/front/angry/level_1/001.mp4", "M003/video/front/neutral/level_1/002.mp4")
    lay(tmp_path, "M003/audio/angry/level_1/001.m4a", "M003/audio/happy/level_3/009.m4a")
    lay(tmp_path, "W009/video/left_60/surprised_level_3/030.mp4", "notes/readme.txt")
    _, missing, clips = read("mead", tmp_path)
    assert list(clips) == [
        "M003/front/angry/level_1/001",
        "M003/front/neutral/level_1/002",
        "W009/left_60/surprised/level_3/030",
    ]
    angry = clips["M003/front/angry/level_1/001"]
    assert (angry.person, angry.emotion, angry.intensity, angry.view) == ("M003", "angry", "1", "front")
    assert angry.audio == "M003/audio/angry/level_1/001.m4a"
    assert missing["take without its sound"] == ("M003/video/front/neutral/level_1/002.mp4",)
    assert missing["sound without its take"] == ("M003/audio/happy/level_3/009.m4a",)
    assert missing["speaker without sound"] == ("W009/audio",)
    assert "M003/video/down" in missing["speaker without a view"]
    assert "M003/video/front/happy" in missing["view without an emotion"]


def _celebv() -> dict[str, object]:
    return {
        "meta_info": {"appearance_mapping": ["blurry", "male"], "action_mapping": ["talk", "smile"]},
        "clips": {
            "M2Ohb0FAaJU_1": {
                "ytb_id": "M2Ohb0FAaJU",
                "duration": {"start_sec": 81.62, "end_sec": 86.17},
                "bbox": {"top": 0.0, "bottom": 0.8815, "left": 0.1964, "right": 0.6922},
                "attributes": {
                    "appearance": [0, 1],
                    "action": [1, 0],
                    "emotion": {"sep_flag": False, "labels": "neutral"},
                },
                "version": "v0.1",
            },
            "M2Ohb0FAaJU_2": {
                "ytb_id": "M2Ohb0FAaJU",
                "duration": {"start_sec": 1.0, "end_sec": 2.0},
                "bbox": {"top": 0.0, "bottom": 1.0, "left": 0.0, "right": 1.0},
                "attributes": {
                    "appearance": [0, 0],
                    "action": [0, 0],
                    "emotion": {"sep_flag": True, "labels": [{"emotion": "happy", "start_sec": 1, "end_sec": 2}]},
                },
                "version": "v0.1",
            },
        },
    }


def test_celebv_hq(tmp_path) -> None:
    write(tmp_path, {"celebvhq_info.json": json.dumps(_celebv())})
    with pytest.raises(InputError) as caught:
        read("celebv-hq", tmp_path)
    assert caught.value.code == "data.empty"
    assert "fetched: 2" in caught.value.found
    lay(tmp_path, "downloaded_celebvhq/processed/M2Ohb0FAaJU_1.mp4")
    _, missing, clips = read("celebv-hq", tmp_path)
    (clip,) = clips.values()
    assert (clip.emotion, clip.attributes) == ("neutral", ("male", "talk"))
    assert clip.video == "downloaded_celebvhq/processed/M2Ohb0FAaJU_1.mp4"
    assert missing == {"clip that was not fetched": ("M2Ohb0FAaJU_2.mp4",)}


@pytest.mark.parametrize("damage", ["{", "[]", '{"clips": {}}', '{"meta_info": 3, "clips": 4}', "name"])
def test_damaged_tables_are_said(tmp_path, damage: str) -> None:
    table = _celebv()
    if damage == "name":
        table["clips"] = {"../../x": table["clips"]["M2Ohb0FAaJU_1"]}
        damage = json.dumps(table)
    write(tmp_path, {"celebvhq_info.json": damage})
    with pytest.raises(InputError) as caught:
        read("celebv-hq", tmp_path)
    assert caught.value.code == "data.unreadable"


def test_faceforensics(tmp_path) -> None:
    lay(tmp_path, *(f"original_sequences/youtube/c23/videos/{name}.mp4" for name in ("000", "003", "071")))
    lay(tmp_path, "original_sequences/actors/c23/videos/01__exit_phone_room.mp4")
    lay(
        tmp_path, *(f"manipulated_sequences/{m}/c23/videos/000_003.mp4" for m in ("Deepfakes", "Face2Face", "FaceSwap"))
    )
    lay(tmp_path, "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__meeting_serious__YVGY8LOK.mp4")
    lay(tmp_path, "manipulated_sequences/NeuralTextures/c23/videos/054_071.mp4")
    write(tmp_path, {"splits/train.json": '[["000", "003"]]', "splits/test.json": '[["071", "054"]]'})
    _, missing, clips = read("faceforensics++", tmp_path)
    assert Counter(clip.label for clip in clips.values()) == {"real": 4, "fake": 5}
    fake = clips["Deepfakes/c23/000_003"]
    assert (fake.people, fake.method, fake.split, fake.view) == (("000", "003"), "Deepfakes", "train", "c23")
    assert clips["NeuralTextures/c23/054_071"].split == "test"
    acted = clips["DeepFakeDetection/c23/01_02__meeting_serious__YVGY8LOK"]
    assert (acted.people, acted.split) == (("actor01", "actor02"), None)
    assert clips["actors/c23/01__exit_phone_room"].person == "actor01"
    assert missing == {
        "no list of a split": ("splits/val.json",),
        "listed and not there": ("original_sequences/youtube/c23/videos/054.mp4",),
        "fake without its genuine twin": ("manipulated_sequences/NeuralTextures/c23/videos/054_071.mp4",),
        "no videos of a method": ("manipulated_sequences/FaceShifter",),
    }


def test_obamanet(tmp_path) -> None:
    lay(tmp_path, "data/videos/00001.mp4", "data/videos/00002.mp4", "data/audios/00001.wav", "data/images/00001/1.jpg")
    vtt = "WEBVTT\nKind: captions\n\n00:00:01.000 --> 00:00:02.000\nHi <c>everybody</c>.\n\n2\n00:00:02.000 --> 00:00:03.000\nThanks.\n"
    write(tmp_path, {"data/captions/00001.en.vtt": vtt, "obama_addresses.txt": "https://a\nhttps://b\nhttps://c\n"})
    index, missing, clips = read("obamanet", tmp_path)
    assert clips["00001"].text == "Hi everybody. Thanks."
    assert clips["00001"].audio == "data/audios/00001.wav"
    assert clips["00002"].audio is None
    assert "consent" in index.caution
    assert missing == {
        "films that were not fetched": ("1 of 3",),
        "video without its sound": ("data/audios/00002.wav",),
        "video without its captions": ("data/captions/00002.en.vtt",),
        "video without its pictures": ("data/images/00002",),
    }


@pytest.mark.parametrize(
    "name", ["lrw", "lrs2", "voxceleb1", "voxceleb2", "mead", "celebv-hq", "faceforensics++", "obamanet"]
)
def test_another_folder_is_said_with_the_layout(tmp_path, name: str) -> None:
    lay(tmp_path, "photos/holiday.jpg")
    with pytest.raises(InputError) as caught:
        read(name, tmp_path)
    assert caught.value.code == "data.layout"
    assert caught.value.rule == dataset(name).layout
    with pytest.raises(InputError):
        look(dataset(name), tmp_path / "gone", Silent())
