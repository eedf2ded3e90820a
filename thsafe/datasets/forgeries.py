"""FaceForensics++ (Rössler et al., ICCV 2019): genuine films and what was made of them. It has no sound."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from thsafe.core.errors import InputError
from thsafe.datasets.clip import Clip, DataSet, Gap
from thsafe.datasets.folders import below, folders, no_layout, relative

METHODS: Final = ("Deepfakes", "DeepFakeDetection", "Face2Face", "FaceShifter", "FaceSwap", "NeuralTextures")
LEVELS: Final = ("raw", "c23", "c40")
_SPLITS: Final = ("train", "val", "test")
_PAIR: Final = re.compile(r"(\d{3})_(\d{3})")
_ACTORS: Final = re.compile(r"(\d{2})_(\d{2})__.+|(\d{2})__.+")


def read_faceforensics(root: Path) -> Iterator[Clip | Gap]:
    """``{original,manipulated}_sequences/<name>/<level>/videos/*.mp4``; splits are lists of pairs of people."""
    originals = {name: root / "original_sequences" / name for name in ("youtube", "actors")}
    altered = {name: root / "manipulated_sequences" / name for name in METHODS}
    if not any(place.is_dir() for place in (*originals.values(), *altered.values())):
        raise no_layout(root, FACEFORENSICS.title, FACEFORENSICS.layout)
    split_of: dict[str, str] = {}
    for split in _SPLITS:
        pairs = _pairs(root, split)
        if not pairs:
            yield Gap(what="no list of a split", where=f"splits/{split}.json")
        split_of |= {person: split for pair in pairs for person in pair}
    genuine: dict[str, set[str]] = {level: set() for level in LEVELS}
    for name, place in (*originals.items(), *altered.items()):
        levels = [level.name for level in folders(place, named=LEVELS) if below(level / "videos", ".mp4")]
        if not levels:
            what = "no videos of a method" if name in altered else "no genuine videos"
            yield Gap(what=what, where=relative(place, root))
        for level in levels:
            folder = place / level / "videos"
            videos = below(folder, ".mp4")
            if name == "youtube":
                genuine[level] = {video.stem for video in videos}
                for person in sorted(split_of.keys() - genuine[level]):
                    yield Gap(what="listed and not there", where=relative(folder / f"{person}.mp4", root))
            twins = genuine[level] if name in altered and name != "DeepFakeDetection" else ()
            for video in videos:
                people = _people(video.stem)
                if twins and people[0] not in twins:
                    yield Gap(what="fake without its genuine twin", where=relative(video, root))
                yield Clip(
                    id=f"{name}/{level}/{video.stem}",
                    video=relative(video, root),
                    person=people[0],
                    people=people if name in altered else (),
                    split=split_of.get(people[0]),
                    label="fake" if name in altered else "real",
                    method=name if name in altered else None,
                    view=level,
                )


def _people(name: str) -> tuple[str, ...]:
    """``000_003`` is 000's film with 003's face; ``01_02__meeting_serious__YVGY8LOK`` the actors' way of saying it."""
    pair = _PAIR.fullmatch(name)
    if pair:
        return pair.groups()
    actors = _ACTORS.fullmatch(name)
    if actors:
        return tuple(f"actor{number}" for number in actors.groups() if number)
    return (name,)


def _pairs(root: Path, split: str) -> list[tuple[str, str]]:
    path = next((p for p in (root / "splits" / f"{split}.json", root / f"{split}.json") if p.is_file()), None)
    if path is None:
        return []
    try:
        return [(str(first), str(second)) for first, second in json.loads(path.read_bytes())]
    except (OSError, ValueError, TypeError, RecursionError) as problem:
        raise InputError(
            f"{path.name} is no list of pairs.",
            code="data.splits",
            found=str(problem),
            rule='[["071", "054"], …]',
            next_step="take the split files of the FaceForensics repository as they are",
        ) from problem


FACEFORENSICS: Final = DataSet(
    name="faceforensics++",
    title="FaceForensics++",
    paper="Rössler et al., ICCV 2019",
    licence="the FaceForensics Terms of Use: non-commercial research and education, no passing on",
    access="a form, then a script: https://github.com/ondyari/FaceForensics",
    layout="original_sequences/{youtube,actors} and manipulated_sequences/<method>, each with "
    "{raw,c23,c40}/videos/*.mp4; splits/{train,val,test}.json",
    read=read_faceforensics,
)
