"""Training on a miniature list: it learns, goes on after a kill as if nothing had been, stops early, draws its curves."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import load_file

from detectors.faceforensics import train as training
from detectors.faceforensics.batches import Batches
from detectors.faceforensics.listing import read_list
from detectors.faceforensics.recipes import RECIPES, find_recipe
from detectors.faceforensics.train import Run, train
from thsafe.cli.main import run
from thsafe.core.errors import InputError, MissingError, UsageError

QUICK = Run(steps=6, every=3, threads=1, precision="fp32", scratch=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Noise pictures; in the "fakes" a square in the middle is smooth."""
    root = tmp_path_factory.mktemp("corpus")
    random = np.random.default_rng(3)
    table: dict = {"FF-real": {}, "FF-DF": {}, "FF-NT": {}}
    for split, people in (("train", ("000", "001")), ("val", ("010", "011")), ("test", ("020", "021"))):
        for splits in table.values():
            splits[split] = {"c23": {}}
        for number, name in enumerate(people):
            pictures = [cv2.resize(random.integers(0, 255, (64, 64, 3), np.uint8), (96, 96)) for _ in range(3)]
            other = people[1 - number]
            for label, video in (("FF-real", name), ("FF-DF", f"{name}_{other}"), ("FF-NT", f"{name}_{other}")):
                frames = []
                for index, picture in enumerate(pictures):
                    shown = picture.copy()
                    if label != "FF-real":
                        shown[24:72, 24:72] = cv2.GaussianBlur(picture, (0, 0), 4)[24:72, 24:72]
                    place = f"{label}/frames/{video}/{index:03d}.png"
                    (root / place).parent.mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(root / place), shown)
                    frames.append(place)
                table[label][split]["c23"][video] = {"label": label, "frames": frames, "missing": 0}
    (root / "dataset_json").mkdir()
    path = root / "dataset_json" / "tiny.json"
    path.write_text(json.dumps({"tiny": table}))
    return path


def quick(name: str, **changes):
    """The recipe with small batches and pictures."""
    return replace(find_recipe(name), batch=6, side=64 if name != "meso4" else 256, **changes)


def split(corpus: Path):
    return read_list(corpus, "train"), read_list(corpus, "val")


def test_a_resumed_run_ends_where_an_unbroken_one_does(corpus, tmp_path, monkeypatch) -> None:
    whole = train(quick("small"), *split(corpus), tmp_path / "whole", run=QUICK)

    class Killed(BaseException):
        """Stands for the process being ended."""

    real = training._keep

    def killed_after_the_first(*arguments) -> None:
        real(*arguments)
        raise Killed

    monkeypatch.setattr(training, "_keep", killed_after_the_first)
    with pytest.raises(Killed):
        train(quick("small"), *split(corpus), tmp_path / "broken", run=QUICK)
    monkeypatch.undo()
    assert json.loads((tmp_path / "broken" / "history.json").read_text())[-1]["step"] == 3
    done = train(quick("small"), *split(corpus), tmp_path / "broken", run=QUICK)
    assert done.steps == whole.steps == 6
    history = [json.loads((tmp_path / name / "history.json").read_text()) for name in ("whole", "broken")]
    assert history[0] == history[1]
    first, second = (load_file(tmp_path / name / "best.safetensors") for name in ("whole", "broken"))
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_it_learns_what_tells_the_two_apart(corpus, tmp_path) -> None:
    done = train(quick("small", rate=3e-3), *split(corpus), tmp_path, run=replace(QUICK, steps=45, every=15))
    assert done.best > 0.9


def test_curves_and_history_are_there(corpus, tmp_path) -> None:
    done = train(quick("meso4"), *split(corpus), tmp_path, run=QUICK)
    history = json.loads((tmp_path / "history.json").read_text())
    assert [row["step"] for row in history] == [3, 6]
    drawn = ET.parse(tmp_path / "curves.svg").getroot()
    assert len(drawn.findall(".//{*}polyline")) == 2
    assert f"{done.best:.4f}" in (tmp_path / "curves.svg").read_text()


def test_training_ends_when_nothing_gets_better(corpus, tmp_path, monkeypatch) -> None:
    values = iter([0.7, 0.6, 0.65, 0.5, 0.9])
    monkeypatch.setattr(training, "roc_auc", lambda *_: next(values))
    recipe = quick("small", patience=2)
    done = train(recipe, *split(corpus), tmp_path, run=replace(QUICK, steps=5, every=1))
    assert done.stopped_early
    assert done.steps == 3
    assert done.best == 0.7


def test_another_recipe_or_other_data_do_not_go_on_here(corpus, tmp_path) -> None:
    train(quick("small"), *split(corpus), tmp_path, run=replace(QUICK, steps=1, every=1))
    with pytest.raises(UsageError) as caught:
        train(quick("small", rate=1e-5), *split(corpus), tmp_path, run=QUICK)
    assert caught.value.code == "train.other-run"
    with pytest.raises(UsageError):
        train(quick("small"), split(corpus)[0][:-1], split(corpus)[1], tmp_path, run=QUICK)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04cut off"])
