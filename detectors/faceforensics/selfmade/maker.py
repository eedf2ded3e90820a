"""One person's fakes, clip by clip: each family laid over genuine frames, and our own engine's drawing beside them."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics.selfmade import families
from detectors.faceforensics.selfmade.blends import feathered
from detectors.faceforensics.selfmade.camera import Camera, Clip, filmed
from detectors.faceforensics.selfmade.families import Shot
from detectors.faceforensics.selfmade.shapes import face_width, region_mask
from thsafe.core.errors import InputError
from thsafe.media.files import write_failure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame, Progress

MARGIN: Final = 1.7
"""Side of a stored crop in sides of the face; its pixels are the frame's own."""
GENUINE: Final = "genuine"
METHODS: Final = (
    *("face-swap", "gradient-swap", "self-blend", "mouth-paste", "up-sampled", "reenactment"),
    *("autoencoder-swap", "rendered-mouth", "engine-say", "engine-dub"),
)
ANEW: Final = ("gradient-swap",)
"""Methods that the corpus has for the test split alone: of people fitted on they are made anew when measured."""
LENGTH: Final = 6
"""Frames of a clip."""
_FACE: Final = (72.0, 190.0)
_CLIPS: Final = {"train": 3, "val": 3, "test": 4}
"""Genuine clips of a person; over the first ``_LAID`` of them fakes are laid."""
_LAID: Final = {"train": 2, "val": 2, "test": 2}
_SIDES: Final = (256, 320, 384, 448, 512)
"""Pixels of the shorter side of what the engine draws."""
_FILM_FRAMES: Final = 24
_RENDERER_STEPS: Final = {"train": 800, "val": 200, "test": 600}
_SWAPPER_STEPS: Final = {"train": 2000, "val": 300, "test": 1200}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One person that may be used: a picture, a film, or somebody drawn by thsafe."""

    name: str
    split: str
    path: Path
    """The file; empty for a drawn person."""
    film: bool = False
    drawn: bool = False

    @property
    def seed(self) -> int:
        """The same for the same name."""
        return zlib.crc32(self.name.encode())

    @property
    def digest(self) -> str:
        """SHA-256 of the file, or of a drawn person's name."""
        return hashlib.sha256(self.name.encode() if self.drawn else self.path.read_bytes()).hexdigest()


