"""The corpus: for every genuine face, fakes of each family beside it, in folders and one list.

``ROOT/<method>/<identity>/<name>.png`` are 256-pixel crops, 1.7 faces wide. ``ROOT/dataset_json/selfmade.json``
lists them in DeepfakeBench's form, with one key more: ``twins``, the genuine picture that each fake was made from.
Identities are split before anything is made: nobody of the test split lends a face to a picture of the training split.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics.selfmade import families
from detectors.faceforensics.selfmade.blends import feathered
from detectors.faceforensics.selfmade.families import Shot
from detectors.faceforensics.selfmade.shapes import face_width, region_mask
from thsafe.core.errors import InputError
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_failure, write_whole

if TYPE_CHECKING:
    from thsafe.core.types import Frame

SIDE: Final = 256
"""Pixels of a stored crop."""
MARGIN: Final = 1.7
"""Its side in sides of the face."""
GENUINE: Final = "genuine"
METHODS: Final = (
    *("face-swap", "gradient-swap", "self-blend", "mouth-paste", "up-sampled", "reenactment"),
    *("autoencoder-swap", "rendered-mouth", "engine-say", "engine-dub"),
)
HELD_OUT: Final = ("gradient-swap",)
"""Methods that are made for the test split alone."""
SPLITS: Final = ("train", "val", "test")
_SHOTS: Final = {"train": 8, "val": 6, "test": 6}
_FILM_FRAMES: Final = 25
_POSES: Final = 8
_ROUNDS: Final = 3
"""Sizes in which a portrait is animated."""
_RENDERER_STEPS: Final = {"train": 500, "val": 80, "test": 150}
_SWAPPER_STEPS: Final = {"train": 2200, "val": 250, "test": 450}


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
        effort: shots, poses and training steps, as a share of the usual.

    Returns:
        The list, ``ROOT/dataset_json/selfmade.json``.
    """
    telling = progress or Silent()
    (root / "people").mkdir(parents=True, exist_ok=True)
    missing = [source for source in sources if not (root / "people" / f"{source.name}.json").exists()]
    if missing:
        shots = _gathered(sources, telling, effort)
        telling.start("making", len(missing))
        for split in SPLITS:
            todo = [source for source in missing if source.split == split and shots[source.name]]
            if not todo:
                continue
            maker = _Maker(root, split, {s.name: shots[s.name] for s in sources if s.split == split}, effort, telling)
            for source in todo:
                record = maker.make(source)
                write_whole(root / "people" / f"{source.name}.json", json.dumps(record, sort_keys=True).encode())
                telling.advance()
    return _listed(root, sources)


