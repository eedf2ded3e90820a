"""Wav2Lip beside the way its authors' script works, with the same weights, film and sound: frames a second, memory.

    python benchmarks/wav2lip.py --video FILM --audio SPEECH [--seconds 10] [--long 600] [--threads 2]

The authors' way, written anew here: all pictures in memory, a face looked for in each of them, batches of 128 faces (16
pictures for the finder), every convolution followed by its own batch normalisation, float32, channels first. What the
script does after that (an AVI file, then ffmpeg) is left out, in its favour. Their finder, S3FD (Zhang et al. 2017), is
a VGG-16 with six heads; it runs here at its full size with random weights, which costs the same, and the box that is
used comes from elsewhere. The same way is measured with MTCNN on every picture, which thsafe uses on every eighth.

The film and the sound are repeated to the wanted length. The network's weights are computed from their names, the same
for every way. Each way runs in a process of its own; libraries and weights are loaded before the clocks start. CPU
seconds bear other work on the machine best.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_BATCH = 128
_FINDER_BATCH = 16
_VGG = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
"""Channels of VGG-16's convolutions; M halves the picture."""


@cache
def _weights() -> dict[str, Any]:
    """Every tensor from its own name: the weights with which parity with the authors' code was measured."""
    import hashlib

    import torch

    from generators.wav2lip import network

    found = {}
    for name, shape in network.shapes().items():
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
        draw = 2 * np.random.RandomState(seed).random_sample(int(np.prod(shape))).reshape(shape) - 1
        last = name.rpartition(".")[2]
        if last == "num_batches_tracked":
            found[name] = torch.tensor(1)
            continue
        if len(shape) > 1:
            values = draw * np.sqrt(3 / np.prod(shape[1:]))
        elif last == "weight":
            values = 1 + 0.2 * draw
        else:
            values = {"bias": 0.1 * draw, "running_mean": 0.2 * draw, "running_var": 1 + 0.5 * draw}[last]
        found[name] = torch.from_numpy(values.astype(np.float32))
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


def _s3fd() -> Callable[[Any], None]:
    """S3FD's layers with random weights: given (n, 3, h, w), does all of its work and forgets the answer."""
    import torch
    from torch import nn

    def conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU())

    stages: list[tuple[nn.Module, int]] = []
    layers: list[nn.Module] = []
    inputs = 3
    for item in _VGG:
        if item == "M":
            if inputs >= 256:  # conv3_3, conv4_3 and conv5_3 are looked at
                stages.append((nn.Sequential(*layers), inputs))
                layers = []
            layers.append(nn.MaxPool2d(2))
            continue
        layers.append(conv(inputs, int(item), 3, padding=1))
        inputs = int(item)
    layers += [conv(512, 1024, 3, padding=3), conv(1024, 1024, 1)]
    stages.append((nn.Sequential(*layers), 1024))
    for inputs, middle, outputs in ((1024, 256, 512), (512, 128, 256)):
        both = nn.Sequential(conv(inputs, middle, 1), conv(middle, outputs, 3, stride=2, padding=1))
        stages.append((both, outputs))
    heads = [nn.Conv2d(width, 8 if n == 0 else 6, 3, padding=1) for n, (_, width) in enumerate(stages)]

    def find(pictures: Any) -> None:
        with torch.no_grad():
            x = pictures
            for (stage, _), head in zip(stages, heads, strict=True):
                x = stage(x)
                head(x)

    return find


def _authors_way(video: Path, audio: Path, finder: str) -> int:
    import torch

    from generators.wav2lip import mel, paste, timing
    from generators.wav2lip.detection import FaceFinder
    from thsafe.media.decode import VideoReader
    from thsafe.media.sound import load_sound

    weights = _weights()
    bands = mel.mel(load_sound(audio, rate=mel.RATE))
    with VideoReader(video) as reader:
        fps = float(reader.info.fps or 25)
        frames = [frame for _, frame in reader.iter_bgr()]
    height, width = frames[0].shape[:2]
    mtcnn = FaceFinder()
    if finder == "s3fd":
        look = _s3fd()
        for first in range(0, len(frames), _FINDER_BATCH):
            pictures = np.stack(frames[first : first + _FINDER_BATCH])[..., ::-1].transpose(0, 3, 1, 2)
            look(torch.from_numpy(np.ascontiguousarray(pictures)).float() - 110)
        boxes = [mtcnn.find(frames[0])] * len(frames)
    else:
        boxes = [mtcnn.find(frame) for frame in frames]
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


@cache
def _suited() -> str:
    from generators.wav2lip.network import suited

    return suited(_weights())


@cache
def _network(precision: str) -> Any:
    from generators.arithmetic import Arithmetic
    from generators.wav2lip.network import Network

    return Network(_weights(), arithmetic=Arithmetic(precision=precision))


