"""The detector that comes with thsafe: make its corpus, train it, measure it, write its card; or measure it anew.

    python benchmarks/detector.py make --pictures portraits --films talkers --work build/detector
    python benchmarks/detector.py foreign FOLDER      # files named real… and fake…
    python benchmarks/detector.py page                # the tables of the documentation, from the card

``make`` can be stopped and started again. It needs faces that may be used: one to a picture, one speaker to a film.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from detectors.faceforensics.default import card, examine, weights_path
from detectors.faceforensics.metrics import roc_auc

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
    from detectors.faceforensics.card import write_card
    from detectors.faceforensics.fit import fit_traces
    from detectors.faceforensics.listing import read_list
    from detectors.faceforensics.recipes import find_recipe
    from detectors.faceforensics.selfmade.corpus import find_sources, make_corpus
    from detectors.faceforensics.train import Run, train

    sources = find_sources(options.pictures, options.films)
    listing = make_corpus(options.work / "corpus", sources, progress=Lines())
    recipe = find_recipe(options.recipe)
    if recipe.name == "traces":
        weights, _ = fit_traces(recipe, read_list(listing, "train"), options.work / "run", progress=Lines())
        how = "python benchmarks/detector.py make --recipe traces, from such pictures"
        write_card(recipe, weights, listing, options.output, data=options.data, how=how, progress=Lines())
        return
    run = Run(steps=options.steps, every=max(1, options.steps // 20), threads=options.threads, workers=options.workers)
    done = train(
        recipe, read_list(listing, "train"), read_list(listing, "val"), options.work / "run", run=run, progress=Lines()
    )
    how = f"python benchmarks/detector.py make --steps {options.steps}, from such pictures; best of {done.steps} steps"
    write_card(recipe, done.weights, listing, options.output, data=options.data, how=how, progress=Lines())


def foreign(options: argparse.Namespace) -> None:
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image

    scores: dict[str, list[tuple[int, float]]] = {"video": [], "picture": []}
    for path in sorted(options.folder.iterdir()):
        if not path.name.startswith(("real", "fake")):
            continue
        moving = path.suffix.lower() in {".mp4", ".mpg", ".mov", ".webm"}
        if moving:
            with VideoReader(path) as reader:
                frames = reader.sample_bgr(12)
        else:
            frames = [(0.0, read_image(path))]
        found = examine(frames, moving=moving)
        score = found.detail.get("score")
        print(f"{path.name:<60} {'-' if score is None else f'{score:+.2f}'} {found.detail.get('answer', found.code)}")
        if score is not None:
            scores["video" if moving else "picture"].append((int(path.name.startswith("fake")), score))
    for kind, rows in scores.items():
        labels, values = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
        print(f"{kind}: {int(labels.sum())} fake, {int((1 - labels).sum())} real, AUC {roc_auc(labels, values):.3f}")


def page(_: argparse.Namespace) -> None:
    figures = card()["figures"]
    print("| method | crops | " + " | ".join(figures) + " |\n|---|---|" + "---|" * len(figures))
    for method, row in figures["c23"].items():
        cells = [f"{table[method]['frame_auc']:.3f} / {table[method]['video_auc']:.3f}" for table in figures.values()]
        print(f"| {method} | {row['crops']} | " + " | ".join(cells) + " |")
    print(json.dumps({key: value for key, value in card().items() if key != "figures"}, indent=1, ensure_ascii=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    maker = commands.add_parser("make")
    maker.add_argument("--pictures", type=Path, action="append", default=[])
    maker.add_argument("--films", type=Path, action="append", default=[])
    maker.add_argument("--work", type=Path, default=Path("build/detector"))
    maker.add_argument("--output", type=Path, default=SHIPPED)
    maker.add_argument("--recipe", choices=["traces", "small"], default="traces")
    maker.add_argument("--steps", type=int, default=6000)
    maker.add_argument("--threads", type=int, default=2)
    maker.add_argument("--workers", type=int, default=0)
    maker.add_argument("--data", default="people drawn by thsafe and the pictures given; fakes made by ourselves")
    maker.set_defaults(run=make)
    other = commands.add_parser("foreign")
    other.add_argument("folder", type=Path)
    other.set_defaults(run=foreign)
    commands.add_parser("page").set_defaults(run=page)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
