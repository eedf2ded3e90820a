"""The detector that comes with thsafe: make its corpus, train it, measure it, write its card; or measure it anew.

    python benchmarks/detector.py make --pictures portraits --films talkers --work build/detector
    python benchmarks/detector.py foreign FOLDER…     # files named fake…, all others genuine
    python benchmarks/detector.py speed               # ten seconds at 720p, and faces alone
    python benchmarks/detector.py throughput          # training by the large recipes at 256 px, on this machine
    python benchmarks/detector.py page                # the tables of the documentation, from the card

``make`` can be stopped and started again. It needs faces that may be used: one to a picture, one speaker to a film.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detectors.faceforensics.calibrate import load_calibration
from detectors.faceforensics.calibration_plot import calibration_svg
from detectors.faceforensics.default import card, examine, weights_path
from detectors.faceforensics.metrics import roc_auc

if TYPE_CHECKING:
    from thsafe.core.types import Evidence, Frame

SHIPPED = weights_path().parent


class Lines:
    """Progress as lines on stderr."""

    def start(self, stage: str, total: int | None) -> None:
        print(stage, total or "", file=sys.stderr, flush=True)

    def advance(self, steps: int = 1) -> None:
        pass

    def note(self, text: str) -> None:
        print(" ", text, file=sys.stderr, flush=True)


def make(options: argparse.Namespace) -> None:
    from detectors.faceforensics.own.pairs import EACH
    from detectors.faceforensics.own.ship import ship
    from detectors.faceforensics.selfmade.corpus import find_sources, make_corpus

    sources = find_sources(options.pictures, options.films)
    listing = make_corpus(options.work / "corpus", sources, progress=Lines(), effort=options.effort)
    how = f"python benchmarks/detector.py make --effort {options.effort}, from such pictures"
    pairs = max(24, round(EACH * options.effort))
    ship(listing, options.work, options.output, data=options.data, how=how, pairs=pairs, progress=Lines())


def foreign(options: argparse.Namespace) -> None:
    """Files named ``real…`` and ``fake…``; where all are genuine, the false alarms."""
    scores: dict[str, list[tuple[int, float]]] = {"video": [], "picture": []}
    answers: dict[str, list[str]] = {"real": [], "fake": []}
    for path in sorted(file for folder in options.folders for file in folder.iterdir()):
        kind = "fake" if path.name.startswith("fake") else "real"
        moving = path.suffix.lower() in {".mp4", ".mpg", ".mov", ".webm"}
        if not moving and path.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
            continue
        found = seen(path, moving=moving)
        score, answer = found.detail.get("score"), str(found.detail.get("answer", found.code))
        stable = found.detail.get("after_changes", {})
        changes = " ".join(f"{name} {said['score']:+.2f}" for name, said in stable.items())
        words = "-" if score is None else f"{score:+.2f} {found.detail['quality']} {changes}"
        print(f"{path.name:<60} {answer:<12} {words}", flush=True)
        answers[kind].append(answer)
        if score is not None:
            scores["video" if moving else "picture"].append((int(kind == "fake"), score))
    for medium, rows in scores.items():
        labels, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        auc = roc_auc(labels, values) if len(rows) else float("nan")
        print(f"{medium}: {int(labels.sum())} fake, {int((1 - labels).sum())} real, AUC {auc:.3f}")
    for kind, given in answers.items():
        print(f"{kind}: " + ", ".join(f"{given.count(answer)} {answer}" for answer in sorted(set(given))))


def seen(path: Path, *, moving: bool) -> Evidence:
    """What the detector says of a file, without the other checks."""
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image

    if not moving:
        return examine([[(0.0, read_image(path))]], moving=False)
    with VideoReader(path) as reader:
        count = min(8, max(2, round((reader.info.duration or 0) / 2)))
        return examine(reader.stretches(count, 6), moving=True)


def speed(_: argparse.Namespace) -> None:
    """Ten seconds at 720p through all default checks in a process of its own; then faces alone."""
    import resource
    import subprocess
    import tempfile
    import time

    from thsafe.media.faces import FaceFinder, FaceTracker, find_faces

    with tempfile.TemporaryDirectory(prefix="thsafe-speed-") as folder:
        film = Path(folder) / "film.mp4"
        frames = write_talker(film, seconds=10)
        code = (
            "import re, sys; from pathlib import Path; from thsafe.home import Home; "
            "from thsafe.verification import verify; "
            "report = verify(Path(sys.argv[1]), home=Home(Path(sys.argv[2]))); "
            # ru_maxrss would be that of this process, which the other one is forked from
            "status = Path('/proc/self/status').read_text(); "
            "print(int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) // 1024, "
            "*(f'{item.check}={item.seconds}' for item in report.evidence))"
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code, str(film), str(Path(folder) / "home")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"verify, 10 s of 1280 x 720: {wall:.1f} s wall, {processor:.1f} s of processor; MB and seconds by check:"
        )
        print(" ", done.stdout.strip())
        with FaceTracker() as tracker:
            tracker.next(frames[0])
            start, used = time.perf_counter(), time.process_time()
            for frame in frames[:60]:
                tracker.next(frame)
            wall, used = time.perf_counter() - start, time.process_time() - used
            print(f"following one face: {60 / wall:.0f} frames a second, {60 / used:.0f} a second of processor")
        from detectors.faceforensics.mtcnn import detect

        with FaceFinder() as warm:
            finders = (
                ("finding, models warm as verify keeps them", lambda frame: warm.find(frame, max_faces=1)),
                ("finding, models loaded for each picture", lambda frame: find_faces(frame, max_faces=1)),
                ("MTCNN", detect),
            )
            for name, finder in finders:
                finder(frames[0])
                start, used = time.perf_counter(), time.process_time()
                for frame in frames[:20]:
                    finder(frame)
                wall, used = time.perf_counter() - start, time.process_time() - used
                print(f"{name}: {20 / wall:.0f} frames a second, {20 / used:.0f} a second of processor")


def throughput(options: argparse.Namespace) -> None:
    """Crops a second through the whole loop of training: reading, degrading, both ways through the network, a step."""
    import os
    import tempfile
    import time
    from dataclasses import replace

    import torch

    from detectors.faceforensics.listing import read_list
    from detectors.faceforensics.recipes import find_recipe
    from detectors.faceforensics.train import Run, train

    class Clock(Lines):
        """When each step was done."""

        def __init__(self) -> None:
            self.times: list[tuple[float, float]] = []

        def advance(self, steps: int = 1) -> None:
            if steps:
                self.times.append((time.perf_counter(), time.process_time()))

        def note(self, text: str) -> None:
            pass

    with tempfile.TemporaryDirectory(prefix="thsafe-throughput-") as folder:
        listing = write_crops(Path(folder))
        samples = read_list(listing, "train")
        for name in options.recipes:
            recipe = replace(find_recipe(name), batch=options.batch, side=options.side)
            run = Run(steps=options.steps + 1, every=options.steps + 2, threads=options.threads, scratch=True)
            clock = Clock()
            train(recipe, samples, samples[:: len(samples) - 1], Path(folder) / name, run=run, progress=clock)
            # the first step warms up
            (wall, used), (first, before) = clock.times[-1], clock.times[-1 - options.steps]
            crops = options.steps * options.batch
            device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
            print(
                f"{name}: {crops / (wall - first):.2f} crops a second, {crops / (used - before):.2f} a second of "
                f"processor, at {options.side} px in batches of {options.batch}, {torch.get_num_threads()} threads, "
                f"{device}, load {os.getloadavg()[0]:.1f}"
            )


def write_crops(root: Path) -> Path:
    """Drawn people and swaps between them, 256 pixels wide, and their list."""
    import cv2

    from detectors.faceforensics.selfmade.families import Shot, face_swap
    from thsafe.media.faces import FaceFinder
    from thsafe.registry import draw_person, drawn_person_digests

    shots = {}
    with FaceFinder() as finder:
        for name in list(drawn_person_digests())[:4]:
            picture = draw_person(name, 256)
            shots[name] = Shot(picture=picture, marks=finder.find(picture, max_faces=1)[0].landmarks[:, :2])
    table: dict[str, dict[str, dict[str, object]]] = {"genuine": {"train": {}}, "face-swap": {"train": {}}}
    for target, shot in shots.items():
        cv2.imwrite(str(root / f"{target}.png"), shot.picture)
        table["genuine"]["train"][f"{target}__c0"] = {"label": "genuine", "frames": [f"{target}.png"]}
        for number, (source, donor) in enumerate(shots.items()):
            if source != target:
                name = f"{target}_{source}.png"
                cv2.imwrite(str(root / name), face_swap(shot, donor, np.random.default_rng(number)))
                entry = {"label": "face-swap", "frames": [name], "twins": [f"{target}.png"]}
                table["face-swap"]["train"][f"{target}__{source}"] = entry
    path = root / "dataset_json" / "drawn.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"drawn": table}), encoding="utf-8")
    return path


def write_talker(path: Path, *, seconds: int) -> list[Frame]:
    """A drawn person before a camera, 1280 x 720 at 25 frames a second; the frames too."""
    from fractions import Fraction

    from detectors.faceforensics.selfmade.camera import Camera, filmed
    from thsafe.media.encode import Mp4Writer
    from thsafe.media.faces import find_faces
    from thsafe.media.planes import i420_from_bgr
    from thsafe.registry import draw_person

    picture = draw_person("ada", 720)
    marks = find_faces(picture, max_faces=1)[0].landmarks
    camera = Camera.drawn(np.random.default_rng(3), marks, count=25 * seconds, face=(170.0, 180.0))
    frames = []
    with Mp4Writer(path, width=1280, height=720, fps=Fraction(25)) as writer:
        for shot in filmed(picture, marks, camera):
            frame = np.full((720, 1280, 3), 96, np.uint8)
            height, width = (min(a, b) for a, b in zip(shot.picture.shape[:2], frame.shape[:2], strict=True))
            frame[:height, 200 : 200 + width] = shot.picture[:height, :width]
            writer.write_picture(i420_from_bgr(frame))
            frames.append(frame)
    return frames


_WORDS = {
    "own-generators": "our engine, whole (below)",
    "engine-say": "our engine: a portrait speaks",
    "engine-dub": "our engine: a film is dubbed",
    "reenactment": "reenactment: the face alone laid back",
    "swaps": "swaps (below)",
    "face-swap": "face swap by landmarks",
    "gradient-swap": "the same, joined in gradients",
    "autoencoder-swap": "swap by a small autoencoder",
    "rendered-mouth": "mouth rendered anew",
    "mouth-paste": "mouth pasted at low resolution",
    "self-blend": "self-blend: a seam alone",
    "up-sampled": "a generator's up-sampling",
    "all": "all",
}
_UNKNOWN = {
    "own-generators": "our engine, whole",
    "engine": "our engine, and reenactment by it",
    "face-swap": "face swap by landmarks",
    "gradient-swap": "the same, joined in gradients",
    "both": "both of these",
    "autoencoder-swap": "swap by a small autoencoder",
    "swaps": "all three swaps",
    "rendered-mouth": "mouth rendered anew",
    "mouth-paste": "mouth pasted at low resolution",
    "self-blend": "self-blend",
    "up-sampled": "a generator's up-sampling",
}
_CONDITIONS = {"as-is": "as-is", "c23": "c23", "c40": "c40", "jpeg-75": "JPEG 75", "half-size": "half size"}


def page(options: argparse.Namespace) -> None:
    """The three tables of the documentation, from the card; with --write they take the place of those in the page.

    The picture of the calibration is then written, too.
    """
    figures = card()["figures"]

    def cell(row: dict[str, float], unit: str) -> str:
        return "{:.2f} ({:.2f}–{:.2f})".format(*(row[f"{unit}_auc{end}"] for end in ("", "_low", "_high")))

    lines = [
        "| what | files | " + " | ".join(_CONDITIONS.values()) + " | c23, per stretch | c23, per frame |",
        "|" + "---|" * (len(_CONDITIONS) + 4),
    ]
    for name, words in _WORDS.items():
        cells = [cell(figures[quality][name], "file") for quality in _CONDITIONS]
        cells += [cell(figures["c23"][name], unit) for unit in ("stretch", "frame")]
        lines.append(f"| {words} | {figures['c23'][name]['files']} | " + " | ".join(cells) + " |")
    answers = [
        "| condition | called manipulated though genuine | manipulated and called so |",
        "|---|---|---|",
    ]
    for kind, alarms, hits in (("film", "false_alarms", "hits"), ("photograph", "photo_false_alarms", "photo_hits")):
        for quality in _CONDITIONS:
            row = figures[quality]["all"]
            cells = [
                f"{row[key]['count']} of {row[key]['of']} ({row[key]['low']:.0%}–{row[key]['high']:.0%})"
                for key in (alarms, hits)
            ]
            answers.append(f"| {kind}, {quality} | {cells[0]} | {cells[1]} |")
    unknown = ["| left out of the fit, and asked about | as-is | c23 | c23, fitted on it |", "|---|---|---|---|"]
    for name, words in _UNKNOWN.items():
        row = card()["without"][name]
        cells = ["{:.2f} ({:.2f}–{:.2f})".format(*row[quality]) for quality in ("as-is", "c23")]
        usual = figures["c23"].get(name)
        cells.append(f"{usual['file_auc']:.2f}" if usual else "")
        unknown.append(f"| {words} | " + " | ".join(cells) + " |")
    if options.write is None:
        print("\n".join([*lines, "", *answers, "", *unknown]))
        return
    kept: list[str] = []
    tables, replaced = [lines, answers, unknown], False
    for line in options.write.read_text(encoding="utf-8").splitlines():
        if line.startswith(("| what | files |", "| condition | called manipulated", "| left out of the fit")):
            kept += tables.pop(0)
            replaced = True
        elif not (replaced and line.startswith("|")):
            kept.append(line)
            replaced = False
    made = load_calibration(SHIPPED / "calibration.json")
    picture = options.write.parents[1] / "pictures" / "detector-calibration.svg"
    picture.write_text(calibration_svg(made, title="detector.small"), encoding="utf-8")
    options.write.write_text("\n".join(kept) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    maker = commands.add_parser("make")
    maker.add_argument("--pictures", type=Path, action="append", default=[])
    maker.add_argument("--films", type=Path, action="append", default=[])
    maker.add_argument("--work", type=Path, default=Path("build/detector"))
    maker.add_argument("--output", type=Path, default=SHIPPED)
    maker.add_argument("--effort", type=float, default=1.0)
    maker.add_argument("--data", default="people drawn by thsafe and the pictures given; fakes made by ourselves")
    maker.set_defaults(run=make)
    other = commands.add_parser("foreign")
    other.add_argument("folders", type=Path, nargs="+")
    other.set_defaults(run=foreign)
    commands.add_parser("speed").set_defaults(run=speed)
    through = commands.add_parser("throughput")
    recipes = ["deepfakebench-xception", "efficientnet-b4", "meso4", "small"]
    through.add_argument("--recipes", nargs="*", default=recipes)
    through.add_argument("--side", type=int, default=256)
    through.add_argument("--batch", type=int, default=8)
    through.add_argument("--steps", type=int, default=4)
    through.add_argument("--threads", type=int, default=None)
    through.set_defaults(run=throughput)
    pages = commands.add_parser("page")
    pages.add_argument("--write", type=Path, help="the page whose tables are renewed")
    pages.set_defaults(run=page)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