def _ready() -> None:
    """What every way needs before its first picture: libraries, weights, networks; not counted."""
    from generators.wav2lip.detection import FaceFinder
    from thsafe.media import decode, sound

    del decode, sound
    FaceFinder().find(np.zeros((64, 64, 3), np.uint8))
    _network(_suited())
    _network("float32")


def _our_way(video: Path, audio: Path, precision: str) -> int:
    from generators.wav2lip import pipeline
    from generators.wav2lip.detection import FaceFinder
    from thsafe.core.types import Silent

    numbers = _suited() if precision == "auto" else precision
    network = _network(numbers)
    print(f"thsafe {precision}: {numbers}", file=sys.stderr)
    draft = pipeline.render(
        video, audio, network, pipeline.Manner(), find=FaceFinder().find, facts={}, progress=Silent()
    )
    return sum(1 for _ in draft.frames)


_WAYS: dict[str, Callable[[Path, Path], int]] = {
    "authors, S3FD": lambda video, audio: _authors_way(video, audio, "s3fd"),
    "authors, MTCNN": lambda video, audio: _authors_way(video, audio, "mtcnn"),
    "thsafe, float32": lambda video, audio: _our_way(video, audio, "float32"),
    "thsafe, auto": lambda video, audio: _our_way(video, audio, "auto"),
}


def _pictures(video: Path) -> Iterator[Any]:
    """The film's pictures, over and over."""
    from thsafe.media.decode import VideoReader

    while True:
        with VideoReader(video) as reader:
            yield from (frame for _, frame in reader.iter_bgr())


def _repeated(video: Path, audio: Path, seconds: float, folder: Path) -> tuple[Path, Path]:
    """Film and sound of that length."""
    import av
    import soundfile

    from generators.wav2lip.footage import Footage
    from generators.wav2lip.mel import RATE
    from thsafe.media.sound import load_sound

    film, voice = folder / f"{seconds:.0f}.mp4", folder / f"{seconds:.0f}.wav"
    samples = load_sound(audio, rate=RATE).reshape(-1)
    soundfile.write(voice, np.resize(samples, round(seconds * RATE)), RATE)
    footage = Footage(video)
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libx264", rate=footage.fps, options={"preset": "ultrafast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = footage.width, footage.height, "yuv420p"
        for _, picture in zip(range(round(seconds * footage.fps)), _pictures(video), strict=False):
            cut = np.ascontiguousarray(picture[: footage.height, : footage.width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, "bgr24")))
        container.mux(stream.encode())
    return film, voice


def _child(way: str, film: Path, voice: Path, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--video", str(film), "--audio", str(voice), "--way", way]
    done = subprocess.run([*command, "--threads", str(threads)], stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(video: Path, audio: Path, *, seconds: float, long: float, threads: int) -> dict[str, Any]:
    """What each way costs a picture and in memory, and what ours needs for a longer film."""
    with tempfile.TemporaryDirectory() as folder:
        short = _repeated(video, audio, seconds, Path(folder))
        found: dict[str, Any] = {way: _child(way, *short, threads) for way in _WAYS}
        if long:
            longer = _repeated(video, audio, long, Path(folder))
            found[f"thsafe, auto, {long:.0f} s"] = _child("thsafe, auto", *longer, threads)
    for clock in ("cpu_ms", "wall_ms"):
        for peer in ("authors, S3FD", "authors, MTCNN"):
            for ours in ("thsafe, float32", "thsafe, auto"):
                found[f"{ours} against {peer}, {clock}"] = round(found[peer][clock] / found[ours][clock], 2)
    if long:
        peaks = [found[name]["peak_mb"] for name in (f"thsafe, auto, {long:.0f} s", "thsafe, auto")]
        found[f"memory, {long:.0f} s over {seconds:.0f} s"] = round(peaks[0] / peaks[1], 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--long", type=float, default=0, help="Seconds of a long film to measure memory with.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--way", choices=list(_WAYS))
    given = parser.parse_args()
    if given.way is None:
        found = measure(given.video, given.audio, seconds=given.seconds, long=given.long, threads=given.threads)
        print(json.dumps(found, indent=2))
        return
    import torch

    torch.set_num_threads(given.threads)
    _ready()
    cpu, wall = time.process_time(), time.perf_counter()
    frames = _WAYS[given.way](given.video, given.audio)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {
                "frames": frames,
                "cpu_ms": round(1e3 * cpu / frames, 1),
                "wall_ms": round(1e3 * wall / frames, 1),
                "frames_a_second": round(frames / wall, 1),
                "peak_mb": round(peak),
            }
        )
    )


if __name__ == "__main__":
    main()
