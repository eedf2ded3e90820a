"""The shipped detector's files from a finished run: weights in float16, calibration, and a card of what it is worth.

All figures are of people that no training picture shows, method by method and condition by condition, with one method
that was never trained on. The calibration is made of the same people, for they are few; so its ratios are tightly
bounded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.cards import as_toml
from detectors.faceforensics import metrics
from detectors.faceforensics.calibrate import calibrate
from detectors.faceforensics.export import export_safetensors, load
from detectors.faceforensics.listing import read_list
from detectors.faceforensics.recipes import Recipe
from detectors.faceforensics.scoring import score_samples
from detectors.faceforensics.selfmade.corpus import HELD_OUT
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.listing import Sample

QUALITIES: Final = ("as-is", "c23", "c40", "jpeg-75", "half-size")
OWN: Final = ("engine-say", "engine-dub")
SWAPS: Final = ("face-swap", "gradient-swap", "autoencoder-swap")


def write_card(
    recipe: Recipe,
    weights: Path,
    listing: Path,
    folder: Path,
    *,
    data: str,
    how: str,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a run on the people it never saw, and write ``small.safetensors``, ``small.toml``, ``calibration.json``.

    Args:
        recipe: of the run.
        weights: its best.
        listing: the corpus' list.
        folder: where the three files go.
        data: what the pictures are, and their licences, in words.
        how: the commands that make it anew.
        progress: told how far it is.

    Returns:
        The card's values.
    """
    telling = progress or Silent()
    net = load(recipe, weights)
    folder.mkdir(parents=True, exist_ok=True)
    written = export_safetensors(net, folder / "small.safetensors", half=True)
    net = load(recipe, folder / "small.safetensors")  # what is measured is what is shipped
    tested, spared = read_list(listing, "test"), read_list(listing, "val")
    figures: dict[str, dict[str, Any]] = {}
    bins = {}
    for quality in QUALITIES:
        logits = score_samples(net, recipe, (*tested, *spared), progress=telling, quality=quality)
        figures[quality] = _figures(tested, logits[: len(tested)])
        bins[quality] = _videos((*tested, *spared), logits)
    people = {split: len({s.identities for s in read_list(listing, split)}) for split in ("train", "val", "test")}
    made = calibrate(bins, about={"people": people["val"] + people["test"], "weights_sha256": written["sha256"]})
    write_whole(folder / "calibration.json", json.dumps(made.as_json(), indent=1, sort_keys=True).encode())
    card = {
        "name": "small",
        "title": "Traces of face manipulation, small",
        "file": "small.safetensors",
        "sha256": written["sha256"],
        "bytes": written["bytes"],
        "parameters": sum(value.numel() for value in net.parameters()),
        "licence": "Apache-2.0",
        "trained_on": data,
        "crop": f"{recipe.crop} x 1.3, {recipe.side} pixels",
        "recipe_name": recipe.name,
        "recipe": how,
        "people": people,
        "held_out_methods": list(HELD_OUT),
        "worth": _worth(figures["c23"], people["test"]),
        "is_not": (
            "proof of anything; nothing was measured on the cameras of strangers, on faces turned far aside, or on the "
            "generators of others"
        ),
        "figures": figures,
    }
    write_whole(folder / "small.toml", as_toml(card).encode())
    return card


def _figures(samples: Sequence[Sample], logits: NDArray[np.float64]) -> dict[str, Any]:
    """Per method against the genuine pictures of the same people: AUC of single crops and of means over a person."""
    labels = np.array([sample.label for sample in samples])
    found: dict[str, Any] = {"all": _pair(samples, logits, labels, np.ones(len(samples), bool))}
    groups = {method: (method,) for method in sorted({sample.method for sample in samples if sample.label})}
    for name, methods in {"own-generators": OWN, "swaps": SWAPS, **groups}.items():
        kept = np.array([not sample.label or sample.method in methods for sample in samples])
        if (kept & (labels == 1)).any():
            found[name] = _pair(samples, logits, labels, kept)
    return found


def _pair(
    samples: Sequence[Sample], logits: NDArray[np.float64], labels: NDArray[np.int64], kept: NDArray[np.bool_]
) -> dict[str, Any]:
    chosen = [sample for sample, keep in zip(samples, kept, strict=True) if keep]
    truth, scores = labels[kept], logits[kept]
    people = [sample.identities for sample in chosen]
    low, high = metrics.bootstrap(lambda i: metrics.roc_auc(truth[i], scores[i]), people, rounds=200)
    video_labels, video_scores = _videos(chosen, scores)
    return {
        "crops": int(truth.sum()),
        "frame_auc": round(metrics.roc_auc(truth, scores), 3),
        "frame_auc_low": round(low, 3),
        "frame_auc_high": round(high, 3),
        "video_auc": round(metrics.roc_auc(video_labels, video_scores), 3),
        "hits_at_5pct": round(metrics.hit_rate_at(truth, scores, 0.05), 3),
    }


def _videos(samples: Sequence[Sample], logits: NDArray[np.float64]) -> tuple[list[int], list[float]]:
    """One label and one mean score for each person and method."""
    rows: dict[str, list[float]] = {}
    labels: dict[str, int] = {}
    for sample, logit in zip(samples, logits, strict=True):
        rows.setdefault(sample.video, []).append(float(logit))
        labels[sample.video] = sample.label
    return [labels[video] for video in rows], [float(np.mean(values)) for values in rows.values()]


def _worth(figures: Mapping[str, Mapping[str, Any]], people: int) -> str:
    """One sentence for reports."""
    return (
        f"on {people} people it never saw, at c23, it ranks manipulated above genuine with AUC "
        f"{figures['all']['frame_auc']:.2f} (this engine's own outputs {figures['own-generators']['frame_auc']:.2f}, "
        f"face swaps {figures['swaps']['frame_auc']:.2f}); on generators of others expect little more than chance. "
        "It decides nothing."
    )
