"""Local statistics and the directions of the methods: what they are blind to, whom they are learnt from, and the map."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from detectors.faceforensics import default
from detectors.faceforensics.batches import MARGIN
from detectors.faceforensics.cooccurrence import FEATURES as TRACES
from detectors.faceforensics.listing import read_list
from detectors.faceforensics.own import fit, grid, heat, measure, pairs
from detectors.faceforensics.own.scorer import Scorer
from detectors.faceforensics.own.stretches import find_stretches, measured
from detectors.faceforensics.own.temporal import NAMES, REGIONS
from detectors.faceforensics.own.view import SIDE, WANTED, shown
from detectors.faceforensics.own.whole import Whole
from thsafe.media.faces import FaceFinder
from thsafe.registry import draw_person

PEOPLE = ("ada", "bruno", "greta", "ines")
SWAP = grid.METHODS.index("gradient-swap")


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return draw_person("ada", 200)


@pytest.fixture(scope="module")
def samples(portrait, tmp_path_factory):
    """A clip of each of four people, and one stored fake beside its twin."""
    return read_list(listed(portrait, tmp_path_factory.mktemp("corpus")), "train")


def listed(portrait, root):
    table: dict = {"genuine": {"train": {}}, "engine-say": {"train": {}}, "face-swap": {"train": {}}}
    # four people, as far as a fold is concerned
    looks = (portrait, portrait[:, ::-1], cv2.convertScaleAbs(portrait, alpha=0.8), portrait[:, ::-1, ::-1])
    for person, picture in zip(PEOPLE, looks, strict=True):
        names = []
        for number in range(3):
            name = f"{person}_{number}.png"
            cv2.imwrite(str(root / name), np.roll(picture, number, axis=1))
            names.append(name)
        table["genuine"]["train"][f"drawn-{person}__c0"] = {"label": "genuine", "frames": names}
        if person == "ada":
            cv2.imwrite(str(root / "made.png"), cv2.GaussianBlur(picture, (0, 0), 2))
            table["engine-say"]["train"]["drawn-ada__c0"] = {
                "label": "engine-say", "frames": ["made.png"] * 3, "twins": names,
            }  # fmt: skip
            table["face-swap"]["train"]["drawn-ada__c0"] = {
                "label": "face-swap", "frames": ["made.png"] * 3, "twins": names,
            }  # fmt: skip
    path = root / "dataset_json" / "own.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"own": table}))
    return path


@pytest.fixture(scope="module")
def pools(samples, tmp_path_factory):
    return pairs.make_pools(samples, tmp_path_factory.mktemp("pairs"), seed=3, each=24)


def test_nobody_is_in_two_folds_and_filmed_people_are_in_all() -> None:
    people = [*(f"picture-{number}" for number in range(9)), *(f"film-{number}" for number in range(4))]
    dealt = pairs.dealt(people, 5)
    assert set(dealt) == set(people)
    assert {dealt[name] for name in people if name.startswith("film-")} == set(range(pairs.FOLDS))
    assert sorted(list(dealt.values()).count(number) for number in range(pairs.FOLDS)) == [4, 4, 5]
    assert dealt == pairs.dealt(list(reversed(people)), 5)
    assert dealt != pairs.dealt(people, 6)


def test_pairs_differ_by_what_was_made_and_nobody_is_in_two_pools(pools) -> None:
    assert [pool.pairs.shape for pool in pools] == [(24 + 2, 2, grid.FEATURES)] * pairs.FOLDS
    assert all(pool.methods[24:] == ["gradient-swap"] * 2 for pool in pools)
    seen = [set(pool.people) for pool in pools]
    assert not any(seen[a] & seen[b] for a in range(3) for b in range(a))
    for pool in pools:
        assert np.isfinite(pool.pairs).all()
        assert (np.abs(pool.pairs[:, 1] - pool.pairs[:, 0]).max(axis=1) > 0.05).mean() > 0.9
        # a fake is nearer to its own twin than to anybody else
        own = np.abs(pool.pairs[:, 1] - pool.pairs[:, 0]).mean(axis=1)
        other = np.abs(pool.pairs[:, 1] - np.roll(pool.pairs[:, 0], 1, axis=0)).mean(axis=1)
        assert np.median(own) < np.median(other)


def test_a_pool_without_a_method_has_all_the_others(pools, monkeypatch) -> None:
    monkeypatch.setattr(fit, "_STEPS", 3)
    for pool in pools:
        rest = pool.without(("gradient-swap", "face-swap"))
        assert set(rest.methods) == set(pool.methods) - {"gradient-swap", "face-swap"}
        assert len(rest.pairs) == len(rest.methods) == len(rest.people)
    assert not fit.without(Whole(), rows_of(8), pools, ("gradient-swap",), seed=3).grid.weight[SWAP].any()


def rows_of(count):
    """Rows of chance, half of them swaps joined in gradients."""
    random = np.random.default_rng(4)
    sizes = {"traces": TRACES, "temporal": len(NAMES), "grid": grid.FEATURES}
    return measure.Table(
        parts={name: random.normal(0, 1, (3 * count, size)).astype(np.float32) for name, size in sizes.items()},
        methods=np.array(["genuine", "gradient-swap", "self-blend"] * count),
        people=np.repeat(np.array([f"drawn-{PEOPLE[k % 4]}" for k in range(count)]), 3),
        clips=np.array(["c0"] * 3 * count),
        qualities=np.array(["c23"] * 3 * count),
        faces=np.full(3 * count, 120.0),
    )


def test_what_is_made_anew_meets_the_fates_of_its_twin(portrait, tmp_path) -> None:
    path = listed(portrait, tmp_path)
    found = measure.measure(path, "train", tmp_path / "measured")
    made = found.rows(found.methods == "gradient-swap")
    twin = found.rows((found.methods == "genuine") & (found.people == "drawn-ada"))
    assert set(made.people) == {"drawn-ada"}
    assert made.qualities.tolist() == twin.qualities.tolist()
    assert np.allclose(made.faces, twin.faces, atol=1)
    assert np.abs(made.parts["grid"] - twin.parts["grid"]).max() > 0.1
    again = measure.measure(path, "train", tmp_path / "measured")
    assert np.array_equal(again.parts["grid"], found.parts["grid"])


def test_a_stopped_run_takes_up_what_is_there(samples, tmp_path) -> None:
    first = pairs.make_pools(samples, tmp_path, seed=3, each=2)
    (tmp_path / "pairs-1.npz").unlink()
    kept = (tmp_path / "pairs-0.npz").stat().st_mtime_ns
    again = pairs.make_pools(samples, tmp_path, seed=3, each=2)
    assert (tmp_path / "pairs-0.npz").stat().st_mtime_ns == kept
    assert all(np.array_equal(a.pairs, b.pairs) for a, b in zip(first, again, strict=True))


def test_a_direction_tells_what_it_was_fitted_on_and_a_missing_method_has_none(pools) -> None:
    random = np.random.default_rng(2)
    base = random.normal(0, 1, (300, 1, grid.FEATURES)).astype(np.float32)
    both = np.repeat(base, 2, axis=1) + random.normal(0, 0.1, (300, 2, grid.FEATURES)).astype(np.float32)
    methods = ["face-swap", "engine-dub"] * 150
    both[::2, 1, 7] += 3
    both[1::2, 1, 70] -= 3
    found = grid.fit_directions(both, methods)
    for name, rows in (("face-swap", slice(0, None, 2)), ("engine-dub", slice(1, None, 2))):
        genuine, made = (found.scores(both[rows, side])[:, grid.METHODS.index(name)] for side in (0, 1))
        assert (made > genuine).mean() > 0.95
    assert not found.weight[grid.METHODS.index("up-sampled")].any()
    assert np.abs(found.weight).sum(axis=1).argmax() in {1, 3}


def test_local_statistics_do_not_mind_a_mirror_and_do_mind_a_blur(portrait) -> None:
    view = shown(cv2.resize(portrait, (218, 218)))
    plain = grid.local_statistics(view)
    assert plain.shape == (grid.FEATURES,)
    assert plain.dtype == np.float32
    mirrored = np.abs(grid.local_statistics(np.ascontiguousarray(view[:, ::-1])) - plain)
    blurred = np.abs(grid.local_statistics(cv2.GaussianBlur(view, (0, 0), 1.5)) - plain)
    assert mirrored.mean() < 0.05 < blurred.mean()
    assert np.isfinite(grid.local_statistics(np.zeros_like(view))).all()


@pytest.mark.parametrize("side", [120, 218, 400])
def test_a_view_is_the_middle_of_its_window(side) -> None:
    window = np.zeros((side, side, 3), np.uint8)
    half = round(side * WANTED / MARGIN / 2)
    window[side // 2 - half : side // 2 + half, side // 2 - half : side // 2 + half] = 200
    view = shown(window)
    assert view.shape == (SIDE, SIDE, 3)
    assert view.mean() > 195
    ramp = np.tile(np.linspace(0, 250, side), (side, 1)).astype(np.uint8)[..., None].repeat(3, axis=2)
    seen = shown(ramp)[SIDE // 2, :, 0].astype(float)
    assert seen[0] + seen[-1] == pytest.approx(250, abs=4)
    assert (np.diff(seen) >= 0).all()


def test_a_map_lays_out_what_falls_and_says_how_much_it_leaves_out(portrait) -> None:
    scorer = Scorer.load(default.weights_path())
    frame = cv2.resize(portrait, (320, 320), interpolation=cv2.INTER_CUBIC)
    with FaceFinder() as finder:
        (stretch,) = find_stretches([(0.0, frame)], finder)
    found = measured(stretch)
    regions, cells = heat.shares(scorer, found, moving=False), heat.places(scorer, found, moving=False)
    assert set(regions) == set(REGIONS)
    assert cells.shape == (grid.CELLS, grid.CELLS)
    assert np.allclose(cells, cells[:, ::-1])
    assert (cells >= 0).all()
    # a cell that is usual already has nothing to lose
    usual = scorer.usual[1].reshape(grid.CELLS, grid.CELLS // 2, grid.CHANNELS)
    plain = found["grid"].reshape(usual.shape).copy()
    plain[3, 2] = usual[3, 2]
    assert heat.places(scorer, {**found, "grid": plain.reshape(-1)}, moving=False)[3, 2] == pytest.approx(0, abs=1e-6)
    picture, covered = heat.heat_map(scorer, stretch, found, moving=False)
    assert picture
    assert 0 <= covered <= 1
