"""From the corpus' list to the files that come with thsafe: weights in float16, calibration, card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from detectors.cards import as_toml
from detectors.faceforensics.export import export_safetensors
from detectors.faceforensics.listing import read_list
from detectors.faceforensics.own.card import STRANGE, calibrated, figures, strange, worth
from detectors.faceforensics.own.fit import fit, without
from detectors.faceforensics.own.measure import Table, joined, measure
from detectors.faceforensics.own.pairs import EACH, make_pools
from detectors.faceforensics.own.stretches import FACE_SHARE
from detectors.faceforensics.own.whole import Whole
from detectors.faceforensics.weights import fill_all
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_whole

SEED: Final = 1024
_ROWS: Final = 64


def ship(
    listing: Path,
    work: Path,
    output: Path,
    *,
    data: str,
    how: str,
    pairs: int = EACH,
    progress: Progress | None = None,
) -> Mapping[str, Any]:
    """Measure the corpus, fit, calibrate, and write ``small.safetensors``, ``small.toml`` and ``calibration.json``.

    Args:
        listing: the corpus' list.
        work: keeps what was measured: a run that was stopped goes on.
        output: where the three files go.
        data: what the pictures are, and their licences, in words.
        how: the commands that make it anew.
        pairs: how many a fold the directions are learnt from.
        progress: told how far it is.

    Returns:
        The card's values.
    """
    telling = progress or Silent()
    known = joined([measure(listing, split, work / "measured", progress=telling) for split in ("train", "val")])
    samples = [sample for split in ("train", "val") for sample in read_list(listing, split)]
    pools = make_pools(samples, work / "pairs", seed=SEED, each=pairs, progress=telling)
    net = Whole()
    spared = fit(net, known, pools, seed=SEED, progress=telling)
    output.mkdir(parents=True, exist_ok=True)
    written = export_safetensors(net, output / "small.safetensors", half=True)
    fill_all(net, output / "small.safetensors")  # what is measured is what is shipped
    net.eval()
    calibration = calibrated(known, spared, about={"weights_sha256": written["sha256"]})
    write_whole(output / "calibration.json", json.dumps(calibration.as_json(), indent=1, sort_keys=True).encode())
    tested = measure(listing, "test", work / "measured", progress=telling)
    found = figures(
        tested, {"film": scores(net, tested, moving=True), "photo": scores(net, tested, moving=False)}, calibration
    )
    telling.start("fitting without what is asked about", len(STRANGE))
    unknown = {}
    for name, methods in STRANGE.items():
        other = without(net, known, pools, methods, seed=SEED)
        unknown[name] = strange(tested, scores(other, tested, moving=True), methods)
        telling.advance()
    card = {
        "name": "small",
        "title": "Traces of face manipulation, small",
        "file": "small.safetensors",
        "sha256": written["sha256"],
        "bytes": written["bytes"],
        "parameters": sum(value.numel() for value in net.parameters()),
        "licence": "Apache-2.0",
        "trained_on": data,
        "crop": f"window around the face in the file's own pixels, {FACE_SHARE} faces wide",
        "recipe": how,
        "people": {"fitted": len(np.unique(known.people)), "tested": len(np.unique(tested.people))},
        "worth": worth(found),
        "is_not": (
            "proof of anything; nothing was measured on the cameras of strangers, on faces turned far aside, or on the "
            "generators of others"
        ),
        "figures": found,
        "without": unknown,
    }
    write_whole(output / "small.toml", as_toml(card).encode())
    return card


def scores(net: Whole, table: Table, *, moving: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The net's logits of every row."""
    rows = list(table.items())
    with torch.inference_mode():
        found = [net(rows[start : start + _ROWS], moving=moving).numpy() for start in range(0, len(rows), _ROWS)]
    return np.asarray(np.concatenate(found), np.float64)
