"""What a picture costs with SadTalker and LivePortrait: seconds of work by part and batch, and peak memory.

    python benchmarks/neural.py [--device cpu] [--threads 2] [--pictures 2] [--batches 1 2]

The weights are random, which costs the same; speed is measured, not looks. Each engine and batch runs in a process of
its own, so that its peak memory is its own. On a CPU, processor seconds are counted, as they bear other work on the
machine best; on a GPU, seconds of waiting, after one picture to warm up.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

_SIDE = 256


def _random(make: Callable[[], Any], device: str) -> Any:
    import math

    import torch

    from generators.facevid.weights import blank, filled, shapes

    chance = torch.Generator().manual_seed(1)
    tensors = {}
    for name, shape in shapes(blank(make)).items():
        draw = torch.rand(shape, generator=chance)
        wide = math.sqrt(3 / math.prod(shape[1:])) if len(shape) > 1 else 0.1
        scale = name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1)
        tensors[name] = 0.8 + 0.4 * draw if scale else (2 * draw - 1) * wide
    return filled(make, tensors, title="random", device=device)


def _parts(engine: str, device: str, batch: int) -> dict[str, Callable[[], Any]]:
    """The steps from one picture to the next, each given what the one before gives."""
    import torch

    from generators.facevid.appearance import Appearance
    from generators.facevid.spade import Decoder
    from generators.facevid.warping import Warping
    from generators.liveportrait.motion import MotionExtractor
    from generators.sadtalker.keypoints import Mapping
    from generators.sadtalker.networks import LEAST

    sadtalker = engine == "sadtalker"
    points = 15 if sadtalker else 21
    volume = _random(Appearance, device)(torch.rand(1, 3, _SIDE, _SIDE, device=device)).expand(batch, -1, -1, -1, -1)
    source = torch.rand(batch, points, 3, device=device) - 0.5
    driving = source + 0.05
    warping = _random(partial(Warping, points, least=LEAST if sadtalker else 0.0), device)
    decoder = _random(partial(Decoder, upscale=1 if sadtalker else 2), device)
    if sadtalker:
        motion = partial(_random(Mapping, device), torch.rand(batch, 70, 27, device=device))
    else:
        motion = partial(_random(MotionExtractor, device), torch.rand(batch, 3, _SIDE, _SIDE, device=device))
    features = torch.rand(batch, 256, 64, 64, device=device)
    return {
        "motion": motion,
        "warping": partial(warping, volume, source, driving),
        "decoder": partial(decoder, features),
    }


def _measure(engine: str, device: str, threads: int, pictures: int, batch: int) -> dict[str, float]:
    import torch

    torch.set_num_threads(threads)
    clock = time.process_time if device == "cpu" else time.perf_counter
    found: dict[str, float] = {}
    with torch.inference_mode():
        parts = _parts(engine, device, batch)
        if device != "cpu":
            for part in parts.values():
                part()
            torch.cuda.synchronize()
        for name, part in parts.items():
            start = clock()
            for _ in range(max(1, pictures // batch)):
                part()
            if device != "cpu":
                torch.cuda.synchronize()
            found[name] = round((clock() - start) / (max(1, pictures // batch) * batch), 4)
    found["a picture"] = round(sum(found.values()), 4)
    found["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if device != "cpu":
        found["peak_gpu_mb"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return found


def _machine(device: str) -> str:
    import torch

    if device != "cpu":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.processor()}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--engine", choices=["sadtalker", "liveportrait"])
    given = parser.parse_args()
    if given.engine:
        print(json.dumps(_measure(given.engine, given.device, given.threads, given.pictures, given.batches[0])))
        return
    found: dict[str, Any] = {"machine": _machine(given.device), "threads": given.threads, "side": _SIDE}
    for engine in ("sadtalker", "liveportrait"):
        for batch in given.batches:
            command = [sys.executable, __file__, "--engine", engine, "--batches", str(batch)]
            command += ["--device", given.device, "--threads", str(given.threads), "--pictures", str(given.pictures)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[f"{engine}, batch {batch}"] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