class Maker:
    """Makes the fakes of one split.

    Args:
        root: the corpus.
        split: whose networks and donors are used.
        clips: genuine clips of everybody in the split.
        effort: clips and steps, as a share of the usual.
        progress: told of the training.
    """

    def __init__(
        self, root: Path, split: str, clips: Mapping[str, Sequence[Clip]], effort: float, progress: Progress
    ) -> None:
        from detectors.faceforensics.selfmade.rerender import train_renderer, train_swapper

        self._root, self._split, self._clips, self._effort = root, split, clips, effort
        self._names = [name for name, found in clips.items() if found]
        seed = zlib.crc32(split.encode())
        people = [[shot for clip in clips[name] for shot in clip[::2]] for name in self._names]
        steps = share(_SWAPPER_STEPS, split, effort, least=2)
        self._swapper = train_swapper(people, steps=steps, seed=seed, progress=progress)
        steps = share(_RENDERER_STEPS, split, effort, least=2)
        everyone = [shot for person in people for shot in person]
        self._renderer = train_renderer(everyone, steps=steps, seed=seed, progress=progress)

    def make(self, source: Source) -> dict[str, Any]:
        """Write all clips of one person; which files there are, per method and clip."""
        random = np.random.default_rng(source.seed)
        record = _Record(self._root, source, self._split)
        own = self._clips[source.name]
        laid = share(_LAID, self._split, self._effort) * (2 if source.film else 1)
        for number, clip in enumerate(own):
            name = f"c{number}"
            record.store(GENUINE, name, [shot.picture for shot in clip], clip)
            if number < laid:
                for method, frames in self._fakes(source, clip, random):
                    record.store(method, name, frames, clip, twin=name)
        if source.film:
            _dub(record, source.path, random, runs=2 * laid, name="f")
        else:
            self._animate(record, source, random, runs=laid)
        return record.table

    def _fakes(self, source: Source, clip: Clip, random: np.random.Generator) -> list[tuple[str, list[Frame]]]:
        """Each family over one clip: the same chances in every frame, another frame of the donor in each."""
        from detectors.faceforensics.selfmade.rerender import rendered, swapped

        others = [name for name in self._names if name != source.name] or [source.name]
        # a photograph's face on a drawing is no hard case: donors are mostly of the same kind
        alike = [name for name in others if name.split("-")[0] == source.name.split("-")[0]] or others
        pool = alike if random.random() < 0.85 else others
        donor_name = pool[int(random.integers(len(pool)))]
        donor = _one(self._clips[donor_name], random)
        # a dubbed film keeps its own speaker
        lips = _one(self._clips[source.name], random) if source.film and random.random() < 0.7 else donor
        who = self._names.index(donor_name)
        makers: dict[str, Callable[[Shot, int, np.random.Generator], Frame]] = {
            "face-swap": lambda shot, place, chance: families.face_swap(shot, donor[place], chance),
            "gradient-swap": lambda shot, place, chance: families.gradient_swap(shot, donor[place], chance),
            "self-blend": lambda shot, _, chance: families.self_blend(shot, chance),
            "mouth-paste": lambda shot, place, chance: families.mouth_paste(shot, lips[place], chance),
            "up-sampled": lambda shot, _, chance: families.up_sampled(shot, chance),
            "autoencoder-swap": lambda shot, _, chance: swapped(self._swapper, shot, who, chance),
            "rendered-mouth": lambda shot, place, chance: rendered(self._renderer, shot, lips[place], chance),
        }
        found = []
        for method, maker in makers.items():
            if self._split == "test" or method not in ANEW:
                seed = int(random.integers(1 << 31))
                frames = [maker(shot, place, np.random.default_rng(seed)) for place, shot in enumerate(clip)]
                found.append((method, frames))
        return found

    def _animate(self, record: _Record, source: Source, random: np.random.Generator, *, runs: int) -> None:
        """The portrait speaking as our engine draws it; its face alone laid over film of the still; film of it, dubbed.

        The genuine twins are that still before a camera.
        """
        from thsafe.registry import rehearsal

        picture, marks = portrait(source)
        draw = partial(rehearsal().speaking, picture, marks, length=LENGTH)
        for run in range(runs):
            side = int(random.choice(_SIDES))
            still, framed, (spoken,) = draw(runs=1, seed=source.seed + run, short_side=side)
            wide = face_width(framed)
            camera = Camera.drawn(random, framed, count=LENGTH, face=(wide, wide))
            twin = filmed(still, framed, camera)
            record.store(GENUINE, f"e{run}", [shot.picture for shot in twin], twin)
            drawn = [Shot(picture=frame, marks=framed[:, :2]) for frame in spoken]
            record.store("engine-say", f"e{run}", spoken, drawn, twin=f"e{run}")
        still, framed, calm = draw(runs=runs, seed=source.seed + 97, short_side=_SIDES[-1], still=True)
        for run, frames in enumerate(calm):
            camera = Camera.drawn(random, framed, count=LENGTH, face=_FACE)
            scene = filmed(still, framed, camera)
            edge = float(random.uniform(0.01, 0.08))
            made = [
                feathered(
                    camera.look(frame, place),
                    shot.picture,
                    region_mask(shot.marks, shot.picture.shape, "face", grow=0.02),
                    edge=edge * face_width(shot.marks),
                    match=0.0,
                )
                for place, (frame, shot) in enumerate(zip(frames, scene, strict=True))
            ]
            record.store(GENUINE, f"r{run}", [shot.picture for shot in scene], scene)
            record.store("reenactment", f"r{run}", made, scene, twin=f"r{run}")
        camera = Camera.drawn(random, marks, count=_FILM_FRAMES, face=_FACE)
        with tempfile.TemporaryDirectory(prefix="thsafe-corpus-") as folder:
            film = Path(folder) / "film.mp4"
            _write_film(film, [shot.picture for shot in filmed(picture, marks, camera)])
            _dub(record, film, random, runs=runs, name="f")


class _Record:
    """What was written for one person."""

    def __init__(self, root: Path, source: Source, split: str) -> None:
        self._root, self._source = root, source
        self.table: dict[str, Any] = {"split": split, "sha256": source.digest, "frames": {}, "twins": {}}

    def store(self, method: str, name: str, pictures: Sequence[Frame], clip: Clip, *, twin: str = "") -> None:
        """Cut the face out of every frame of a clip through one window that does not move."""
        import cv2

        window = _window(clip[0])
        places = [f"{method}/{self._source.name}/{name}_{number}.png" for number in range(len(pictures))]
        for place, picture in zip(places, pictures, strict=True):
            done, data = cv2.imencode(".png", _cut(picture, window), [cv2.IMWRITE_PNG_COMPRESSION, 2])
            if not done:
                raise AssertionError("OpenCV can always encode a uint8 picture as PNG")
            # plainly: the person's record, written last, is what makes these files count
            _write(self._root / place, data.tobytes())
        self.table["frames"].setdefault(method, {})[name] = places
        if twin:
            self.table["twins"].setdefault(method, {})[name] = [
                f"{GENUINE}/{self._source.name}/{twin}_{number}.png" for number in range(len(pictures))
            ]


