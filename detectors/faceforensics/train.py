"""Training a detector by a recipe: checkpoints, going on after a kill, early stop, curves.

A run lives in one folder: ``run.json`` (recipe and data), ``state.pt`` (where it is), ``history.json``, ``curves.svg``,
``best.safetensors``. Starting the same command again goes on where the last checkpoint was; on one processor the result
is the same to the last bit as that of a run that nobody stopped.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from detectors.faceforensics.batches import Batches
from detectors.faceforensics.curves import curves_svg
from detectors.faceforensics.metrics import roc_auc
from detectors.faceforensics.recipes import Recipe, build
from detectors.faceforensics.scoring import prepared, score_samples
from thsafe.core.errors import InputError, MissingError, UsageError
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_whole

if TYPE_CHECKING:
    from detectors.faceforensics.listing import Sample

Precision = Literal["auto", "bf16", "fp32"]
_CHECK_MOST: Final = 1500
"""Crops looked at in a validation, evenly taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a recipe is run here."""

    epochs: int | None = None
    """None: the recipe's own."""
    steps: int | None = None
    """Batches in all, instead of epochs."""
    seed: int = 1024
    device: str = "auto"
    precision: Precision = "auto"
    threads: int | None = None
    workers: int = 0
    """Processes that make batches; 0: this one."""
    every: int | None = None
    """Batches between two validations; None: once an epoch."""
    scratch: bool = False
    initial: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What came of it."""

    folder: Path
    weights: Path
    best: float
    """Frame AUC of the validation split."""
    steps: int
    stopped_early: bool


def train(
    recipe: Recipe,
    train_samples: Sequence[Sample],
    val_samples: Sequence[Sample],
    folder: Path,
    *,
    run: Run | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train, or go on with a training that was stopped.

    Args:
        recipe: what to train.
        train_samples: crops to learn from.
        val_samples: crops to choose the best weights by.
        folder: the run's own; made where it does not exist.
        run: how long, where, how exactly.
        progress: told how far it is.

    Raises:
        UsageError: ``train.other-run``: the folder holds a run of another recipe, seed or data.
        InputError: ``train.classes``, ``train.state`` (a damaged checkpoint), ``crop.unreadable``.
        MissingError: ``recipe.imagenet``, ``train.device``.
        StoreError: the disk is full.
    """
    import torch

    run = run or Run()
    telling = progress or Silent()
    device = choose_device(run.device)
    half = _half(run.precision, device)
    if run.threads:
        torch.set_num_threads(run.threads)
    batches = Batches(train_samples, recipe, run.seed)
    if len({sample.label for sample in val_samples}) < 2:
        raise InputError("The validation split needs both classes.", code="train.classes", next_step="prepare the data")
    total = run.steps or (run.epochs or recipe.epochs) * batches.steps_per_epoch
    every = run.every or batches.steps_per_epoch
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, recipe, run, train_samples)

    torch.manual_seed(run.seed)
    resumed = (folder / "state.pt").exists()
    # what a checkpoint will replace needs no ImageNet
    net = build(recipe, scratch=run.scratch or resumed, initial=None if resumed else run.initial)
    net = net.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    average = _Average(net, recipe.average)
    step, history = _restored(folder, net, optimizer, average, device) if resumed else (0, [])
    checked = val_samples[:: max(1, len(val_samples) // _CHECK_MOST)]
    labels = np.array([sample.label for sample in checked])
    telling.start("training", total)
    telling.advance(step)
    losses: list[float] = []
    stopped = _tired(history, recipe.patience)
    for pictures, answers in _stream(batches, step, total, run.workers):
        if stopped:
            break
        for group in optimizer.param_groups:
            group["lr"] = _rate(recipe, step, total)
        net.train()
        # dropout too must fall the same way after a restart
        torch.manual_seed(run.seed + step)
        given, wanted = torch.from_numpy(pictures).to(device), torch.from_numpy(answers).to(device)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=half):
            logits = net(prepared(given, recipe))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        average.follow(net)
        losses.append(float(loss.detach()))
        step += 1
        telling.advance()
        if step % every == 0 or step == total:
            judged = average.network(net)
            judged.eval()
            scores = score_samples(
                judged, recipe, checked, progress=Silent(), quality="c23" if recipe.pairs else "as-is",
                device=device, half=half,
            )  # fmt: skip
            row = {"step": step, "loss": float(np.mean(losses)), "auc": roc_auc(labels, scores)}
            losses = []
            better = not history or row["auc"] > max(item["auc"] for item in history)
            history.append(row)
            if better:
                write_whole(folder / "best.safetensors", packed(judged))
            write_whole(folder / "history.json", json.dumps(history, indent=1).encode())
            write_whole(folder / "curves.svg", curves_svg(history, title=recipe.name).encode())
            _keep(folder, step, net, optimizer, average, history)
            telling.note(f"step {step}: loss {row['loss']:.3f}, validation AUC {row['auc']:.4f}")
            stopped = _tired(history, recipe.patience)
    return Trained(
        folder=folder,
        weights=folder / "best.safetensors",
        best=max(item["auc"] for item in history),
        steps=step,
        stopped_early=stopped,
    )


def packed(net: Any) -> bytes:
    """Weights as safetensors, without the fixed kernels that the code itself holds."""
    from safetensors.torch import save

    return bytes(save({name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}))


class _Average:
    """A running average of the weights, which generalises better than the last of them (Polyak)."""

    def __init__(self, net: Any, keep: float) -> None:
        import copy

        self.keep = keep
        self.copy = copy.deepcopy(net).requires_grad_(requires_grad=False) if keep else None
        self.count = 0

    def follow(self, net: Any) -> None:
        import torch

        if self.copy is None:
            return
        self.count += 1
        # the first steps weigh less than a long average would have it
        keep = min(self.keep, self.count / (self.count + 10))
        with torch.no_grad():
            for mine, new in zip(self.copy.state_dict().values(), net.state_dict().values(), strict=True):
                if mine.dtype.is_floating_point:
                    mine.lerp_(new.to(mine.dtype), 1 - keep)
                else:
                    mine.copy_(new)

    def network(self, net: Any) -> Any:
        """What to judge by."""
        return net if self.copy is None else self.copy


def _stream(batches: Batches, first: int, total: int, workers: int) -> Iterator[Any]:
    if workers == 0:
        yield from (batches[step] for step in range(first, total))
        return
    import torch

    yield from torch.utils.data.DataLoader(
        batches, batch_size=None, sampler=range(first, total), num_workers=workers, collate_fn=_as_is,
        worker_init_fn=_one_thread, prefetch_factor=4,
    )  # fmt: skip


def _as_is(batch: Any) -> Any:
    return batch


def _one_thread(_: int) -> None:
    import cv2

    cv2.setNumThreads(1)


def _rate(recipe: Recipe, step: int, total: int) -> float:
    if recipe.schedule == "constant":
        return recipe.rate
    warm = max(1, min(200, total // 20))
    if step < warm:
        return recipe.rate * (step + 1) / warm
    share = (step - warm) / max(1, total - warm)
    return recipe.rate * max(0.01, 0.5 * (1 + float(np.cos(np.pi * share))))


def _tired(history: Sequence[dict[str, Any]], patience: int) -> bool:
    """Whether the last ``patience`` validations brought nothing better."""
    if len(history) <= patience:
        return False
    best = max(range(len(history)), key=lambda index: history[index]["auc"])
    return len(history) - 1 - best >= patience


def _claim(folder: Path, recipe: Recipe, run: Run, samples: Sequence[Sample]) -> None:
    """Write down whose folder this is, or make sure that it is this run's."""
    mine = {
        "recipe": recipe.digest(),
        "settings": json.loads(json.dumps(asdict(recipe))),
        "seed": run.seed,
        "samples": len(samples),
        "videos": len({sample.video for sample in samples}),
    }
    path = folder / "run.json"
    if not path.exists():
        write_whole(path, json.dumps(mine, indent=1, sort_keys=True).encode())
        return
    try:
        there = json.loads(path.read_bytes())
        differing = [name for name in ("recipe", "seed", "samples", "videos") if there[name] != mine[name]]
    except (ValueError, KeyError, TypeError):
        differing = ["run.json"]
    if differing:
        raise UsageError(
            "The folder holds another run.",
            code="train.other-run",
            found="another " + ", ".join(differing),
            rule="a run goes on with its own recipe, seed and data",
            next_step="choose another folder with -o",
        )


def _keep(folder: Path, step: int, net: Any, optimizer: Any, average: _Average, history: list[dict[str, Any]]) -> None:
    import torch

    held = io.BytesIO()
    state = {
        "step": step,
        "net": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": None if average.copy is None else average.copy.state_dict(),
        "count": average.count,
        "history": history,
    }
    torch.save(state, held)
    write_whole(folder / "state.pt", held.getvalue())


def _restored(
    folder: Path, net: Any, optimizer: Any, average: _Average, device: str
) -> tuple[int, list[dict[str, Any]]]:
    import torch

    try:
        state = torch.load(folder / "state.pt", map_location=device, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        if average.copy is not None:
            average.copy.load_state_dict(state["average"])
        average.count = int(state["count"])
        return int(state["step"]), list(state["history"])
    except Exception as problem:
        if isinstance(problem, MemoryError | KeyboardInterrupt):
            raise
        raise InputError(
            "The checkpoint of this run cannot be read.",
            code="train.state",
            found=f"{folder / 'state.pt'}: {type(problem).__name__}",
            next_step="choose another folder with -o, or delete this one to start anew",
        ) from problem


def choose_device(wanted: str) -> str:
    """The device that ``auto`` means here, or the one wanted; raises MissingError ``train.device``."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise MissingError("PyTorch sees no GPU.", code="train.device", found=wanted, next_step="choose --device cpu")
    return wanted


def _half(precision: Precision, device: str) -> bool:
    import torch

    if precision != "auto":
        return precision == "bf16"
    # on a processor without bfloat16 instructions it is slower than float32
    return device != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - torch names it nowhere else
