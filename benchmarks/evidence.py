"""Lip-sync, voice and traces measured: what they find, how often they are wrong, and what a verification costs.

    python benchmarks/evidence.py lipsync --films GRID           # drawn heads of held-out faces, and films of people
    python benchmarks/evidence.py traces --films FOLDER --pictures FOLDER
    python benchmarks/evidence.py verify                         # 10 s at 720p with all default checks: time and memory

Dubs of known footage at CRF 33 are measured by ``benchmarks/compare.py``.
The voice model is measured as it is made: ``thsafe models train voice --rounds 14 --material FOLDER``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

_FILMS = {".mp4", ".mpg", ".mov", ".mkv", ".webm"}
_PICTURES = {".jpg", ".jpeg", ".png"}


def _files(folders: list[Path], kinds: set[str]) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in kinds)


def lipsync(options: argparse.Namespace) -> dict[str, object]:
    """Heads drawn by the engine and found again by mediapipe; each sound as it is, moved, and swapped."""
    from detectors.lipsync.card import measure
    from detectors.lipsync.check import SHIPPED
    from detectors.lipsync.learn import held_out
    from detectors.lipsync.lips import watch_lips
    from detectors.lipsync.synchrony import synchrony
    from thsafe.core.types import Silent
    from thsafe.media.decode import VideoReader
    from thsafe.media.faces import find_faces
    from thsafe.media.image import read_image
    from thsafe.media.sound import load_sound
    from thsafe.registry import draw_person, drawn_person_digests, reciter

    pictures = {f"drawn-{name}": draw_person(name, 512) for name in drawn_person_digests()}
    pictures |= {f"picture-{path.stem}": read_image(path) for path in _files(options.pictures, _PICTURES)}
    kept = [picture for name, picture in pictures.items() if held_out(name)]
    tracks = []
    for picture, recital in zip(kept, reciter().recitals(len(kept), seed=options.seed, held_out=True), strict=True):
        faces = find_faces(picture)
        if faces:
            frames, sound = reciter().recited(picture, faces[0].landmarks, recital, short_side=320)
            tracks.append((watch_lips((place / 25, frame) for place, frame in enumerate(frames)).motion, sound))
    found: dict[str, object] = {"heads": len(tracks), **measure(SHIPPED.weights(), tracks, Silent())}
    found["ridge baseline"] = ridge(
        {name: find_faces(picture) for name, picture in pictures.items() if not held_out(name)}, tracks, options
    )
    people = []
    for path in _files(options.films, _FILMS):
        with VideoReader(path) as reader:
            lips = watch_lips(reader.iter_bgr())
        seen = synchrony(SHIPPED.weights(), lips.motion, lips.seen, load_sound(path, rate=16000))
        people.append([path.name, round(seen.offset * 1000), round(seen.confidence, 1)])
    return found | {"films (learnt from, if they are GRID's)": people}


def ridge(faces: dict, tracks: list, options: argparse.Namespace) -> dict[str, object]:
    """The first attempt beside it: ten distances in seven frames to sixteen log-mel bands by ridge regression.

    Learnt from the same engine's speeches by other faces; the agreement at a lag is the mean correlation of the bands
    as they are with the bands as the lips foretell them.
    """
    from detectors.faceforensics.metrics import roc_auc
    from detectors.lipsync.card import SHIFTS, shifted
    from detectors.lipsync.learn import roughened, speeches
    from detectors.lipsync.mfcc import as_pcm, log_bands
    from detectors.lipsync.views import around, lip_features
    from thsafe.core.types import Silent

    reach, bands, steps = 3, 16, 25

    def heard(mel: np.ndarray) -> np.ndarray:
        """Log-mel bands at 100 a second as sixteen at 25 a second, each around its mean."""
        ticks = mel[: len(mel) // 4 * 4].reshape(-1, 4, mel.shape[1]).mean(axis=1)
        grouped = np.stack([part.mean(axis=1) for part in np.array_split(ticks, bands, axis=1)], axis=1)
        return (grouped - grouped.mean(axis=0)) / np.maximum(grouped.std(axis=0), 0.5)

    def seen(motion: np.ndarray) -> np.ndarray:
        return around(lip_features(motion.astype(np.float32), np.ones(len(motion), bool)), reach).astype(np.float64)

    random = np.random.default_rng(options.seed)
    marks = {name: found[0].landmarks for name, found in faces.items() if found}
    size = (2 * reach + 1) * 10
    inner, outer, frames = np.zeros((size, size)), np.zeros((size, bands)), 0
    for track in speeches(marks, options.rounds, options.seed, Silent()):
        for noisy in (False, True):
            motion, mel = roughened(track, random, noisy=noisy)
            x, y = seen(motion), heard(mel)
            count = min(len(x), len(y))
            inner, outer, frames = inner + x[:count].T @ x[:count], outer + x[:count].T @ y[:count], frames + count
    weights = np.linalg.solve(inner + 0.1 * np.trace(inner) / size * np.eye(size), outer)

    def judged(motion: np.ndarray, sound: np.ndarray) -> tuple[float, float]:
        """Offset in seconds, and the correlation there."""
        told, ear = seen(motion) @ weights, heard(log_bands(as_pcm(sound)))
        curve = []
        for lag in range(-steps, steps + 1):
            start, end = max(0, -lag), min(len(told), len(ear) - lag)
            a, b = told[start:end], ear[start + lag : end + lag]
            a, b = a - a.mean(axis=0), b - b.mean(axis=0)
            together = (a * b).sum(axis=0) / np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0) + 1e-9)
            curve.append(float(together.mean()))
        return (int(np.argmax(curve)) - steps) / 25, max(curve)

    matched = [judged(motion, sound) for motion, sound in tracks]
    errors = [abs(judged(motion, shifted(sound, by))[0] - by) for motion, sound in tracks for by in SHIFTS]
    swapped = [
        judged(motion, tracks[(place + step) % len(tracks)][1])[1]
        for place, (motion, _) in enumerate(tracks)
        for step in range(1, min(4, len(tracks)))
    ]
    labels = np.array([1] * len(matched) + [0] * len(swapped))
    return {
        "weights": weights.size,
        "learnt from": f"{frames / 50:.0f} s of {len(marks)} other faces, in two qualities",
        "auc": round(roc_auc(labels, np.array([height for _, height in matched] + swapped)), 3),
        "within 80 ms when matched": f"{sum(abs(offset) <= 0.08 for offset, _ in matched)} of {len(matched)}",
        "within 80 ms when moved": f"{sum(error <= 0.08 for error in errors)} of {len(errors)}",
        "median_error_ms": round(float(np.median(errors)) * 1000),
    }


def traces(options: argparse.Namespace) -> dict[str, object]:
    """Untouched films and pictures, and pictures saved twice."""
    import io

    from PIL import Image

    from thsafe.core.errors import InputError
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image
    from thsafe.media.sound import iter_sound
    from thsafe.registry import draw_person, drawn_person_digests
    from thsafe.traces.jpeg import TWICE, look_at_picture
    from thsafe.traces.moving import look_at_motion
    from thsafe.traces.sound import RATE, look_at_sound

    seen: Counter[str] = Counter()
    for path in _files(options.films, _FILMS):
        with VideoReader(path) as reader:
            height = (reader.info.height or 0) & ~1
            motion = look_at_motion((seconds, plane[:height]) for seconds, plane in reader.iter_i420())
        seen["films"] += 1
        seen["frames"] += motion.frames
        for name in ("frozen", "repeated", "looped", "cuts", "noise_changes"):
            seen[name] += len(getattr(motion, name))
        try:
            sound = look_at_sound(block[:, 0] for block in iter_sound(path, rate=RATE))
        except InputError:
            continue
        seen["sound tracks"] += 1
        for name in ("jumps", "silences", "rooms"):
            seen[name] += len(getattr(sound, name))
    sources = [draw_person(name, 640) for name in list(drawn_person_digests())[:5]]
    for path in _files(options.pictures, _PICTURES)[:12]:
        whole = Image.fromarray(read_image(path)[:, :, ::-1])
        small = whole.resize((whole.width * 2 // 3, whole.height * 2 // 3), Image.Resampling.LANCZOS)
        sources.append(np.ascontiguousarray(np.asarray(small)[:, :, ::-1]))
    once, twice = [], {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "p.jpg"

        def saved(picture: np.ndarray, quality: int) -> np.ndarray:
            target = io.BytesIO()
            Image.fromarray(picture[:, :, ::-1]).save(target, "JPEG", quality=quality)
            place.write_bytes(target.getvalue())
            return read_image(place)

        for picture in sources:
            for last in (75, 85, 92):
                luma = saved(picture, last)[:, :, 1]
                found = look_at_picture(place, luma)
                once.append((found.twice > TWICE, found.grid is not None, found.ghost is not None))
                for first in (60, 75, 90):
                    if first != last:
                        luma = saved(saved(picture, first), last)[:, :, 1]
                        twice.setdefault(f"{first}, then {last}", []).append(look_at_picture(place, luma).twice > TWICE)
    return {
        "untouched": dict(seen),
        "saved once": {
            "pictures": len(once),
            **dict(zip(("twice", "grid", "part"), np.sum(once, axis=0).tolist(), strict=True)),
        },
        "saved twice": {name: f"{sum(values)} of {len(values)}" for name, values in twice.items()},
    }


def verify(options: argparse.Namespace) -> dict[str, object]:
    """A film of ten seconds at 720p, made here, verified three times in one process: the first one loads everything."""
    import av
    import cv2

    from thsafe.home import Home
    from thsafe.media.faces import find_faces
    from thsafe.registry import draw_person, reciter
    from thsafe.verification import verify as examine

    with tempfile.TemporaryDirectory() as folder:
        os.environ["THSAFE_HOME"] = str(Path(folder) / "home")
        path = Path(folder) / "clip.mp4"
        face = draw_person("ada", 720)
        frames, sound = reciter().recited(
            face, find_faces(face)[0].landmarks, next(reciter().recitals(1, seed=12, held_out=True)), short_side=720
        )
        with av.open(str(path), "w") as target:
            picture = target.add_stream("libx264", rate=25)
            picture.width, picture.height, picture.pix_fmt = 1280, 720, "yuv420p"
            picture.options = {"crf": "23", "preset": "veryfast"}
            voice = target.add_stream("aac", rate=16000, layout="mono")
            length = 0
            for _, frame in zip(range(250), frames, strict=False):
                length += 1
                wide = cv2.copyMakeBorder(
                    frame, 0, 720 - frame.shape[0], 280, 1000 - frame.shape[1], cv2.BORDER_REPLICATE
                )
                target.mux(picture.encode(av.VideoFrame.from_ndarray(wide, format="bgr24")))
            target.mux(picture.encode())
            for start in range(0, min(len(sound), 160000) - 1024, 1024):
                block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
                block.sample_rate, block.pts = 16000, start
                target.mux(voice.encode(block))
            target.mux(voice.encode())
        if length < 250:
            raise SystemExit(f"what is said lasts {length / 25:.1f} s only: choose another seed")
        rows = []
        for _ in range(options.rounds):
            wall, cpu = time.perf_counter(), time.process_time()
            report = examine(path, home=Home.default(), record=False)
            rows.append(
                {
                    "wall_s": round(time.perf_counter() - wall, 2),
                    "cpu_s": round(time.process_time() - cpu, 2),
                    "checks_s": {item.check: item.seconds for item in report.evidence if item.seconds > 0.05},
                }
            )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rounds": rows, "peak_mb (the engine that made the film is in it)": round(peak), "load": os.getloadavg()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("lipsync", "traces", "verify"))
    parser.add_argument("--films", type=Path, nargs="*", default=[])
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(globals()[options.what](options), indent=1, default=str))


if __name__ == "__main__":
    main()
