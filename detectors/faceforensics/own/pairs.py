"""What directions are learnt from: local statistics of genuine faces and of fakes of them, degraded alike.

Fakes that cost little are made anew for every pair, with other donors and other chances each time; the others are
those of the corpus. People are dealt into folds first, and nobody lends a face to another fold, so that directions are
later asked about people of whom they never saw a pixel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics.batches import MARGIN, load
from detectors.faceforensics.degrade import ClipFate
from detectors.faceforensics.own.grid import FEATURES, local_statistics
from detectors.faceforensics.own.stretches import LEAST_FACE, stored_stretch
from detectors.faceforensics.own.view import shown
from detectors.faceforensics.selfmade import families
from detectors.faceforensics.selfmade.families import Shot
from thsafe.core.types import Progress, Silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.listing import Sample
    from detectors.faceforensics.selfmade.shapes import Marks
    from thsafe.core.types import Frame

FOLDS: Final = 3
EACH: Final = 1500
"""Pairs of clips a fold."""
_FRAMES: Final = 3
"""Frames coded together, of which all but the first are kept: most pictures of a film are predicted ones."""
_SHARES: Final = {
    "face-swap": 0.28,
    "self-blend": 0.16,
    "mouth-paste": 0.12,
    "up-sampled": 0.08,
    "engine-dub": 0.12,
    "engine-say": 0.08,
    "reenactment": 0.05,
    "autoencoder-swap": 0.06,
    "rendered-mouth": 0.05,
}
_JOINED: Final = {"gradient-swap": 1.0}
_JOINED_SHARE: Final = 0.1
"""Pairs of swaps joined in gradients, beside the others: those are slow to make, and have a file of their own."""
_FILMED: Final = 4.0
"""How much more often somebody is taken who was really filmed."""
_ALIKE: Final = 0.85
"""Share of swaps between two of a kind, such as two photographs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """A genuine clip and where its face is."""

    person: str
    name: str
    """Of the clip."""
    paths: Sequence[Path]
    marks: Marks


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """All pairs of one fold."""

    pairs: NDArray[np.float32]
    """(n, 2, ``FEATURES``): the genuine one, then the manipulated one; each the mean of two frames."""
    methods: Sequence[str]
    people: Sequence[str]

    def without(self, methods: Sequence[str]) -> Pool:
        """All but the pairs of some methods."""
        kept = [place for place, method in enumerate(self.methods) if method not in methods]
        return Pool(
            pairs=self.pairs[kept],
            methods=[self.methods[place] for place in kept],
            people=[self.people[place] for place in kept],
        )


def dealt(people: Sequence[str], seed: int) -> Mapping[str, int]:
    """The fold of everybody; of the few who were really filmed some are in each."""
    random = np.random.default_rng(seed)
    found: dict[str, int] = {}
    for kind in sorted({name.split("-")[0] for name in people}):
        names = sorted({name for name in people if name.split("-")[0] == kind})
        found |= {name: place % FOLDS for place, name in enumerate(random.permutation(names).tolist())}
    return found


def make_pools(
    samples: Sequence[Sample], folder: Path, *, seed: int, each: int = EACH, progress: Progress | None = None
) -> list[Pool]:
    """One pool a fold; those that are in ``folder`` are taken from there.

    Args:
        samples: of the corpus, everybody outside the test split.
        folder: gets one file a fold.
        seed: of folds and chances.
        each: pairs of clips a fold.
        progress: told how far it is.
    """
    telling = progress or Silent()
    fold = dealt(sorted({sample.identities[0] for sample in samples}), seed)
    folder.mkdir(parents=True, exist_ok=True)
    telling.start("making pairs", FOLDS * (each + max(1, round(each * _JOINED_SHARE))))
    found = []
    for number in range(FOLDS):
        inside = [sample for sample in samples if fold[sample.identities[0]] == number]
        wanted: tuple[tuple[str, Mapping[str, float], Sequence[int], int], ...] = (
            (f"pairs-{number}.npz", _SHARES, (seed, number), each),
            (f"joined-{number}.npz", _JOINED, (seed, number, 1), max(1, round(each * _JOINED_SHARE))),
        )
        parts = []
        for name, shares, seeds, count in wanted:
            path = folder / name
            if not path.exists():
                _make_pool(inside, path, shares, np.random.default_rng(seeds), count, telling)
            parts.append(_load_pool(path))
        found.append(
            Pool(
                pairs=np.concatenate([part.pairs for part in parts]),
                methods=[name for part in parts for name in part.methods],
                people=[name for part in parts for name in part.people],
            )
        )
    return found


def _load_pool(path: Path) -> Pool:
    with np.load(path, allow_pickle=False) as stored:
        meta = json.loads(str(stored["meta"]))
        return Pool(pairs=stored["pairs"], methods=meta["methods"], people=meta["people"])


