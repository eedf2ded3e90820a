"""The detector that comes with thsafe: make its corpus, train it, measure it, write its card; or measure it anew.

    python benchmarks/detector.py make --pictures portraits --films talkers --work build/detector
    python benchmarks/detector.py foreign FOLDER…     # files named fake…, all others genuine
    python benchmarks/detector.py speed               # ten seconds at 720p, and faces alone
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
    from detectors.faceforensics.own.ship import ship
    from detectors.faceforensics.selfmade.corpus import find_sources, make_corpus

    sources = find_sources(options.pictures, options.films)
    listing = make_corpus(options.work / "corpus", sources, progress=Lines(), effort=options.effort)
    how = f"python benchmarks/detector.py make --effort {options.effort}, from such pictures"
    ship(listing, options.work, options.output, data=options.data, how=how, progress=Lines())


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

    from thsafe.media.faces import FaceTracker, find_faces

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

        for name, finder in (("find_faces", lambda frame: find_faces(frame, max_faces=1)), ("MTCNN", detect)):
            finder(frames[0])
            start, used = time.perf_counter(), time.process_time()
            for frame in frames[:20]:
                finder(frame)
            wall, used = time.perf_counter() - start, time.process_time() - used
            print(f"{name}: {20 / wall:.0f} frames a second, {20 / used:.0f} a second of processor")


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


def page(_: argparse.Namespace) -> None:
    figures = card()["figures"]
    for unit, words in (("file", "per file"), ("stretch", "per stretch"), ("frame", "per frame")):
        print(f"\n{words}\n\n| what | n | " + " | ".join(figures) + " |\n|---|---|" + "---|" * len(figures))
        for name, row in figures["c23"].items():
            cells = [
                "{:.2f} ({:.2f}–{:.2f})".format(*(table[name][f"{unit}_auc{end}"] for end in ("", "_low", "_high")))
                for table in figures.values()
            ]
            count = row["files"] if unit == "file" else row["stretches"]
            print(f"| {name} | {count} | " + " | ".join(cells) + " |")
    print("\n| condition | false alarms | found | answered |\n|---|---|---|---|")
    for quality, table in figures.items():
        for kind, alarms, hits in (("film", "false_alarms", "hits"), ("photo", "photo_false_alarms", "photo_hits")):
            row = table["all"]
            cells = [
                f"{row[key]['count']} of {row[key]['of']} ({row[key]['low']:.0%}–{row[key]['high']:.0%})"
                for key in (alarms, hits)
            ]
            print(f"| {kind}, {quality} | {cells[0]} | {cells[1]} | {row['answered'] if kind == 'film' else ''} |")
    print(json.dumps({key: value for key, value in card().items() if key != "figures"}, indent=1, ensure_ascii=False))


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
    commands.add_parser("page").set_defaults(run=page)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