def test_a_damaged_checkpoint_is_said_in_words(corpus, tmp_path, content) -> None:
    train(quick("small"), *split(corpus), tmp_path, run=replace(QUICK, steps=1, every=1))
    (tmp_path / "state.pt").write_bytes(content)
    with pytest.raises(InputError) as caught:
        train(quick("small"), *split(corpus), tmp_path, run=QUICK)
    assert caught.value.code == "train.state"


def test_every_fake_stands_beside_its_twin_degraded_alike(corpus) -> None:
    samples, _ = split(corpus)
    pictures, labels = Batches(samples, quick("small"), 1)[0]
    assert labels.tolist() == [0, 1] * 3
    for genuine, made in zip(pictures[::2].astype(int), pictures[1::2].astype(int), strict=True):
        # outside the altered square both went through the same crop, codec, noise and light
        assert np.abs(genuine[:, :4] - made[:, :4]).mean() < 8
        assert np.abs(genuine[24:40, 24:40] - made[24:40, 24:40]).mean() > 4


def test_batches_depend_on_seed_and_step_alone(corpus) -> None:
    samples, _ = split(corpus)
    for name in ("small", "deepfakebench-xception"):
        first, second = Batches(samples, quick(name), 1), Batches(samples, quick(name), 1)
        first[0]
        assert np.array_equal(first[2][0], second[2][0])
        assert not np.array_equal(first[2][0], first[1][0])


def test_an_epoch_shows_every_crop_once(corpus) -> None:
    samples, _ = split(corpus)
    batches = Batches(samples, replace(find_recipe("deepfakebench-xception"), batch=6, side=32), 1)
    assert len(batches) == 3
    assert sum(batches[step][1].sum() for step in range(3)) == sum(sample.label for sample in samples)


def test_one_class_is_not_enough(corpus, tmp_path) -> None:
    learn, check = split(corpus)
    with pytest.raises(InputError) as caught:
        train(quick("small"), [s for s in learn if s.label], check, tmp_path, run=QUICK)
    assert caught.value.code == "train.classes"


def test_without_imagenet_s_weights_the_way_on_is_named(corpus, tmp_path, monkeypatch) -> None:
    from detectors.faceforensics import networks

    def unreachable(name, *, pretrained):
        raise OSError("offline")

    monkeypatch.setattr(networks, "Timm", unreachable)
    with pytest.raises(MissingError) as caught:
        train(quick("deepfakebench-xception"), *split(corpus), tmp_path, run=replace(QUICK, scratch=False))
    assert caught.value.code == "recipe.imagenet"
    assert "--from-scratch" in caught.value.next_step


def test_every_recipe_builds_and_scores() -> None:
    import torch

    from detectors.faceforensics.recipes import build

    for name in ("deepfakebench-xception", "efficientnet-b4"):
        net = build(RECIPES[name], scratch=True).eval()
        with torch.inference_mode():
            assert net(torch.zeros(1, 3, 96, 96)).shape == (1,)
    assert RECIPES["sbi"].network == "efficientnet_b4"


def test_the_command_trains_measures_and_exports(corpus, tmp_path, capsys) -> None:
    folder = tmp_path / "run"
    arguments = ["--recipe", "meso4", "--data", str(corpus)]
    assert (
        run(
            [
                "detector",
                "train",
                *arguments,
                "-o",
                str(folder),
                "--steps",
                "2",
                "--every",
                "1",
                "--threads",
                "1",
                "--json",
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["crop"] == "dfb-5pt"
    weights = ["--weights", str(folder / "best.safetensors")]
    assert run(["detector", "evaluate", *arguments, *weights, "--rounds", "10", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["lists"][str(corpus)]
    assert set(report["methods"]) == {"FF-DF", "FF-NT"}
    assert report["conditions"]["as-is"]["faceless_left_out"]["video"]["manipulated"] == 4
    assert run(["detector", "evaluate", *arguments, *weights, "--rounds", "10"]) == 0
    assert "crop dfb-5pt" in capsys.readouterr().out
    target = tmp_path / "out.safetensors"
    assert run(["detector", "export", "--recipe", "meso4", *weights, "-o", str(target), "--half"]) == 0
    assert run(["detector", "export", "--recipe", "meso4", *weights, "-o", str(target)]) == 2
    assert run(["detector", "export", "--recipe", "small", *weights, "-o", str(tmp_path / "x.safetensors")]) == 30
    assert "model.not-weights" in capsys.readouterr().err
    assert run(["detector", "train", "--data", str(tmp_path / "none.json"), "-o", str(folder)]) == 30


def test_onnx_gives_the_network_s_scores(tmp_path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    import torch

    from detectors.faceforensics.export import export_onnx
    from detectors.faceforensics.recipes import build

    torch.manual_seed(0)
    recipe = find_recipe("small")
    found = export_onnx(build(recipe, scratch=True).eval(), recipe, tmp_path / "small.onnx")
    assert found["difference"] < 1e-3
    assert (tmp_path / "small.onnx").stat().st_size == found["bytes"]
