"""``thsafe detector``: train, measure, calibrate and export a detector of manipulated faces."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thsafe.cli.terminal import check_target, force_option, json_option, print_json, progress_on_stderr, style

if TYPE_CHECKING:
    from thsafe.core.types import Json

_RECIPES = ("deepfakebench-xception", "efficientnet-b4", "meso4", "sbi", "small", "traces")
_QUALITIES = ("as-is", "c23", "c40", "jpeg-75", "half-size", "blur")

_recipe = click.option("--recipe", type=click.Choice(_RECIPES), default="traces", show_default=True)
_data = click.option(
    "--data",
    "data",
    multiple=True,
    required=True,
    metavar="LIST.json[:SPLIT][:c23]",
    help="A list of thsafe data prepare, or DeepfakeBench's.",
)
_weights = click.option(
    "--weights", required=True, type=click.Path(path_type=Path), help="A .safetensors file, best.safetensors of a run."
)
_device = click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1 or auto.")
_quality = click.option(
    "--quality", "qualities", multiple=True, type=click.Choice(_QUALITIES), help="A condition; may be given again."
)


@click.group()
def detector() -> None:
    """Train, measure, calibrate and export a detector of manipulated faces."""


@detector.command(name="recipes", epilog="Example:\n\n\b\n  thsafe detector recipes")
@json_option
def recipes_(as_json: bool) -> None:
    """Show how each recipe trains, and where that comes from."""
    from thsafe.registry import workshop

    found = workshop().recipes()
    if as_json:
        print_json(found)
        return
    for name, recipe in found.items():
        start = "ImageNet" if recipe["pretrained"] else "scratch"
        click.echo(f"{name:<23} {recipe['network']}, {recipe['side']} px, crop {recipe['crop']}, from {start}")


@detector.command(
    epilog=(
        "The same command again goes on where a stopped run was.\n\nExamples:\n\n\b\n"
        "  thsafe detector train --recipe deepfakebench-xception \\\n"
        "      --data 'ffpp/deepfakebench/dataset_json/FaceForensics++.json:c23' -o run\n"
        "  thsafe detector train --recipe traces --data corpus/dataset_json/selfmade.json -o run"
    )
)
@_recipe
@_data
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The run's folder.")
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's own.")
@click.option("--steps", type=click.IntRange(1), help="Batches in all, instead of epochs.")
@click.option("--every", type=click.IntRange(1), help="Batches between validations. [default: one epoch]")
@click.option("--seed", type=click.IntRange(0), default=1024, show_default=True)
@_device
@click.option("--precision", type=click.Choice(["auto", "bf16", "fp32"]), default="auto", show_default=True)
@click.option("--workers", type=click.IntRange(0, 128), default=0, show_default=True, help="Processes making batches.")
@click.option("--threads", type=click.IntRange(1, 256), help="Of PyTorch.")
@click.option("--from-scratch", "scratch", is_flag=True, help="Random weights where the recipe wants ImageNet's.")
@click.option("--init", "initial", type=click.Path(path_type=Path), help="Weights to start from.")
@json_option
def train(recipe: str, data: tuple[str, ...], output: Path, as_json: bool, **settings: Any) -> None:
    """Train by a recipe; weights, history and curves go into the run's folder."""
    from thsafe.registry import workshop

    with progress_on_stderr() as progress:
        found = workshop().train(recipe, data, output, progress=progress, **settings)
    if as_json:
        print_json(found)
        return
    ended = " (stopped early: nothing better came)" if found["stopped_early"] else ""
    click.echo(f"validation frame AUC {found['validation_frame_auc']:.4f} with crop {found['crop']}{ended}")
    click.echo(f"weights {found['weights']}")
    click.echo(f"curves  {output / 'curves.svg'}")


