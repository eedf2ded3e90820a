"""Faces: MEAD (Wang et al., ECCV 2020), CelebV-HQ (Zhu et al., ECCV 2022), ObamaNet's layout (Kumar et al., 2017)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from thsafe.core.errors import InputError
from thsafe.datasets.clip import Clip, DataSet, Gap
from thsafe.datasets.folders import below, folders, lines, no_layout, place_of, relative

EMOTIONS: Final = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
VIEWS: Final = ("down", "front", "left_30", "left_60", "right_30", "right_60", "top")
_SPEAKER: Final = re.compile(r"[MW]\d{3}")
_FLAT: Final = re.compile(rf"({'|'.join(EMOTIONS)})_level_(\d)")
"""A variant that is in circulation has emotion and level in one folder's name."""
_NO_WORDS: Final = ("WEBVTT", "Kind:", "Language:", "NOTE")
"""What lines of captions begin with that are not spoken."""
_CLIP_FOLDERS: Final = ("downloaded_celebvhq/processed", "processed", "videos", "")


def read_mead(root: Path) -> Iterator[Clip | Gap]:
    """``<M003|W009>/{video/<view>,audio}/<emotion>/level_N/NNN.{mp4,m4a}``; neutral has level 1 only."""
    speakers = [folder for folder in folders(root) if _SPEAKER.fullmatch(folder.name)]
    if not any(folders(speaker, named=("video", "audio")) for speaker in speakers):
        raise no_layout(root, MEAD.title, MEAD.layout)
    for speaker in speakers:
        sounds = {
            (emotion, level, path.stem): path for emotion, level, path in _takes(speaker / "audio", ".m4a", ".wav")
        }
        if not sounds:
            yield Gap(what="speaker without sound", where=f"{speaker.name}/audio")
        filmed = set()
        for view in VIEWS:
            takes = list(_takes(speaker / "video" / view, ".mp4"))
            if not takes:
                yield Gap(what="speaker without a view", where=f"{speaker.name}/video/{view}")
                continue
            for emotion in sorted(set(EMOTIONS) - {emotion for emotion, _, _ in takes}):
                yield Gap(what="view without an emotion", where=f"{speaker.name}/video/{view}/{emotion}")
            for emotion, level, video in takes:
                key = (emotion, level, video.stem)
                filmed.add(key)
                sound = sounds.get(key)
                if sounds and sound is None:
                    yield Gap(what="take without its sound", where=relative(video, root))
                yield Clip(
                    id=f"{speaker.name}/{view}/{emotion}/level_{level}/{video.stem}",
                    video=relative(video, root),
                    audio=place_of(sound, root),
                    person=speaker.name,
                    emotion=emotion,
                    intensity=level,
                    view=view,
                )
        for key in sorted(sounds.keys() - filmed):
            yield Gap(what="sound without its take", where=relative(sounds[key], root))


def _takes(place: Path, *endings: str) -> Iterator[tuple[str, str, Path]]:
    """(emotion, level, file), in both ways in which the folders are laid."""
    for folder in folders(place):
        flat = _FLAT.fullmatch(folder.name)
        if flat:
            yield from ((flat[1], flat[2], path) for path in below(folder, *endings))
        elif folder.name in EMOTIONS:
            for level in folders(folder):
                if level.name.startswith("level_"):
                    number = level.name.removeprefix("level_")
                    yield from ((folder.name, number, path) for path in below(level, *endings))


def read_celebvhq(root: Path) -> Iterator[Clip | Gap]:
    """``celebvhq_info.json``, and the clips that the user has fetched as ``<film>_<n>.mp4``."""
    path = root / "celebvhq_info.json"
    if not path.is_file():
        raise no_layout(root, CELEBVHQ.title, CELEBVHQ.layout)
    try:
        table = json.loads(path.read_bytes())
        names = {
            kind: [str(name) for name in table["meta_info"][f"{kind}_mapping"]] for kind in ("appearance", "action")
        }
        clips = [(name, _celebvhq(_plain(name), clip, names)) for name, clip in sorted(table["clips"].items())]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as problem:
        raise InputError(
            "celebvhq_info.json is not what CelebV-HQ hands out.",
            code="data.unreadable",
            found=f"{type(problem).__name__}: {problem}"[:200],
            rule="meta_info with appearance_mapping and action_mapping, clips with ytb_id, duration, bbox, attributes",
            next_step="take the file of the CelebV-HQ repository as it is",
        ) from problem
    for name, clip in clips:
        places = (root / place / f"{name}.mp4" for place in _CLIP_FOLDERS)
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            yield Gap(what="clip that was not fetched", where=f"{name}.mp4")
            continue
        yield Clip(**clip, video=relative(found, root))