class _Maker:
    """Makes the fakes of one split."""

    def __init__(self, root: Path, split: str, shots: dict[str, list[Shot]], effort: float, progress: Progress) -> None:
        from detectors.faceforensics.selfmade.rerender import train_renderer, train_swapper

        self._root, self._split, self._shots, self._effort = root, split, shots, effort
        self._names = [name for name, found in shots.items() if found]
        seed = zlib.crc32(split.encode())
        people = [shots[name] for name in self._names]
        self._swapper = train_swapper(people, steps=_steps(_SWAPPER_STEPS, split, effort), seed=seed, progress=progress)
        everyone = [shot for person in people for shot in person]
        self._renderer = train_renderer(
            everyone, steps=_steps(_RENDERER_STEPS, split, effort), seed=seed, progress=progress
        )

    def make(self, source: Source) -> dict[str, Any]:
        """Write all crops of one person; which files there are, per method."""
        from detectors.faceforensics.selfmade.rerender import rendered, swapped

        random = np.random.default_rng(source.seed)
        record: dict[str, Any] = {"split": self._split, "sha256": _digest(source), "frames": {}, "twins": {}}
        own = self._shots[source.name]
        others = [name for name in self._names if name != source.name] or [source.name]
        # a photograph's face on a drawing is no hard case: donors are mostly of the same kind
        alike = [name for name in others if name.split("-")[0] == source.name.split("-")[0]] or others
        for number, shot in enumerate(own):
            name = f"s{number:03d}"
            self._store(record, source, GENUINE, name, shot.picture, shot)
            pool = alike if random.random() < 0.85 else others
            donor_name = pool[int(random.integers(len(pool)))]
            donors = self._shots[donor_name]
            donor = donors[int(random.integers(len(donors)))]
            # a dubbed film keeps its own speaker
            lips = own[int(random.integers(len(own)))] if source.film and random.random() < 0.7 else donor
            who = self._names.index(donor_name)
            makers: dict[str, Callable[[], Frame]] = {
                "face-swap": partial(families.face_swap, shot, donor, random),
                "gradient-swap": partial(families.gradient_swap, shot, donor, random),
                "self-blend": partial(families.self_blend, shot, random),
                "mouth-paste": partial(families.mouth_paste, shot, lips, random),
                "up-sampled": partial(families.up_sampled, shot, random),
                "autoencoder-swap": partial(swapped, self._swapper, shot, who, random),
                "rendered-mouth": partial(rendered, self._renderer, shot, lips, random),
            }
            for method, maker in makers.items():
                if self._split == "test" or method not in HELD_OUT:
                    self._store(record, source, method, f"{name}_0", maker(), shot, twin=name)
        if source.film:
            self._dub(record, source, random)
        else:
            self._animate(record, source, random)
        return record

    def _animate(self, record: dict[str, Any], source: Source, random: np.random.Generator) -> None:
        """The portrait speaking as our engine draws it, whole, and its face alone laid back into the still."""
        from thsafe.registry import rehearsal

        picture, marks = _portrait(source)
        for round_ in range(_ROUNDS):
            side = int(random.choice([320, 448, 512, 640]))
            count = max(1, round(_POSES * self._effort))
            still, framed, frames = rehearsal().speaking(
                picture, marks, count=count, seed=source.seed + round_, short_side=side
            )
            base = Shot(picture=still, marks=framed[:, :2])
            name = f"e{round_:03d}"
            self._store(record, source, GENUINE, name, still, base)
            for number, frame in enumerate(frames):
                self._store(record, source, "engine-say", f"{name}_{number}", frame, base, twin=name)
            _, _, calm = rehearsal().speaking(
                picture, marks, count=count, seed=source.seed + 97 + round_, short_side=side, still=True
            )
            for number, frame in enumerate(calm):
                mask = region_mask(base.marks, still.shape, "face", grow=0.02)
                edge = float(random.uniform(0.01, 0.08)) * face_width(base.marks)
                made = feathered(frame, still, mask, edge=edge, match=0.0)
                self._store(record, source, "reenactment", f"{name}_{number}", made, base, twin=name)

    def _dub(self, record: dict[str, Any], source: Source, random: np.random.Generator) -> None:
        from thsafe.registry import rehearsal

        count = max(2, round(_FILM_FRAMES * self._effort))
        found = rehearsal().dubbed(source.path, count=count, seed=int(random.integers(1 << 30)))
        for number, (genuine, marks, frame) in enumerate(found):
            base = Shot(picture=genuine, marks=marks[:, :2])
            name = f"f{number:03d}"
            self._store(record, source, GENUINE, name, genuine, base)
            self._store(record, source, "engine-dub", f"{name}_0", frame, base, twin=name)

    def _store(
        self, record: dict[str, Any], source: Source, method: str, name: str, picture: Frame, shot: Shot, twin: str = ""
    ) -> None:
        import cv2

        place = f"{method}/{source.name}/{name}.png"
        done, data = cv2.imencode(".png", _crop(picture, shot), [cv2.IMWRITE_PNG_COMPRESSION, 3])
        if not done:
            raise AssertionError("OpenCV can always encode a uint8 picture as PNG")
        # plainly: the person's record, written last, is what makes these files count
        _write(self._root / place, data.tobytes())
        record["frames"].setdefault(method, []).append(place)
        if twin:
            record["twins"].setdefault(method, []).append(f"{GENUINE}/{source.name}/{twin}.png")


_PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")
_FILMS: Final = (".mp4", ".mov", ".mpg", ".mpeg", ".avi", ".mkv", ".webm")


def _media(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder.", code="corpus.folder", found=str(folder), next_step="give a folder of media"
        )
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in endings and path.is_file())


def _steps(usual: Mapping[str, int], split: str, effort: float) -> int:
    return max(2, round(usual[split] * effort))


def _split(place: int) -> str:
    """Two of ten for the test, one for validation; two kinds of four still have a test."""
    return "test" if place % 5 == 2 else "val" if place % 10 == 4 else "train"


