"""The folders in which the public data sets come, as their authors hand them out.

FaceForensics++ (Rössler et al., ICCV 2019), Celeb-DF v2 (Li et al., CVPR 2020), DFDC preview (Dolhansky et al., 2019).
Names and labels are those of DeepfakeBench, so that its lists and ours can stand for each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from detectors.faceforensics.listing import SPLITS
from thsafe.core.errors import InputError, UsageError

METHODS: Final[Mapping[str, str]] = {
    "Deepfakes": "FF-DF",
    "Face2Face": "FF-F2F",
    "FaceSwap": "FF-FS",
    "NeuralTextures": "FF-NT",
}
"""The four manipulations of FaceForensics++, and their labels."""
_LATER: Final[Mapping[str, tuple[str, str]]] = {
    "FaceShifter": ("FaceShifter", "FF-FH"),
    "DeepFakeDetection": ("DeepFakeDetection", "DFD_fake"),
}
"""Added to the download afterwards; each has a list of its own."""
LEVELS: Final = ("raw", "c23", "c40")
_ENDINGS: Final = (".mp4", ".avi", ".mov", ".mkv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """One video of a data set."""

    path: Path
    lists: tuple[str, ...]
    """The lists that hold it: ``FaceForensics++`` and, say, ``FF-F2F``."""
    label: str
    level: str
    """``raw``, ``c23``, ``c40``; empty in data sets without levels."""
    name: str
    """Without ending."""
    splits: tuple[str, ...]
    frames: str
    """The folder of its crops, relative to the folder that all data sets share."""
    mask: Path | None = None
    """The film that shows what was altered."""


def find_videos(dataset: str, root: Path, level: str = "c23") -> tuple[Video, ...]:
    """Every video of a data set with its split, in the order of the alphabet.

    Args:
        dataset: ``ffpp``, ``celebdf-v2``, ``dfdcp``, or ``index``.
        root: where its authors' layout begins; for ``index`` the file that ``thsafe data index`` wrote.
        level: the compression of FaceForensics++.

    Raises:
        UsageError: ``data.unknown`` or ``data.level``.
        InputError: ``data.layout`` (folders or split files are missing), ``data.splits`` (not what they should be).
    """
    finders = {"ffpp": _ffpp, "celebdf-v2": _celebdf, "dfdcp": _dfdcp, "index": _indexed}
    if dataset not in finders:
        raise UsageError(
            f'There is no data set called "{dataset}" here.',
            code="data.unknown",
            found=dataset,
            next_step="choose one of: " + ", ".join(finders),
        )
    if dataset == "ffpp" and level not in LEVELS:
        raise UsageError(
            f'FaceForensics++ has no compression "{level}".',
            code="data.level",
            found=level,
            next_step="choose one of: " + ", ".join(LEVELS),
        )
    if dataset != "index" and not root.is_dir():
        raise _no_layout(root, "a folder")
    found = tuple(finders[dataset](root, level))
    if not found:
        raise _no_layout(root, "at least one video below it")
    return found


def _ffpp(root: Path, level: str) -> Iterator[Video]:
    split_of = _ffpp_splits(root)
    names = tuple(METHODS.values())
    yield from _ffpp_folder(
        root / "original_sequences" / "youtube", level, "FF-real", ("FaceForensics++", *names, "FaceShifter"), split_of
    )
    for folder, label in METHODS.items():
        place = root / "manipulated_sequences" / folder
        yield from _ffpp_folder(place, level, label, ("FaceForensics++", label), split_of)
    place = root / "manipulated_sequences" / "FaceShifter"
    if place.is_dir():
        yield from _ffpp_folder(place, level, "FF-FH", ("FaceShifter",), split_of)
    # Google's actors have no splits of their own: as in DeepfakeBench, all of them are in every split
    actors = root / "original_sequences" / "actors"
    for place, label in ((actors, "DFD_real"), (root / "manipulated_sequences" / "DeepFakeDetection", "DFD_fake")):
        if place.is_dir():
            yield from _ffpp_folder(place, level, label, ("DeepFakeDetection",), None)


def _ffpp_folder(
    place: Path, level: str, label: str, lists: tuple[str, ...], split_of: Mapping[str, str] | None
) -> Iterator[Video]:
    folder = place / level / "videos"
    if not folder.is_dir():
        if place.is_dir():
            raise _no_layout(place, f"{level}/videos inside; choose -c with a level that is there")
        if label in {"FF-real", *METHODS.values()}:
            return
    masks = place / "masks" / "videos"
    for path in _videos(folder):
        splits = SPLITS if split_of is None else tuple(filter(None, [split_of.get(path.stem)]))
        if not splits:
            continue
        mask = masks / path.name
        yield Video(
            path=path,
            lists=lists,
            label=label,
            level=level,
            name=path.stem,
            splits=splits,
            frames=f"FaceForensics++/{place.parent.name}/{place.name}/{level}/frames/{path.stem}",
            mask=mask if mask.is_file() else None,
        )


def _ffpp_splits(root: Path) -> dict[str, str]:
    """Video name to split: the pair lists hold both people of every pair, and both directions are used."""
    found: dict[str, str] = {}
    for split in SPLITS:
        path = next(
            (place for place in (root / f"{split}.json", root / "splits" / f"{split}.json") if place.is_file()), None
        )
        if path is None:
            raise _no_layout(root, f"{split}.json or splits/{split}.json, from the FaceForensics repository")
        for first, second in _pairs(path):
            for name in (first, second, f"{first}_{second}", f"{second}_{first}"):
                if found.setdefault(name, split) != split:
                    raise InputError(
                        "The split files put one person into two splits.",
                        code="data.splits",
                        found=f"{name} in {found[name]} and {split}",
                        rule="nobody in the test split is learnt from",
                        next_step="take the split files of the FaceForensics repository as they are",
                    )
    return found


def _pairs(path: Path) -> Iterable[tuple[str, str]]:
    try:
        pairs = json.loads(path.read_bytes())
        return [(_name(first), _name(second)) for first, second in pairs]
    except (OSError, ValueError, TypeError, RecursionError) as problem:
        raise InputError(
            f"{path.name} is no list of pairs.",
            code="data.splits",
            found=str(problem),
            rule='[["071", "054"], …]',
            next_step="take the split files of the FaceForensics repository as they are",
        ) from problem


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value or "/" in value or "\\" in value or value.startswith("."):
        raise ValueError(f"no video name: {value!r}")
    return value


def _celebdf(root: Path, _: str) -> Iterator[Video]:
    folders = {"Celeb-real": "CelebDFv2_real", "YouTube-real": "CelebDFv2_real", "Celeb-synthesis": "CelebDFv2_fake"}
    path = root / "List_of_testing_videos.txt"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as problem:
        raise _no_layout(root, "List_of_testing_videos.txt") from problem
    # each line is "<label> <folder>/<name>.mp4"; there 1 means genuine, so only the folder is believed
    tested = {line.split(" ", 1)[1].strip() for line in lines if " " in line.strip()}
    seen = False
    for folder, label in folders.items():
        place = root / folder
        for file in _videos(place / "videos" if (place / "videos").is_dir() else place):
            seen = True
            # DeepfakeBench takes the test list for validation too
            splits = ("val", "test") if f"{folder}/{file.name}" in tested else ("train",)
            yield Video(
                path=file,
                lists=("Celeb-DF-v2",),
                label=label,
                level="",
                name=file.stem,
                splits=splits,
                frames=f"Celeb-DF-v2/{folder}/frames/{file.stem}",
            )
    if not seen:
        raise _no_layout(root, ", ".join(folders))


def _dfdcp(root: Path, _: str) -> Iterator[Video]:
    try:
        table = json.loads((root / "dataset.json").read_bytes())
        entries = sorted((_relative(key), str(value["label"]), str(value["set"])) for key, value in table.items())
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError) as problem:
        raise _no_layout(root, "the preview's dataset.json") from problem
    labels = {"real": "DFDCP_Real", "method_A": "DFDCP_FakeA", "method_B": "DFDCP_FakeB"}
    for place, kind, split in entries:
        path = root / place
        index = place.split("/")[0]
        label = labels.get("real" if kind == "real" else index)
        if label is None or split not in {"train", "test"} or not path.is_file():
            continue
        yield Video(
            path=path,
            lists=("DFDCP",),
            label=label,
            level="",
            name=path.stem,
            # the preview has no validation split; DeepfakeBench takes its test split
            splits=("train",) if split == "train" else ("val", "test"),
            frames=f"DFDCP/{index}/frames/{path.stem}",
        )


def _indexed(root: Path, _: str) -> Iterator[Video]:
    """The clips of an index that have a picture; those without a split are in every one."""
    from thsafe.datasets.index import read

    index = read(root)
    known = {"train": ("train",), "pretrain": ("train",), "val": ("val",), "test": ("test",)}
    for clip in index.clips:
        path = index.path_of(clip)
        if path is None:
            continue
        place = _relative(clip.id)
        yield Video(
            path=path,
            lists=(index.dataset,),
            label="genuine" if clip.label == "real" else clip.method or "fake",
            level="",
            name=place.replace("/", "_"),
            splits=known.get(clip.split or "", SPLITS),
            frames=f"{index.dataset}/frames/{place}",
        )


def _relative(key: str) -> str:
    if key.startswith(("/", "\\")) or ".." in key.split("/"):
        raise ValueError(f"leads out of the data: {key}")
    return key


def _videos(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())


def _no_layout(root: Path, wanted: str) -> InputError:
    return InputError(
        "This is not the layout in which the data set is handed out.",
        code="data.layout",
        found=str(root),
        rule=wanted,
        next_step="see docs/howto/train-a-detector.md for the folders that are expected",
    )
