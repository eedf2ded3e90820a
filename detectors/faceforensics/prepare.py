"""From a data set as its authors hand it out to face crops and DeepfakeBench's lists.

Below the output folder: ``FaceForensics++/…/frames/000_003/025.png`` (and ``landmarks``, ``masks``), one record per
finished video below ``prepared``, and the lists in ``dataset_json``. A record is written after its crops: what a killed
run left half done is done again, what it had done stays.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.faceforensics.layouts import LEVELS, Video
from detectors.faceforensics.listing import SPLITS
from detectors.faceforensics.recipes import Crop
from thsafe.core.errors import EngineError, ThsafeError, UsageError
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_failure, write_whole

if TYPE_CHECKING:
    from thsafe.core.types import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What came of it."""

    lists: tuple[Path, ...]
    videos: int
    crops: int
    missing: int
    """Frames looked at that showed no face."""
    problems: tuple[tuple[str, str], ...]
    """(video, why) of those that could not be read."""


def prepare(
    videos: Sequence[Video],
    output: Path,
    *,
    crop: Crop = "dfb-5pt",
    frames: int = 32,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Prepared:
    """Cut the faces and write the lists.

    Args:
        videos: from ``layouts.find_videos``.
        output: where crops and lists go.
        crop: how faces are cut.
        frames: how many of each video, evenly spaced.
        jobs: processes.
        progress: told how far it is.

    Raises:
        UsageError: ``prepare.other``: the folder holds crops of another kind.
        EngineError: ``prepare.worker``: a process died.
        StoreError: the disk is full or the folder not writable.
    """
    telling = progress or Silent()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise write_failure(output, problem.errno, 0) from problem
    _claim(output, crop, frames)
    missing = [video for video in videos if _record(output, video) is None]
    telling.start("cutting faces", len(videos))
    telling.advance(len(videos) - len(missing))
    work = partial(_cut_video, output=output, crop=crop, frames=frames)
    for _ in _spread(work, missing, jobs):
        telling.advance()
    records = [(video, _record(output, video) or {}) for video in videos]
    lists = _write_lists(output, records)
    return Prepared(
        lists=lists,
        videos=len(videos),
        crops=sum(len(record.get("frames", [])) for _, record in records),
        missing=sum(int(record.get("missing", 0)) for _, record in records),
        problems=tuple((video.path.name, str(record["problem"])) for video, record in records if "problem" in record),
    )


def _spread(work: Any, videos: Sequence[Video], jobs: int) -> Iterable[None]:
    if jobs <= 1 or len(videos) < 2:
        for video in videos:
            yield work(video)
        return
    # spawn: the face finder's threads do not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(work, video) for video in videos]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as problem:
            raise EngineError(
                "A process that cut faces died; what was finished is kept.",
                code="prepare.worker",
                next_step="run the same command again with fewer --jobs: memory may have run out",
            ) from problem
        finally:
            pool.shutdown(cancel_futures=True)


def _cut_video(video: Video, *, output: Path, crop: Crop, frames: int) -> None:
    from detectors.faceforensics.crops import cut_face, warped
    from thsafe.media.decode import VideoReader

    record: dict[str, Any] = {"frames": [], "masks": [], "missing": 0}
    try:
        with VideoReader(video.path) as reader:
            sampled = _numbered(reader, frames)
        masks = _mask_frames(video, [number for number, _ in sampled])
    except ThsafeError as problem:
        record["problem"] = f"{problem.message} ({problem.code})"
        sampled, masks = [], {}
    for number, frame in sampled:
        cut = cut_face(frame, crop)
        if cut is None:
            record["missing"] += 1
            continue
        place = f"{video.frames}/{number:03d}.png"
        _write(output / place, _png(cut.picture))
        record["frames"].append(place)
        if cut.marks is not None:
            _write(output / _beside(place, "landmarks", ".npy"), _npy(cut.marks))
        if number in masks:
            where = _beside(place, "masks", ".png")
            _write(output / where, _png(warped(masks[number], cut.matrix, cut.picture.shape[0])))
            record["masks"].append(where)
    target = _place(output, video)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, json.dumps(record, sort_keys=True).encode())


