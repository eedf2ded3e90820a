"""Lip-reading corpora of the BBC: LRW (Chung and Zisserman, ACCV 2016) and LRS2 (Afouras et al., TPAMI 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from thsafe.core.errors import InputError
from thsafe.datasets.clip import Clip, DataSet, Gap
from thsafe.datasets.folders import below, folders, lines, no_layout, relative

_SPLITS: Final = ("train", "val", "test")
_LRW_SECONDS: Final = 29 / 25
"""Every clip has 29 pictures at 25 a second; the word lies in the middle."""
_BBC: Final = (
    "the BBC's agreement: research by academic institutions; no commercial use, no passing on; each researcher signs"
)
_VGG: Final = "https://www.robots.ox.ac.uk/~vgg/data/lip_reading/"


def read_lrw(root: Path) -> Iterator[Clip | Gap]:
    """``lipread_mp4/<WORD>/{train,val,test}/<WORD>_00001.mp4`` with a ``.txt`` beside each."""
    place = root / "lipread_mp4" if (root / "lipread_mp4").is_dir() else root
    words = [folder for folder in folders(place) if folders(folder, named=_SPLITS)]
    if not words:
        raise no_layout(root, LRW.title, LRW.layout)
    for word in words:
        for split in _SPLITS:
            if not (word / split).is_dir():
                yield Gap(what="word without a split", where=relative(word / split, root))
            for video in below(word / split, ".mp4"):
                note = video.with_suffix(".txt")
                if not note.is_file():
                    yield Gap(what="video without its text", where=relative(note, root))
                start, end = _spoken(note)
                yield Clip(
                    id=f"{split}/{video.stem}",
                    video=relative(video, root),
                    split=split,
                    text=word.name,
                    start=start,
                    end=end,
                )


def _spoken(note: Path) -> tuple[float | None, float | None]:
    """When the word is said: ``Duration: 0.53 seconds`` around the middle of the clip."""
    for line in lines(note):
        name, _, rest = line.partition(":")
        if name.strip() == "Duration":
            try:
                half = min(float(rest.split()[0]), _LRW_SECONDS) / 2
            except (ValueError, IndexError):
                break
            return round(_LRW_SECONDS / 2 - half, 3), round(_LRW_SECONDS / 2 + half, 3)
    return None, None


def read_lrs2(root: Path) -> Iterator[Clip | Gap]:
    """``mvlrs_v1/{main,pretrain}/<id>/<5 digits>.{mp4,txt}`` and the lists ``{pretrain,train,val,test}.txt``."""
    place = root / "mvlrs_v1" if (root / "mvlrs_v1").is_dir() else root
    parts = folders(place, named=("main", "pretrain"))
    if not parts:
        raise no_layout(root, LRS2.title, LRS2.layout)
    splits = _lrs2_splits(root, place)
    for split in ("pretrain", *_SPLITS):
        if split not in {found for _, found in splits}:
            yield Gap(what="no list of a split", where=f"{split}.txt")
    seen: set[str] = set()
    for part in ("main", "pretrain"):
        if not (place / part).is_dir():
            yield Gap(what="no folder of a part", where=relative(place / part, root))
    table = dict(splits)
    for part_folder in parts:
        for talk in folders(part_folder):
            for video in below(talk, ".mp4"):
                note = video.with_suffix(".txt")
                if not note.is_file():
                    yield Gap(what="video without its text", where=relative(note, root))
                name = f"{part_folder.name}/{talk.name}/{video.stem}"
                seen.add(name)
                yield Clip(
                    id=name,
                    video=relative(video, root),
                    split="pretrain" if part_folder.name == "pretrain" else table.get(name),
                    text=_said(note),
                )
    for name, _ in splits:
        if name not in seen:
            yield Gap(what="listed and not there", where=f"{name}.mp4")


def _lrs2_splits(root: Path, place: Path) -> list[tuple[str, str]]:
    """(part/talk/number, split) of every line of the lists; test lines carry a second word, which is left out."""
    found = []
    for split in ("pretrain", *_SPLITS):
        path = next((folder / f"{split}.txt" for folder in (root, place) if (folder / f"{split}.txt").is_file()), None)
        for line in lines(path) if path else ():
            name = line.split()[0] if line else ""
            if name.count("/") == 1 and ".." not in name:
                found.append((f"{'pretrain' if split == 'pretrain' else 'main'}/{name}", split))
            elif line:
                raise InputError(
                    f"{split}.txt is no list of LRS2.",
                    code="data.splits",
                    found=line[:80],
                    rule="<id>/<5 digits> on each line",
                    next_step="get the list again from the data set's authors",
                )
    return found


def _said(note: Path) -> str | None:
    """``Text:  WHAT IS SAID`` of the first line."""
    for line in lines(note):
        name, _, rest = line.partition(":")
        if name.strip() == "Text":
            return rest.strip() or None
    return None


LRW: Final = DataSet(
    name="lrw",
    title="LRW (Lip Reading in the Wild)",
    paper="Chung and Zisserman, ACCV 2016",
    licence=_BBC,
    access=f"signed agreement with BBC R&D, then a password: {_VGG}lrw1.html",
    layout="lipread_mp4/<WORD>/{train,val,test}/<WORD>_00001.mp4 and .txt",
    read=read_lrw,
)
LRS2: Final = DataSet(
    name="lrs2",
    title="LRS2 (Lip Reading Sentences 2)",
    paper="Afouras et al., IEEE TPAMI 2018",
    licence=_BBC,
    access=f"signed agreement with BBC R&D, then a password: {_VGG}lrs2.html",
    layout="mvlrs_v1/{main,pretrain}/<id>/<5 digits>.mp4 and .txt; {pretrain,train,val,test}.txt beside them",
    read=read_lrs2,
)
