"""What the commands ask for, in plain values: see ``thsafe.workshop.Workshop``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from detectors.faceforensics.recipes import RECIPES, Crop, Recipe, find_recipe
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from detectors.faceforensics.listing import Sample
    from thsafe.core.types import Progress


def prepare(
    dataset: str,
    root: Path,
    output: Path | None,
    *,
    level: str,
    crop: str,
    frames: int,
    jobs: int,
    progress: Progress,
) -> dict[str, Any]:
    """Cut the faces of a public data set; see ``prepare.prepare``."""
    from detectors.faceforensics.layouts import find_videos
    from detectors.faceforensics.prepare import prepare as run

    if crop not in get_args(Crop):
        raise UsageError(
            f'There is no crop called "{crop}".',
            code="data.crop",
            found=crop,
            next_step="choose one of: " + ", ".join(get_args(Crop)),
        )
    videos = find_videos(dataset, root, level)
    done = run(
        videos,
        output or (root.parent if dataset == "index" else root) / "deepfakebench",
        crop=cast("Crop", crop),
        frames=frames,
        jobs=jobs,
        progress=progress,
    )
    return {
        "lists": [str(path) for path in done.lists],
        "crop": crop,
        "videos": done.videos,
        "crops": done.crops,
        "frames_without_face": done.missing,
        "problems": [{"video": name, "why": why} for name, why in done.problems],
    }


def fakes(
    pictures: Sequence[Path], films: Sequence[Path], output: Path, *, effort: float, progress: Progress
) -> dict[str, Any]:
    """Make the corpus of our own; see ``selfmade.corpus``."""
    from detectors.faceforensics.selfmade.corpus import find_sources, make_corpus

    sources = find_sources(pictures, films)
    path = make_corpus(output, sources, effort=effort, progress=progress)
    table = json.loads(path.read_bytes())["selfmade"]
    return {
        "list": str(path),
        "people": {split: sum(source.split == split for source in sources) for split in ("train", "val", "test")},
        "crops": {
            method: sum(len(video["frames"]) for videos in splits.values() for video in videos.values())
            for method, splits in table.items()
        },
    }


def train(
    recipe: str,
    data: Sequence[str],
    output: Path,
    *,
    epochs: int | None,
    steps: int | None,
    every: int | None,
    seed: int,
    device: str,
    precision: str,
    workers: int,
    threads: int | None,
    scratch: bool,
    initial: Path | None,
    progress: Progress,
) -> dict[str, Any]:
    """Train by a recipe; see ``train.train``."""
    from detectors.faceforensics.train import Precision, Run
    from detectors.faceforensics.train import train as run

    chosen = find_recipe(recipe)
    learn = [sample for spec in data for sample in _samples(spec, "train")]
    if chosen.network == "traces":
        from detectors.faceforensics.fit import fit_traces

        weights, worth = fit_traces(chosen, learn, output, seed=seed, progress=progress)
        return {
            "recipe": chosen.name,
            "crop": chosen.crop,
            "weights": str(weights),
            "steps": 1,
            "validation_frame_auc": round(worth, 5),
            "stopped_early": False,
        }
    check = [sample for spec in data for sample in _samples(spec, "val")]
    settings = Run(
        epochs=epochs,
        steps=steps,
        every=every,
        seed=seed,
        device=device,
        precision=cast("Precision", precision),
        workers=workers,
        threads=threads,
        scratch=scratch,
        initial=initial,
    )
    done = run(chosen, learn, check, output, run=settings, progress=progress)
    return {
        "recipe": chosen.name,
        "crop": chosen.crop,
        "weights": str(done.weights),
        "steps": done.steps,
        "validation_frame_auc": round(done.best, 5),
        "stopped_early": done.stopped_early,
    }


def evaluate(
    recipe: str,
    weights: Path,
    data: Sequence[str],
    *,
    qualities: Sequence[str],
    threshold: float,
    calibration: Path | None,
    compat: bool,
    rounds: int,
    device: str,
    progress: Progress,
) -> dict[str, Any]:
    """All figures, list by list, at one threshold."""
    from detectors.faceforensics.calibrate import load_calibration
    from detectors.faceforensics.evaluate import evaluate as run
    from detectors.faceforensics.listing import read_faceless
    from detectors.faceforensics.train import choose_device

    device = choose_device(device)
    chosen, net, digest = _network(recipe, weights, device)
    _check(qualities)
    calibrated = None if calibration is None else load_calibration(calibration)
    reports = {}
    for spec in data:
        path, split, level = _parts(spec, "test")
        reports[spec] = run(
            net, chosen, _samples(spec, "test"), read_faceless(path, split, compression=level),
            qualities=qualities, threshold=threshold, calibration=calibrated, compat=compat, rounds=rounds,
            progress=progress, device=device,
        )  # fmt: skip
    return {"weights_sha256": digest, "lists": reports}


def calibrate(
    recipe: str,
    weights: Path,
    data: Sequence[str],
    output: Path,
    *,
    qualities: Sequence[str],
    alpha: float,
    device: str,
    progress: Progress,
) -> dict[str, Any]:
    """Fit ratios and limits per quality on the validation split, one score a video."""
    import numpy as np

    from detectors.faceforensics.calibrate import calibrate as run
    from detectors.faceforensics.calibration_plot import calibration_svg
    from detectors.faceforensics.scoring import score_samples
    from detectors.faceforensics.train import choose_device
    from thsafe.media.files import write_whole

    device = choose_device(device)
    chosen, net, digest = _network(recipe, weights, device)
    _check(qualities)
    samples = [sample for spec in data for sample in _samples(spec, "val")]
    videos = sorted({sample.video for sample in samples})
    label_of = {sample.video: sample.label for sample in samples}
    found = {}
    for quality in qualities:
        logits = score_samples(net, chosen, samples, progress=progress, quality=quality, device=device)
        rows: dict[str, list[float]] = {video: [] for video in videos}
        for sample, logit in zip(samples, logits, strict=True):
            rows[sample.video].append(float(logit))
        found[quality] = ([label_of[video] for video in videos], [float(np.mean(rows[video])) for video in videos])
    about = {
        "recipe": chosen.name,
        "crop": chosen.crop,
        "weights_sha256": digest,
        "lists": [Path(d).name for d in data],
    }
    made = run(found, alpha=alpha, about=about)
    picture = output.with_suffix(".svg")
    write_whole(picture, calibration_svg(made, found, title=chosen.name).encode())
    write_whole(output, json.dumps(made.as_json(), indent=1, sort_keys=True).encode())
    return {"calibration": str(output), "picture": str(picture), **made.as_json()}


def export(recipe: str, weights: Path, output: Path, *, half: bool) -> dict[str, Any]:
    """Write safetensors or ONNX, as the name's ending says."""
    from detectors.faceforensics.export import export_onnx, export_safetensors

    endings = (".safetensors", ".onnx")
    if output.suffix not in endings:
        raise UsageError(
            f"{output.name} has no ending that says how to write it.",
            code="export.ending",
            found=output.suffix or "none",
            next_step="name it …" + " or …".join(endings),
        )
    if half and output.suffix == ".onnx":
        raise UsageError("ONNX files are written in float32.", code="export.half", next_step="leave out --half")
    chosen, net, _ = _network(recipe, weights, "cpu")
    written = (
        export_onnx(net, chosen, output) if output.suffix == ".onnx" else export_safetensors(net, output, half=half)
    )
    return {
        "recipe": chosen.name,
        "input": {
            "side": chosen.side, "channels": "RGB", "mean": list(chosen.mean), "deviation": list(chosen.deviation),
            "crop": chosen.crop,
        },
        "output": "logit, higher: more like a manipulation",
        **written,
    }  # fmt: skip


