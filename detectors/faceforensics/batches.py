"""Batches for training: the same step always gives the same batch, so a killed run goes on as if nothing had been."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detectors.faceforensics.degrade import Fate
from detectors.faceforensics.listing import Sample
from detectors.faceforensics.recipes import Recipe
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

    Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]
    """RGB pictures (n, side, side, 3), labels (n,)."""

MARGIN = 1.7
"""Width of a stored crop in faces, where a recipe cuts its own part out of it."""


class Batches:
    """Step by step through the samples; indexable, so that a torch ``DataLoader`` can share it among processes.

    Args:
        samples: the training split.
        recipe: batch, augmentation, pairs.
        seed: everything random follows from it and the step.

    Raises:
        InputError: ``train.classes``: one of the two classes is missing.
    """

    def __init__(self, samples: Sequence[Sample], recipe: Recipe, seed: int) -> None:
        self._recipe, self._seed = recipe, seed
        self._all = list(samples)
        self._genuine = [sample for sample in samples if not sample.label]
        self._made = [sample for sample in samples if sample.label]
        if not self._genuine or not (self._made or recipe.self_blend):
            raise InputError(
                "Training needs genuine and manipulated crops.",
                code="train.classes",
                found=f"{len(self._genuine)} genuine, {len(self._made)} manipulated",
                next_step="prepare the data with both",
            )
        self._methods: dict[str, list[Sample]] = {}
        for sample in self._made:
            self._methods.setdefault(sample.method, []).append(sample)
        self._by_video: dict[str, list[Sample]] = {}
        for sample in self._genuine:
            self._by_video.setdefault(sample.identities[0], []).append(sample)
        self.steps_per_epoch = max(1, len(self._genuine if recipe.self_blend else self._all) // recipe.batch)

    def __len__(self) -> int:
        """Steps of one epoch."""
        return self.steps_per_epoch

    def __getitem__(self, step: int) -> Batch:
        """The batch of one step, counted over all epochs."""
        if self._recipe.self_blend:
            return self._blended(step)
        return self._paired(step) if self._recipe.pairs else self._shuffled(step)

    def _shuffled(self, step: int) -> Batch:
        """Every sample once an epoch, as DeepfakeBench does."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._all))
        chosen = [self._all[index] for index in order[place * self._recipe.batch : (place + 1) * self._recipe.batch]]
        random = np.random.default_rng([self._seed, step, 1])
        pictures = [self._finished(load(sample.path), random, step) for sample in chosen]
        return np.stack(pictures), np.array([sample.label for sample in chosen], np.float32)

    def _paired(self, step: int) -> Batch:
        """Manipulations of all methods in equal shares, each with its twin."""
        random = np.random.default_rng([self._seed, step])
        methods = sorted(self._methods)
        pictures = []
        for number in range(max(1, self._recipe.batch // 2)):
            of_method = self._methods[methods[(step * self._recipe.batch // 2 + number) % len(methods)]]
            made = of_method[int(random.integers(len(of_method)))]
            pictures += self._pair(load(self._twin(made, random)), load(made.path), random, step)
        return np.stack(pictures), np.tile(np.array([0, 1], np.float32), len(pictures) // 2)

    def _blended(self, step: int) -> Batch:
        """Genuine crops, each beside itself with a seam (Self-Blended Images)."""
        from detectors.faceforensics.selfmade.families import Shot, self_blend

        random = np.random.default_rng([self._seed, step])
        pictures = []
        for _ in range(max(1, self._recipe.batch // 2)):
            sample = self._genuine[int(random.integers(len(self._genuine)))]
            crop = load(sample.path)
            seam = self_blend(Shot(picture=crop, marks=_marks_of(sample.path)), random)
            pictures += self._pair(crop, seam, random, step)
        return np.stack(pictures), np.tile(np.array([0, 1], np.float32), len(pictures) // 2)

    def _pair(self, genuine: Frame, made: Frame, random: np.random.Generator, step: int) -> list[Frame]:
        """Both after the same fate."""
        state = random.bit_generator.state
        first = self._finished(genuine, random, step)
        random.bit_generator.state = state
        return [first, self._finished(made, random, step)]

    def _twin(self, made: Sample, random: np.random.Generator) -> Path:
        """What it was made from; in lists without twins, the same moment of the target's own video."""
        if made.twin is not None:
            return made.twin
        videos = self._by_video.get(made.identities[0], self._genuine)
        same = [sample for sample in videos if sample.path.name == made.path.name]
        pool = same or videos
        return pool[int(random.integers(len(pool)))].path

    def _finished(self, crop: Frame, random: np.random.Generator, step: int) -> Frame:
        side = self._recipe.side
        if self._recipe.augmentation == "fates":
            severity = min(1.0, step / self._recipe.ramp) if self._recipe.ramp else 1.0
            bgr = Fate.drawn(random, crop=crop.shape[0], margin=MARGIN, severity=severity).befall(crop, side)
        else:
            bgr = _deepfakebench(crop, side, random)
        return np.ascontiguousarray(bgr[:, :, ::-1])


def load(path: Path) -> Frame:
    """One stored crop, BGR.

    Raises:
        InputError: ``crop.unreadable``.
    """
    import cv2

    crop: Frame | None = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if crop is None:
        raise InputError(
            f"The crop {path.name} cannot be read.",
            code="crop.unreadable",
            found=str(path),
            next_step="prepare the data again: what is missing is made anew",
        )
    return crop


def _marks_of(path: Path) -> NDArray[np.float32]:
    """Landmarks beside a crop: ``frames/000/025.png`` has them in ``landmarks/000/025.npy``."""
    beside = path.parent.parent.parent / "landmarks" / path.parent.name / f"{path.stem}.npy"
    try:
        marks = np.load(beside, allow_pickle=False)
    except (OSError, ValueError) as problem:
        raise InputError(
            "Self-blending needs landmarks beside the crops.",
            code="crop.landmarks",
            found=str(beside),
            next_step="prepare the data with thsafe data prepare",
        ) from problem
    return np.asarray(marks, np.float32)[:, :2]


def _deepfakebench(crop: Frame, side: int, random: np.random.Generator) -> Frame:
    """Flip, turn, blur, brightness and contrast, JPEG: the probabilities of DeepfakeBench's configuration."""
    import cv2

    picture = crop if crop.shape[0] == side else cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    if random.random() < 0.5:
        picture = picture[:, ::-1]
    if random.random() < 0.5:
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(random.uniform(-10, 10)), 1.0)
        picture = cv2.warpAffine(picture, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    if random.random() < 0.5:
        size = int(random.choice([3, 5, 7]))
        picture = cv2.GaussianBlur(picture, (size, size), 0)
    if random.random() < 0.5:
        gain, shift = 1 + float(random.uniform(-0.1, 0.1)), 255 * float(random.uniform(-0.1, 0.1))
        picture = np.clip(picture.astype(np.float32) * gain + shift, 0, 255).astype(np.uint8)
    if random.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(40, 101))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)
    return np.ascontiguousarray(picture)
