"""Wav2Lip beside the way its authors' script works, with the same weights, film and sound: CPU time and memory.

    python benchmarks/wav2lip.py --video FILM --audio SPEECH [--longer 3]

The authors' way, written anew here: all pictures in memory, a face looked for in each of them, batches of 128, every
convolution followed by its own batch normalisation. Both use MTCNN, since the script's own finder (S3FD, slower) needs
weights that may not be here; the network's weights are random, which costs the same. Each way runs in a process of its
own, so that its peak memory is its own. CPU seconds are compared, as they bear other work on the machine best.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

_BATCH = 128


def _weights() -> dict[str, Any]:
    import torch

    from generators.wav2lip import network

    source = torch.Generator().manual_seed(1)
    found = {}
    for name, shape in network.shapes().items():
        fan = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        noise = torch.rand(shape, generator=source) if shape else torch.ones(())
        found[name] = (2 * noise - 1) * (3 / fan) ** 0.5 if len(shape) > 1 else 0.8 + 0.4 * noise
    return found


def _eager(weights: dict[str, Any], mel: Any, faces: Any) -> Any:
    """The network, one operation after the other."""
    import torch
    from torch.nn import functional

    from generators.wav2lip import network

    def run(blocks: Any, x: Any) -> Any:
        for block in blocks:
            if block.kind == "plain":
                x = functional.conv2d(x, weights[f"{block.path}.weight"], weights[f"{block.path}.bias"])
                continue
            kernel, bias = (weights[f"{block.path}.conv_block.0.{name}"] for name in ("weight", "bias"))
            gain, shift, mean, variance = (
                weights[f"{block.path}.conv_block.1.{name}"]
                for name in ("weight", "bias", "running_mean", "running_var")
            )
            if block.kind == "up":
                spare = block.stride[0] - 1
                y = functional.conv_transpose2d(x, kernel, bias, block.stride, block.padding, spare)
            else:
                y = functional.conv2d(x, kernel, bias, block.stride, block.padding)
            y = functional.batch_norm(y, mean, variance, gain, shift, False, 0.0, 1e-5)
            x = functional.relu(y + x if block.kind == "same" else y)
        return x

    with torch.no_grad():
        kept, x = [], faces
        for stage in network.ENCODER:
            x = run(stage, x)
            kept.append(x)
        x = run(network.AUDIO, mel)
        for stage in network.DECODER:
            x = torch.cat((run(stage, x), kept.pop()), 1)
        return torch.sigmoid(run(network.OUTPUT, x))


def _authors_way(video: Path, audio: Path, times: int) -> int:
    import torch

    from generators.wav2lip import mel, paste, timing
    from generators.wav2lip.detection import FaceFinder
    from thsafe.media.decode import VideoReader
    from thsafe.media.sound import load_sound

    weights = _weights()
    bands = mel.mel(np.tile(load_sound(audio, rate=mel.RATE), times))
    with VideoReader(video) as reader:
        fps = float(reader.info.fps or 25)
        frames = [frame for _, frame in reader.iter_bgr()] * times
    finder = FaceFinder()
    height, width = frames[0].shape[:2]
    boxes = [finder.find(frame) for frame in frames]
    crops = [paste.corners(found[0], width, height) if found else None for found in boxes]
    starts = timing.authors_starts(len(bands), fps)[: len(frames)]
    out = []
    for first in range(0, len(starts), _BATCH):
        rows = [n for n in range(first, min(first + _BATCH, len(starts))) if crops[n] is not None]
        faces = np.stack([paste.cut(frames[n], crops[n]) for n in rows])
        masked = faces.copy()
        masked[:, 48:] = 0
        stacked = (np.concatenate((masked, faces), 3) / 255.0).transpose(0, 3, 1, 2).astype(np.float32)
        heard = np.stack([bands[starts[n] : starts[n] + mel.STEPS].T for n in rows])[:, None]
        drawn = _eager(weights, torch.from_numpy(heard), torch.from_numpy(stacked)).numpy()
        pictures = (drawn.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
        out += [paste.paste_hard(frames[n], face, crops[n]) for n, face in zip(rows, pictures, strict=True)]
    return len(out)


def _our_way(video: Path, audio: Path, times: int) -> int:
    import tempfile

    import soundfile

    from generators.wav2lip import mel, pipeline
    from generators.wav2lip.detection import FaceFinder
    from generators.wav2lip.network import Network
    from thsafe.core.types import Silent
    from thsafe.media.sound import load_sound

    with tempfile.TemporaryDirectory() as folder:
        voice = Path(folder) / "voice.wav"
        soundfile.write(voice, np.tile(load_sound(audio, rate=mel.RATE), times), mel.RATE)
        draft = pipeline.render(
            video,
            voice,
            Network(_weights()),
            pipeline.Manner(),
            find=FaceFinder().find,
            facts={},
            progress=Silent(),
        )
        return sum(1 for _ in draft.frames)


_WAYS = {"authors": _authors_way, "thsafe": _our_way}


def measure(video: Path, audio: Path, *, longer: int) -> dict[str, Any]:
    """CPU milliseconds a picture and peak memory of each way, and of ours for a longer sound."""

    def child(way: str, times: int) -> dict[str, float]:
        command = [sys.executable, __file__, "--video", str(video), "--audio", str(audio), "--way", way]
        done = subprocess.run([*command, "--longer", str(times)], capture_output=True, text=True, check=True)
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    found = {way: child(way, 1) for way in _WAYS}
    found["thsafe, longer"] = child("thsafe", longer)
    found["authors, longer"] = child("authors", longer)
    return found | {
        "times faster (CPU)": round(found["authors"]["cpu_ms"] / found["thsafe"]["cpu_ms"], 2),
        f"memory at {longer} times the length": round(
            found["thsafe, longer"]["peak_mb"] / found["thsafe"]["peak_mb"], 3
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--longer", type=int, default=3)
    parser.add_argument("--way", choices=list(_WAYS))
    given = parser.parse_args()
    if given.way is None:
        print(json.dumps(measure(given.video, given.audio, longer=given.longer), indent=2))
        return
    cpu, wall = time.process_time(), time.perf_counter()
    frames = _WAYS[given.way](given.video, given.audio, given.longer)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "frames": frames,
                "cpu_ms": round(1e3 * cpu / frames, 1),
                "wall_ms": round(1e3 * wall / frames, 1),
                "peak_mb": round(peak),
            }
        )
    )


if __name__ == "__main__":
    main()