def _numbered(reader: Any, count: int) -> list[tuple[int, Frame]]:
    """``count`` frames by number, evenly from the first to the last, as ``numpy.linspace`` rounds them down."""
    every = list(_numbers(reader))
    if not every:
        return []
    wanted = {int(place) for place in np.linspace(0, len(every) - 1, min(count, len(every)), dtype=int)}
    return [(number, frame) for number, (_, frame) in enumerate(reader.iter_bgr()) if number in wanted]


def _numbers(reader: Any) -> Iterable[float]:
    # counted by decoding: what containers say of their length is not to be relied on
    return (seconds for seconds, _ in reader.iter_i420())


def _mask_frames(video: Video, numbers: Sequence[int]) -> dict[int, Frame]:
    from thsafe.media.decode import VideoReader

    if video.mask is None or not numbers:
        return {}
    wanted = set(numbers)
    with VideoReader(video.mask) as reader:
        return {number: frame for number, (_, frame) in enumerate(reader.iter_bgr()) if number in wanted}


def _write_lists(output: Path, records: Sequence[tuple[Video, dict[str, Any]]]) -> tuple[Path, ...]:
    """One list per name, in DeepfakeBench's form, with ``missing`` beside the frames."""
    folder = output / "dataset_json"
    folder.mkdir(exist_ok=True)
    written = []
    for name in sorted({name for video, _ in records for name in video.lists}):
        table: dict[str, dict[str, dict[str, Any]]] = {}
        for video, record in records:
            if name not in video.lists or "problem" in record:
                continue
            entry: dict[str, Any] = {"label": video.label, "frames": record["frames"], "missing": record["missing"]}
            if video.label.startswith("FF-") and video.label not in {"FF-real", "FF-FH"}:
                entry["masks"] = record["masks"]
            splits = table.setdefault(video.label, {split: {} for split in SPLITS})
            for split in video.splits:
                videos = splits[split].setdefault(video.level, {}) if video.level else splits[split]
                videos[video.name] = entry
        path = folder / f"{name}.json"
        whole = {name: _merged(path, name, table)}
        write_whole(path, json.dumps(whole, indent=1, sort_keys=True).encode())
        written.append(path)
    return tuple(written)


def _merged(path: Path, name: str, table: dict[str, Any]) -> dict[str, Any]:
    """The new list with the compression levels that an earlier run put there."""
    try:
        before = json.loads(path.read_bytes())[name]
    except (OSError, ValueError, KeyError, TypeError):
        return table
    for label, splits in table.items():
        for split, levels in splits.items():
            for level, videos in before.get(label, {}).get(split, {}).items():
                if level in LEVELS:
                    levels.setdefault(level, videos)
    return table


def _claim(output: Path, crop: Crop, frames: int) -> None:
    """Crops of one kind per folder."""
    path, mine = output / "prepared" / "crops.json", {"crop": crop, "frames": frames}
    if path.exists():
        try:
            there = json.loads(path.read_bytes())
        except (OSError, ValueError):
            there = None
        if there != mine:
            raise UsageError(
                "The folder holds crops of another kind.",
                code="prepare.other",
                found=json.dumps(there),
                rule=json.dumps(mine),
                next_step="choose another folder with -o",
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(mine).encode())


def _place(output: Path, video: Video) -> Path:
    return output / "prepared" / f"{video.frames}.json"


def _record(output: Path, video: Video) -> dict[str, Any] | None:
    """What a finished video left; None where it is not finished, or its crops are gone."""
    try:
        found: dict[str, Any] = json.loads(_place(output, video).read_bytes())
        whole = all((output / place).is_file() for place in (*found["frames"], *found["masks"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if whole else None


def _beside(place: str, folder: str, ending: str) -> str:
    """``…/frames/000/025.png`` to ``…/landmarks/000/025.npy``."""
    base, name, file = place.rsplit("/", 2)
    return f"{base.rsplit('/', 1)[0]}/{folder}/{name}/{file.rsplit('.', 1)[0]}{ending}"


def _png(picture: Frame) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise AssertionError("OpenCV can always encode a uint8 picture as PNG")
    return bytes(data.tobytes())


def _npy(values: Any) -> bytes:
    import io

    held = io.BytesIO()
    np.save(held, values)
    return held.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Plainly: the record, written last, is what makes a file count."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as problem:
        raise write_failure(path, problem.errno, len(data)) from problem