def _make_pool(
    samples: Sequence[Sample],
    path: Path,
    wanted: Mapping[str, float],
    random: np.random.Generator,
    each: int,
    telling: Progress,
) -> None:
    clips = known_clips(samples)
    stored = _stored(samples)
    pairs = np.zeros((each, 2, FEATURES), np.float32)
    methods, people = [], []
    names = [name for name in wanted if name in _MAKERS or name in stored]
    shares = np.array([wanted[name] for name in names])
    for number in range(each):
        method = names[int(random.choice(len(names), p=shares / shares.sum()))]
        if method in stored:
            person, genuine, made = _taken(stored[method], random)
        else:
            person, genuine, made = _faked(method, clips, random)
        fate = ClipFate.drawn(random, face=genuine[0].shape[0] / MARGIN, least=LEAST_FACE)
        zoom, (right, below) = float(random.uniform(0.94, 1.06)), random.normal(0, 0.015, 2).tolist()
        mirrored = random.random() < 0.5
        for side, frames in enumerate((genuine, made)):
            views = [shown(frame, zoom=zoom, shift=(right, below)) for frame in fate.befall(frames)[1:]]
            if mirrored:
                views = [np.ascontiguousarray(view[:, ::-1]) for view in views]
            pairs[number, side] = np.mean([local_statistics(view) for view in views], axis=0)
        methods.append(method)
        people.append(person)
        telling.advance()
    draft = path.with_suffix(".part.npz")
    np.savez(draft, meta=np.array(json.dumps({"methods": methods, "people": people})), pairs=pairs)
    draft.replace(path)


def known_clips(samples: Sequence[Sample]) -> list[Known]:
    """The genuine clips in which a face is found."""
    from thsafe.media.faces import FaceFinder

    by_video: dict[str, list[Sample]] = {}
    for sample in samples:
        if not sample.label:
            by_video.setdefault(sample.video, []).append(sample)
    found = []
    with FaceFinder() as finder:
        for frames in by_video.values():
            stretch = stored_stretch(frames, finder)
            if stretch is not None:
                paths = [sample.path for sample in frames]
                person, name = frames[0].identities[0], frames[0].video.partition("__")[2]
                found.append(Known(person=person, name=name, paths=paths, marks=stretch.marks))
    return found


def _stored(samples: Sequence[Sample]) -> dict[str, list[Sequence[Sample]]]:
    """Of the methods that are not made anew, the corpus' clips."""
    by_video: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.label and sample.method in _SHARES and sample.method not in _MAKERS:
            by_video.setdefault((sample.method, sample.video), []).append(sample)
    found: dict[str, list[Sequence[Sample]]] = {}
    for (method, _), frames in by_video.items():
        found.setdefault(method, []).append(frames)
    return found


def _taken(of_method: Sequence[Sequence[Sample]], random: np.random.Generator) -> tuple[str, list[Frame], list[Frame]]:
    frames = of_method[_drawn([sample[0].identities[0] for sample in of_method], random)]
    start = int(random.integers(len(frames) - _FRAMES + 1))
    part = frames[start : start + _FRAMES]
    return (
        part[0].identities[0],
        [load(sample.twin or sample.path) for sample in part],
        [load(sample.path) for sample in part],
    )


def _faked(method: str, clips: Sequence[Known], random: np.random.Generator) -> tuple[str, list[Frame], list[Frame]]:
    clip = clips[_drawn([known.person for known in clips], random)]
    donor = a_donor(method, clip, clips, random)
    seed, start = int(random.integers(1 << 31)), len(clip.paths) // 2 - _FRAMES // 2
    given = load(donor.paths[int(random.integers(len(donor.paths)))])
    genuine = [load(path) for path in clip.paths[start : start + _FRAMES]]
    return clip.person, genuine, laid_over(method, genuine, clip.marks, [given], donor.marks, seed)


def a_donor(method: str, clip: Known, clips: Sequence[Known], random: np.random.Generator) -> Known:
    """Whose face or mouth is laid over a clip: mostly somebody of the same kind."""
    others = [known for known in clips if known.person != clip.person] or list(clips)
    if method == "mouth-paste" and random.random() < 0.35:
        others = [known for known in clips if known.person == clip.person]
    alike = [known for known in others if known.person.split("-")[0] == clip.person.split("-")[0]] or others
    pool = alike if random.random() < _ALIKE else others
    return pool[int(random.integers(len(pool)))]


def laid_over(
    method: str, frames: Sequence[Frame], marks: Marks, given: Sequence[Frame], theirs: Marks, seed: int
) -> list[Frame]:
    """Each frame with a fake over it, by the same chances in every one.

    Args:
        method: one of those that are made anew.
        frames: genuine ones.
        marks: of the face in them.
        given: the donor's, one after the other, as often as needed.
        theirs: the donor's landmarks.
        seed: of the chances.
    """
    return [
        _MAKERS[method](
            Shot(picture=frame, marks=marks),
            Shot(picture=given[place % len(given)], marks=theirs),
            np.random.default_rng(seed),
        )
        for place, frame in enumerate(frames)
    ]


def _drawn(people: Sequence[str], random: np.random.Generator) -> int:
    weights = np.array([_FILMED if name.startswith("film-") else 1.0 for name in people])
    return int(random.choice(len(people), p=weights / weights.sum()))


_MAKERS: Final[Mapping[str, Callable[[Shot, Shot, np.random.Generator], Any]]] = {
    "face-swap": families.face_swap,
    "gradient-swap": families.gradient_swap,
    "self-blend": lambda shot, _, random: families.self_blend(shot, random),
    "mouth-paste": families.mouth_paste,
    "up-sampled": lambda shot, _, random: families.up_sampled(shot, random),
}