@detector.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe detector evaluate --weights run/best.safetensors --data corpus/dataset_json/selfmade.json \\\n"
        "      --quality c23 --quality c40\n"
        "  thsafe detector evaluate --recipe deepfakebench-xception --weights run/best.safetensors \\\n"
        "      --data 'FaceForensics++.json:test:c23' --data Celeb-DF-v2.json --compat deepfakebench"
    )
)
@_recipe
@_weights
@_data
@_quality
@click.option("--threshold", type=float, default=0.0, show_default=True, help="Logit; one for all lists.")
@click.option("--calibration", type=click.Path(path_type=Path), help="From thsafe detector calibrate.")
@click.option("--compat", type=click.Choice(["deepfakebench"]), help="Group frames into videos as that code does.")
@click.option("--rounds", type=click.IntRange(10, 10000), default=200, show_default=True, help="Of the bootstrap.")
@_device
@click.option("--report", type=click.Path(path_type=Path), help="Write everything here, as JSON.")
@force_option
@json_option
def evaluate(
    recipe: str,
    weights: Path,
    data: tuple[str, ...],
    qualities: tuple[str, ...],
    threshold: float,
    calibration: Path | None,
    compat: str | None,
    rounds: int,
    device: str,
    report: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Measure a detector: every figure with its 95 % interval, per method and condition."""
    from thsafe.registry import workshop

    if report is not None:
        check_target(report, force=force)
    with progress_on_stderr() as progress:
        found = workshop().evaluate(
            recipe, weights, data, qualities=qualities or ("as-is",), threshold=threshold, calibration=calibration,
            compat=compat is not None, rounds=rounds, device=device, progress=progress,
        )  # fmt: skip
    if report is not None:
        _write(report, found)
    if as_json:
        print_json(found)
        return
    for name, values in found["lists"].items():
        _print(name, values)


@detector.command(
    epilog="Example:\n\n\b\n  thsafe detector calibrate --weights xception/best.safetensors \\\n"
    "    --data FaceForensics++.json:c23 -o calibration.json"
)
@_recipe
@_weights
@_data
@_quality
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A .json file.")
@click.option("--alpha", type=click.FloatRange(0.01, 0.5), default=0.10, show_default=True, help="Share misjudged.")
@_device
@force_option
@json_option
def calibrate(
    recipe: str,
    weights: Path,
    data: tuple[str, ...],
    qualities: tuple[str, ...],
    output: Path,
    alpha: float,
    device: str,
    force: bool,
    as_json: bool,
) -> None:
    """Fit likelihood ratios and abstention per condition, on the validation split."""
    from thsafe.registry import workshop

    check_target(output, force=force)
    check_target(output.with_suffix(".svg"), force=force)
    with progress_on_stderr() as progress:
        found = workshop().calibrate(
            recipe, weights, data, output, qualities=qualities or _QUALITIES, alpha=alpha, device=device,
            progress=progress,
        )  # fmt: skip
    if as_json:
        print_json(found)
        return
    for name, row in found["bins"].items():
        click.echo(f"{name:<10} {row['genuine']} genuine, {row['manipulated']} manipulated videos")
    click.echo(f"calibration {output}")
    click.echo(f"picture     {found['picture']}")


@detector.command(
    epilog="Example:\n\n\b\n  thsafe detector export --recipe small --weights run/best.safetensors -o small.onnx"
)
@_recipe
@_weights
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="….safetensors or ….onnx.")
@click.option("--half", is_flag=True, help="Safetensors in float16.")
@force_option
@json_option
def export(recipe: str, weights: Path, output: Path, half: bool, force: bool, as_json: bool) -> None:
    """Write the weights for use elsewhere; an ONNX file is compared with the network first."""
    from thsafe.registry import workshop

    check_target(output, force=force)
    found = workshop().export(recipe, weights, output, half=half)
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['bytes']} bytes, SHA-256 {found['sha256']}")
    if found.get("difference") is not None:
        click.echo(f"logits differ from the network's by {found['difference']:.2g} at most")
    elif output.suffix == ".onnx":
        click.echo("not compared with the network: onnxruntime is not installed")


def _print(name: str, found: dict[str, Json]) -> None:
    click.echo(style(f"{name}: {found['network']}, crop {found['crop']}", bold=True))
    count, cover = found["crops"], f"{found['coverage']['share']:.1%}"
    click.echo(f"  {count['genuine']} genuine, {count['manipulated']} manipulated crops; a face in {cover} of frames")
    for quality, conventions in found["conditions"].items():
        for convention, tables in conventions.items():
            click.echo(f"  {quality}, {convention.replace('_', ' ')}")
            for level, table in tables.items():
                words = "  ".join(
                    f"{key.replace('_', ' ')} {_figure(table[key])}" for key in ("auc", "ap", "eer", "accuracy")
                )
                click.echo(f"    {level:<6} {words}")
                words = "  ".join(
                    f"{key.replace('_', ' ')} {_figure(table[key])}"
                    for key in ("hits_at_1pct", "hits_at_5pct", "false_alarms", "cllr", "cllr_min", "ece")
                )
                click.echo(f"           {words}")
    for method, row in found["methods"].items():
        click.echo(f"  {method:<18} frame AUC {_figure(row['frame_auc'])}  video AUC {_figure(row['video_auc'])}")


def _figure(value: dict[str, Json]) -> str:
    if value["value"] is None:
        return "–"
    between = "" if value["low"] is None else f" [{value['low']:.3f}, {value['high']:.3f}]"
    return f"{value['value']:.4f}{between}"


def _write(path: Path, value: dict[str, Json]) -> None:
    import json

    from thsafe.media.files import write_whole

    write_whole(path, (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + os.linesep).encode())
