"""The corpus: for every genuine face, fakes of each family beside it, in folders and one list.

``ROOT/<method>/<person>/<clip>_<frame>.png`` are crops of short clips in the frame's own pixels, 1.7 faces wide,
through one window for the whole clip. ``ROOT/dataset_json/selfmade.json`` lists them in DeepfakeBench's form, a clip as
a video ``<person>__<clip>``, with one key more: ``twins``, the genuine frames beside each fake. People are split before
anything is made: nobody of the test split lends a face to a picture of the training split.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from detectors.faceforensics.selfmade.maker import ANEW, GENUINE, METHODS, Maker, Source, genuine_clips
from thsafe.core.errors import InputError
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_whole

__all__ = ["ANEW", "GENUINE", "METHODS", "SPLITS", "Source", "find_sources", "make_corpus"]

SPLITS: Final = ("train", "val", "test")
_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")
_FILMS: Final = (".mp4", ".mov", ".mpg", ".mpeg", ".avi", ".mkv", ".webm")


def find_sources(pictures: Sequence[Path], films: Sequence[Path], *, cast: bool = True) -> tuple[Source, ...]:
    """Everybody below those folders, split by place in the alphabet: of ten, three are held out.

    Raises:
        InputError: ``corpus.nobody``: there is nothing to learn from.
    """
    from thsafe.registry import drawn_person_digests

    kinds = (
        ("picture", sorted({file for folder in pictures for file in _media(folder, _PICTURES)}), False),
        ("film", sorted({file for folder in films for file in _media(folder, _FILMS)}), True),
    )
    found = [
        Source(name=f"{kind}-{path.stem}", split=_split(place), path=path, film=film)
        for kind, paths, film in kinds
        for place, path in enumerate(paths)
    ]
    if cast:
        names = drawn_person_digests()
        found += [
            Source(name=f"drawn-{name}", split=_split(place), path=Path(), drawn=True)
            for place, name in enumerate(names)
        ]
    if not found:
        raise InputError(
            "There is nobody to make fakes from.",
            code="corpus.nobody",
            rule="at least one picture or film with a face",
            next_step="give --pictures FOLDER or --films FOLDER",
        )
    return tuple(found)


def make_corpus(
    root: Path,
    sources: Sequence[Source],
    *,
    progress: Progress | None = None,
    effort: float = 1.0,
) -> Path:
    """Make every fake of every source; what a killed run left is taken up where it ended.

    Args:
        root: where the corpus goes.
        sources: who may be used.
        progress: told how far it is.
        effort: clips and training steps, as a share of the usual.

    Returns:
        The list, ``ROOT/dataset_json/selfmade.json``.
    """
    telling = progress or Silent()
    (root / "people").mkdir(parents=True, exist_ok=True)
    missing = [source for source in sources if not _record(root, source).exists()]
    for split in SPLITS:
        if not any(source.split == split for source in missing):
            continue
        everyone = [source for source in sources if source.split == split]
        telling.start(f"looking at {split}", len(everyone))
        clips = {}
        for source in everyone:
            clips[source.name] = genuine_clips(source, effort)
            telling.advance()
        todo = [source for source in missing if source.split == split and clips[source.name]]
        if not todo:
            continue
        maker = Maker(root, split, clips, effort, telling)
        telling.start(f"making {split}", len(todo))
        for source in todo:
            record = maker.make(source)
            write_whole(_record(root, source), json.dumps(record, sort_keys=True).encode())
            telling.advance()
    return _listed(root, sources)


def _record(root: Path, source: Source) -> Path:
    return root / "people" / f"{source.name}.json"


def _media(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder.", code="corpus.folder", found=str(folder), next_step="give a folder of media"
        )
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in endings and path.is_file())


def _split(place: int) -> str:
    """Two of ten for the test, one for validation; two kinds of four still have a test."""
    return "test" if place % 5 == 2 else "val" if place % 10 == 4 else "train"


def _listed(root: Path, sources: Sequence[Source]) -> Path:
    """Gather the people's records in one list."""
    table: dict[str, dict[str, dict[str, Any]]] = {
        method: {split: {} for split in SPLITS} for method in (GENUINE, *METHODS)
    }
    for source in sources:
        path = _record(root, source)
        if not path.exists():
            continue
        record = json.loads(path.read_bytes())
        for method, clips in record["frames"].items():
            for name, frames in clips.items():
                entry: dict[str, Any] = {"label": method, "frames": frames}
                if method in record["twins"]:
                    entry["twins"] = record["twins"][method][name]
                table[method][record["split"]][f"{source.name}__{name}"] = entry
    target = root / "dataset_json" / "selfmade.json"
    target.parent.mkdir(exist_ok=True)
    write_whole(target, json.dumps({"selfmade": table}, indent=1, sort_keys=True).encode())
    return target