def _plain(name: str) -> str:
    if "/" in name or "\\" in name or name.startswith("."):
        raise ValueError(f"no clip name: {name!r}")
    return name


def _celebvhq(name: str, clip: Mapping[str, Any], names: Mapping[str, list[str]]) -> dict[str, Any]:
    """The fields of one clip; the clip files are cut out already, so the film's seconds and box are not its own."""
    given = clip["attributes"]
    held = [label for kind, labels in names.items() for label, flag in zip(labels, given[kind], strict=True) if flag]
    emotion = given["emotion"]
    feeling = emotion["labels"] if isinstance(emotion["labels"], str) else None
    return {
        "id": name,
        "person": None,
        "emotion": None if emotion["sep_flag"] else feeling,
        "attributes": tuple(held),
    }


def read_obamanet(root: Path) -> Iterator[Clip | Gap]:
    """``data/videos/00001.mp4`` with ``audios``, ``captions`` and ``images`` beside it, and ``obama_addresses.txt``."""
    place = root / "data" if (root / "data" / "videos").is_dir() else root
    videos = below(place / "videos", ".mp4")
    if not videos:
        raise no_layout(root, OBAMANET.title, OBAMANET.layout)
    addresses = [line for line in lines(root / "obama_addresses.txt") if line]
    if not addresses:
        yield Gap(what="no list of films", where="obama_addresses.txt")
    elif len(addresses) > len(videos):
        yield Gap(what="films that were not fetched", where=f"{len(addresses) - len(videos)} of {len(addresses)}")
    for video in videos:
        sound = next(iter(path for path in below(place / "audios", ".wav", ".mp3") if path.stem == video.stem), None)
        if sound is None:
            yield Gap(what="video without its sound", where=relative(place / "audios" / f"{video.stem}.wav", root))
        caption = next(iter(below(place / "captions", f".{video.stem}")), None) or next(
            (path for path in below(place / "captions", ".vtt", ".srt") if path.name.split(".")[0] == video.stem), None
        )
        if caption is None:
            yield Gap(
                what="video without its captions", where=relative(place / "captions" / f"{video.stem}.en.vtt", root)
            )
        if not (place / "images" / video.stem).is_dir():
            yield Gap(what="video without its pictures", where=relative(place / "images" / video.stem, root))
        yield Clip(
            id=video.stem,
            video=relative(video, root),
            audio=place_of(sound, root),
            person="obama",
            text=None if caption is None else _caption_words(caption),
        )


def _caption_words(path: Path) -> str | None:
    """The words of WebVTT or SubRip: what is neither a number, a time, a header nor a note."""
    spoken = [
        re.sub(r"<[^>]*>", "", line)
        for line in lines(path)
        if line
        and "-->" not in line
        and not line.isdigit()
        and not line.startswith(("WEBVTT", "Kind:", "Language:", "NOTE"))
    ]
    return " ".join(spoken) or None


MEAD: Final = DataSet(
    name="mead",
    title="MEAD (Multi-view Emotional Audio-visual Dataset)",
    paper="Wang et al., ECCV 2020",
    licence="for research; no commercial use",
    access="on request, and in part openly: https://wywu.github.io/projects/MEAD/MEAD.html",
    layout="<M003|W009>/video/<view>/<emotion>/level_N/NNN.mp4 and <M003|W009>/audio/<emotion>/level_N/NNN.m4a",
    read=read_mead,
)
CELEBVHQ: Final = DataSet(
    name="celebv-hq",
    title="CelebV-HQ",
    paper="Zhu et al., ECCV 2022",
    licence="for non-commercial research; the films belong to their owners, and show well-known people",
    access="the list: https://github.com/CelebV-HQ/CelebV-HQ; each user fetches the films themselves",
    layout="celebvhq_info.json; <film>_<n>.mp4 in downloaded_celebvhq/processed, processed, videos or beside it",
    read=read_celebvhq,
)
OBAMANET: Final = DataSet(
    name="obamanet",
    title="ObamaNet's layout",
    paper="Kumar et al., 2017 (a method; the films are those of its reimplementation)",
    licence="none is stated for the collection; the films are a former president's weekly addresses",
    access="each user fetches the films of obama_addresses.txt: https://github.com/karanvivekbhargava/obamanet",
    layout="data/{videos/00001.mp4,audios,captions,images}; obama_addresses.txt",
    read=read_obamanet,
    caution="It shows one public figure: to measure detectors with. To generate him, the gate asks for his consent.",
)