@lru_cache(maxsize=64)
def portrait(source: Source) -> tuple[Frame, NDArray[np.float32]]:
    """The picture of a person who is no film, and the landmarks; raises InputError ``corpus.no-face``."""
    from thsafe.media.faces import find_faces
    from thsafe.media.image import read_image
    from thsafe.registry import draw_person

    picture = draw_person(source.name.removeprefix("drawn-"), 768) if source.drawn else read_image(source.path)
    faces = find_faces(picture, max_faces=1)
    if not faces:
        raise InputError(f"No face was found in {source.name}.", code="corpus.no-face", next_step="take it out")
    return picture, faces[0].landmarks


def genuine_clips(source: Source, effort: float) -> list[Clip]:
    """Stretches of a film, or a picture before cameras; empty where no face is found."""
    count = share(_CLIPS, source.split, effort) * (2 if source.film else 1)
    if source.film:
        return _stretches(source.path, count)
    random = np.random.default_rng(source.seed)
    try:
        picture, marks = portrait(source)
    except InputError:
        return []
    return [filmed(picture, marks, Camera.drawn(random, marks, count=LENGTH, face=_FACE)) for _ in range(count)]


def share(usual: Mapping[str, int], split: str, effort: float, *, least: int = 1) -> int:
    """That share of the usual number."""
    return max(least, round(usual[split] * effort))


def _stretches(path: Path, count: int) -> list[Clip]:
    """``count`` times ``LENGTH`` frames of a film, as many as show a face throughout."""
    from thsafe.media.decode import VideoReader
    from thsafe.media.faces import FaceTracker

    with VideoReader(path) as reader, FaceTracker() as tracker:
        shots = [(frame, tracker.next(frame)) for _, frame in reader.iter_bgr()]
    found: list[Clip] = []
    for start in np.linspace(0, max(0, len(shots) - LENGTH), count):
        part = shots[int(start) : int(start) + LENGTH]
        if len(part) == LENGTH and all(faces for _, faces in part):
            found.append([Shot(picture=frame, marks=faces[0].landmarks[:, :2]) for frame, faces in part])
    return found


def _dub(record: _Record, film: Path, random: np.random.Generator, *, runs: int, name: str) -> None:
    from thsafe.registry import rehearsal

    seed = int(random.integers(1 << 30))
    for number, run in enumerate(rehearsal().dubbed(film, runs=runs, length=LENGTH, seed=seed)):
        clip = [Shot(picture=genuine, marks=marks[:, :2]) for genuine, marks, _ in run]
        record.store(GENUINE, f"{name}{number}", [shot.picture for shot in clip], clip)
        record.store("engine-dub", f"{name}{number}", [made for _, _, made in run], clip, twin=f"{name}{number}")


def _write_film(path: Path, frames: Sequence[Frame]) -> None:
    from thsafe.media.encode import Mp4Writer
    from thsafe.media.planes import i420_from_bgr

    height, width = frames[0].shape[:2]
    with Mp4Writer(path, width=width, height=height, fps=Fraction(25), crf=8) as writer:
        for frame in frames:
            writer.write_picture(i420_from_bgr(frame))


def _one(clips: Sequence[Clip], random: np.random.Generator) -> Clip:
    return clips[int(random.integers(len(clips)))]


def _window(shot: Shot) -> tuple[int, int, int]:
    """Left, top and side of the square around a face, whole pixels."""
    low, high = shot.marks[:468].min(axis=0), shot.marks[:468].max(axis=0)
    side = 2 * round(float((high - low).max()) * MARGIN / 2)
    left, top = np.rint((low + high) / 2 - side / 2).astype(int)
    return int(left), int(top), side


def _cut(picture: Frame, window: tuple[int, int, int]) -> Frame:
    """That part of a picture, mirrored where it leads out of it."""
    import cv2

    left, top, side = window
    height, width = picture.shape[:2]
    over = max(0, -left, -top, left + side - width, top + side - height)
    whole = cv2.copyMakeBorder(picture, over, over, over, over, cv2.BORDER_REFLECT) if over else picture
    return np.ascontiguousarray(whole[top + over : top + over + side, left + over : left + over + side])


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as problem:
        raise write_failure(path, problem.errno, len(data)) from problem