def _gathered(sources: Sequence[Source], progress: Progress, effort: float) -> dict[str, list[Shot]]:
    """Genuine shots of everybody: varied views of a picture, frames of a film. Empty where no face is found."""
    progress.start("looking", len(sources))
    found = {}
    for source in sources:
        found[source.name] = list(_film_shots(source, effort) if source.film else _picture_shots(source, effort))
        progress.advance()
    return found


def _portrait(source: Source) -> tuple[Frame, np.ndarray[Any, Any]]:
    from thsafe.media.faces import find_faces
    from thsafe.media.image import read_image
    from thsafe.registry import draw_person

    picture = draw_person(source.name.removeprefix("drawn-"), 768) if source.drawn else read_image(source.path)
    faces = find_faces(picture, max_faces=1)
    if not faces:
        raise InputError(f"No face was found in {source.name}.", code="corpus.no-face", next_step="take it out")
    return picture, faces[0].landmarks


def _picture_shots(source: Source, effort: float) -> Iterator[Shot]:
    """The same face nearer and farther, tilted, in other light."""
    import cv2

    random = np.random.default_rng(source.seed)
    try:
        picture, marks = _portrait(source)
    except InputError:
        return
    wide = float(np.hypot(*(marks[454, :2] - marks[234, :2])))
    for _ in range(max(1, round(_SHOTS[source.split] * effort))):
        scale = float(random.uniform(70, 190)) / wide
        scale = min(scale, 1.15)
        middle = marks[1, :2]
        turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), float(random.normal(0, 5)), scale)
        side = round(3.2 * wide * scale)
        turn[:, 2] += np.array([side / 2, side * 0.45]) - middle
        softer = cv2.GaussianBlur(picture, (0, 0), 0.45 / scale) if scale < 0.9 else picture
        view = cv2.warpAffine(softer, turn, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        gain = np.clip(random.normal(1, 0.06, 3) * random.uniform(0.75, 1.2), 0.5, 1.5)
        curve = float(random.uniform(0.8, 1.25))
        lit = np.clip(255 * (view.astype(np.float32) / 255) ** curve * gain, 0, 255).astype(np.uint8)
        yield Shot(picture=lit, marks=(marks[:, :2] @ turn[:, :2].T + turn[:, 2]).astype(np.float32))


def _film_shots(source: Source, effort: float) -> Iterator[Shot]:
    from thsafe.media.decode import VideoReader
    from thsafe.media.faces import find_faces

    with VideoReader(source.path) as reader:
        frames = reader.sample_bgr(max(1, round(_FILM_FRAMES * effort)))
    for _, frame in frames:
        faces = find_faces(frame, max_faces=1)
        if faces:
            yield Shot(picture=frame, marks=faces[0].landmarks[:, :2])


def _crop(picture: Frame, shot: Shot) -> Frame:
    """The face in a square of 256 pixels; both of a pair are cut alike."""
    import cv2

    low, high = shot.marks[:468].min(axis=0), shot.marks[:468].max(axis=0)
    side = float((high - low).max()) * MARGIN
    scale = SIDE / side
    corner = (low + high) / 2 - side / 2
    matrix = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
    softer = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale) if scale < 0.8 else picture
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    found: Frame = cv2.warpAffine(softer, matrix, (SIDE, SIDE), flags=way, borderMode=cv2.BORDER_REFLECT)
    return found


def _listed(root: Path, sources: Sequence[Source]) -> Path:
    """Gather the people's records in one list."""
    table: dict[str, dict[str, dict[str, Any]]] = {
        method: {split: {} for split in SPLITS} for method in (GENUINE, *METHODS)
    }
    for source in sources:
        path = root / "people" / f"{source.name}.json"
        if not path.exists():
            continue
        record = json.loads(path.read_bytes())
        for method, frames in record["frames"].items():
            entry: dict[str, Any] = {"label": method, "frames": frames}
            if method in record["twins"]:
                entry["twins"] = record["twins"][method]
            table[method][record["split"]][source.name] = entry
    target = root / "dataset_json" / "selfmade.json"
    target.parent.mkdir(exist_ok=True)
    write_whole(target, json.dumps({"selfmade": table}, indent=1, sort_keys=True).encode())
    return target


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as problem:
        raise write_failure(path, problem.errno, len(data)) from problem


def _digest(source: Source) -> str:
    return hashlib.sha256(source.name.encode() if source.drawn else source.path.read_bytes()).hexdigest()
