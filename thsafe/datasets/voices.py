"""VoxCeleb 1 and 2: who speaks (Nagrani et al., Interspeech 2017; Chung et al., Interspeech 2018)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from thsafe.datasets.clip import Clip, DataSet, Gap
from thsafe.datasets.folders import below, folders, lines, no_layout, place_of, relative

_PERSON: Final = re.compile(r"id\d{5}")
_TERMS: Final = (
    "CC BY 4.0 by the authors' page for what they made; the films' copyright stays with their owners, and the voices "
    "and faces are personal data of well-known people"
)
_PAGE: Final = "https://www.robots.ox.ac.uk/~vgg/data/voxceleb/"
_SETS: Final = {"dev": "train", "test": "test"}
_IDENTIFICATION: Final = {"1": "train", "2": "val", "3": "test"}


def read_voxceleb1(root: Path) -> Iterator[Clip | Gap]:
    """``wav/id10270/<film>/00001.wav``; also in ``dev`` and ``test``, where the two downloads were kept apart."""
    places = [place for place in (root, *(root / name for name in ("dev", "test"))) if _people(place / "wav")]
    if not places:
        raise no_layout(root, VOXCELEB1.title, VOXCELEB1.layout)
    meta = _sets(root / "vox1_meta.csv")
    listed = dict(_listed(root / "iden_split.txt"))
    if not meta:
        yield Gap(what="no table of people", where="vox1_meta.csv")
    seen: set[str] = set()
    for place in places:
        for person, film in _films(place / "wav"):
            for sound in below(film, ".wav"):
                name = f"{person}/{film.name}/{sound.name}"
                seen.add(name)
                split = listed.get(name) or _SETS.get(place.name) or meta.get(person)
                yield Clip(id=name.removesuffix(".wav"), audio=relative(sound, root), person=person, split=split)
    for person in sorted(meta.keys() - {name.split("/")[0] for name in seen}):
        yield Gap(what="person without sound", where=f"wav/{person}")
    for name in listed:
        if name not in seen:
            yield Gap(what="listed and not there", where=f"wav/{name}")


def read_voxceleb2(root: Path) -> Iterator[Clip | Gap]:
    """``{dev,test}/{mp4,aac}/id00012/<film>/00001.{mp4,m4a}``; the picture, the sound, or both."""
    places = [place for place in (root / "dev", root / "test") if _people(place / "mp4") or _people(place / "aac")]
    if not places:
        raise no_layout(root, VOXCELEB2.title, VOXCELEB2.layout)
    meta = _sets(root / "vox2_meta.csv")
    if not meta:
        yield Gap(what="no table of people", where="vox2_meta.csv")
    for name in sorted({"dev", "test"} - {place.name for place in places}):
        yield Gap(what="no folder of a part", where=name)
    seen: set[str] = set()
    for place in places:
        kinds = {kind: _people(place / kind) for kind in ("mp4", "aac")}
        for kind, there in kinds.items():
            if not there:
                yield Gap(what="picture or sound of a part", where=relative(place / kind, root))
        seen |= {person for people in kinds.values() for person in people}
        pictures = _files(place / "mp4", ".mp4")
        sounds = _files(place / "aac", ".m4a")
        for name in sorted(pictures.keys() | sounds.keys()):
            video, audio = pictures.get(name), sounds.get(name)
            if all(kinds.values()) and (video is None or audio is None):
                wanted = f"aac/{name}.m4a" if audio is None else f"mp4/{name}.mp4"
                yield Gap(what="picture without sound, or sound without picture", where=f"{place.name}/{wanted}")
            yield Clip(
                id=f"{place.name}/{name}",
                video=place_of(video, root),
                audio=place_of(audio, root),
                person=name.split("/")[0],
                split=_SETS[place.name],
            )
    for person in sorted(meta.keys() - seen):
        if meta[person] in {_SETS[place.name] for place in places}:
            yield Gap(what="person without a clip", where=person)


def _people(place: Path) -> list[str]:
    return [folder.name for folder in folders(place) if _PERSON.fullmatch(folder.name)]


def _films(place: Path) -> Iterator[tuple[str, Path]]:
    for person in _people(place):
        for film in folders(place / person):
            yield person, film


def _files(place: Path, ending: str) -> dict[str, Path]:
    """person/film/number to file."""
    return {f"{person}/{film.name}/{path.stem}": path for person, film in _films(place) for path in below(film, ending)}


def _sets(path: Path) -> dict[str, str]:
    """Person to split: the table's last column is ``dev`` or ``test``; columns are set apart by tabs or commas."""
    found = {}
    for line in lines(path):
        row = [cell.strip() for cell in re.split(r"[\t,]", line)]
        if _PERSON.fullmatch(row[0]) and row[-1] in _SETS:
            found[row[0]] = _SETS[row[-1]]
    return found


def _listed(path: Path) -> Iterator[tuple[str, str]]:
    """``1 id10003/<film>/00001.wav`` of the identification split."""
    for line in lines(path):
        number, _, name = line.partition(" ")
        if number in _IDENTIFICATION and ".." not in name:
            yield name.strip(), _IDENTIFICATION[number]


VOXCELEB1: Final = DataSet(
    name="voxceleb1",
    title="VoxCeleb1",
    paper="Nagrani, Chung, Zisserman, Interspeech 2017",
    licence=_TERMS,
    access=f"the sound on request: {_PAGE}vox1.html",
    layout="wav/id10270/<film>/00001.wav, or dev/wav and test/wav; vox1_meta.csv, iden_split.txt",
    read=read_voxceleb1,
)
VOXCELEB2: Final = DataSet(
    name="voxceleb2",
    title="VoxCeleb2",
    paper="Chung, Nagrani, Zisserman, Interspeech 2018",
    licence=_TERMS,
    access=f"picture and sound on request: {_PAGE}vox2.html",
    layout="{dev,test}/{mp4,aac}/id00012/<film>/00001.mp4 and .m4a; vox2_meta.csv",
    read=read_voxceleb2,
)