def recipes() -> dict[str, Any]:
    """Every recipe's numbers."""
    return {name: asdict(recipe) for name, recipe in RECIPES.items()}


def _network(recipe: str, weights: Path, device: str) -> tuple[Recipe, Any, str]:
    """Recipe, network and the digest of its weights."""
    from detectors.faceforensics.export import load

    chosen = find_recipe(recipe)
    net = load(chosen, weights).to(device)
    return chosen, net, hashlib.sha256(weights.read_bytes()).hexdigest()


def _samples(spec: str, split: str) -> tuple[Sample, ...]:
    from detectors.faceforensics.listing import read_list

    path, split, level = _parts(spec, split)
    return read_list(path, split, compression=level)


def _parts(spec: str, split: str) -> tuple[Path, str, str]:
    """``LIST.json[:split][:compression]``."""
    from detectors.faceforensics.layouts import LEVELS
    from detectors.faceforensics.listing import SPLITS

    name, level = spec, ""
    head, _, tail = name.rpartition(":")
    if head and tail in LEVELS:
        name, level = head, tail
    head, _, tail = name.rpartition(":")
    if head and tail in SPLITS:
        name, split = head, tail
    return Path(name), split, level


def _check(qualities: Sequence[str]) -> None:
    from detectors.faceforensics.degrade import QUALITIES

    unknown = [name for name in qualities if name not in QUALITIES]
    if unknown or not qualities:
        raise UsageError(
            "There is no such condition." if unknown else "At least one condition is needed.",
            code="detector.quality",
            found=", ".join(unknown),
            next_step="choose from: " + ", ".join(QUALITIES),
        )
