"""LivePortrait through the whole path: weights, consent, render, marks, manifest, log; and where points go."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import json
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from generators.arithmetic import Arithmetic
from generators.embedded.filmed import watch
from generators.facevid.appearance import Appearance
from generators.facevid.spade import Decoder
from generators.facevid.warping import Warping
from generators.liveportrait import crop, pipeline
from generators.liveportrait import engine as liveportrait
from generators.liveportrait.motion import MotionExtractor, Movement
from generators.liveportrait.retargeting import Eyes, Lips, Stitching
from generators.liveportrait.transfer import Openings, Transfer
from thsafe import LivePortrait
from thsafe.cli.main import run
from thsafe.core.errors import ConsentRefused, InputError, MissingError, UsageError
from thsafe.core.types import Silent
from thsafe.home import Home
from thsafe.media.faces import find_faces
from thsafe.models import find_card
from thsafe.registry import draw_person
from thsafe.testing import generator_contract

SMALL = 128
"""Pixels: the networks are convolutional, so a quarter of the pixels costs a quarter of the time."""
FILES = {
    "appearance": Appearance,
    "motion": MotionExtractor,
    "warping": partial(Warping, 21),
    "generator": partial(Decoder, upscale=2),
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The five files as the authors lay them out, every tensor drawn from its name."""
    found = importlib.util.spec_from_file_location("computed_weights", Path(__file__).with_name("computed_weights.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("weights")
    for name, make in FILES.items():
        torch.save(module.quick(make), folder / f"{name}.pth")
    small = {
        "retarget_shoulder": module.quick(Stitching),
        "retarget_mouth": {"module." + name: tensor for name, tensor in module.quick(Lips).items()},
        "retarget_eye": module.quick(Eyes),
    }
    torch.save(small, folder / "stitching.pth")
    return {name: folder / f"{name}.pth" for name in (*FILES, "stitching")}


@functools.cache
def drawn(size: int) -> np.ndarray:
    """A person drawn by our own code, once."""
    return draw_person("ada", 384) if size == 384 else cv2.resize(drawn(384), (size, size))


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "drawn.png"
    cv2.imwrite(str(path), drawn(384))
    return path


def film(path: Path, frames: list[np.ndarray], fps: int = 25, *, times: list[int] | None = None) -> Path:
    """A film of BGR pictures; ``times`` in milliseconds."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def swaying(count: int) -> list[np.ndarray]:
    """A drawn person who is pushed about."""
    picture = drawn(320)
    return [
        cv2.warpAffine(picture, np.array([[1, 0, 6 * np.sin(n / 3)], [0, 1, 0]]), (320, 320), borderMode=1)
        for n in range(count)
    ]


def test_a_portrait_moves_and_everything_can_be_asked_about_it(
    weights, home, portrait, tmp_path, capsys, monkeypatch
) -> None:
    driver, out = film(tmp_path / "driver.mp4", swaying(2)), tmp_path / "out.mp4"
    job = {"image": portrait, "driver": driver, "output_path": out}
    assert run(["keys", "new"]) == 0
    with pytest.raises(MissingError):
        LivePortrait().drive(**job)
    for name, path in weights.items():
        card = find_card(f"liveportrait-{name}")
        folder = Home(home).models / card.name
        folder.mkdir(parents=True)
        (folder / card.file).symlink_to(path)
        (folder / "receipt.json").write_text(json.dumps({"sha256": "0" * 64, "accepted": ""}))
    with pytest.raises(ConsentRefused):
        LivePortrait().drive(**job)
    assert not out.exists()
    assert run(["consent", "new", "--self", "--portrait", str(portrait)]) == 0
    full = liveportrait._manner
    monkeypatch.setattr(liveportrait, "_manner", lambda request: dataclasses.replace(full(request), side=SMALL))
    capsys.readouterr()
    command = ["generate", "drive", "--engine", "liveportrait", "--image", str(portrait), "--driver", str(driver)]
    assert run([*command, "-o", str(out), "--device", "cpu", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["labels"]
    assert made["duration"] == pytest.approx(0.08, abs=0.03)

    assert run(["verify", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "disclosed"

    from thsafe.installation import Installation
    from thsafe.provenance.read import read_credentials

    installation = Installation.open(Home(home))
    manifest = json.dumps(dict(read_credentials(out, trust=installation.trust()).raw))
    for words in ("LivePortrait", "trainedAlgorithmicMedia", "inputTo"):
        assert words in manifest, words
    intent = [entry for entry in installation.ledger.entries() if entry.type == "intent"][-1]
    assert intent.event["weights"]["model"] == "liveportrait"


# --------------------------------------------------------------------------------------------- where the points go


def _movement(**changed: Any) -> Movement:
    chance = torch.Generator().manual_seed(3)
    given = {
        "pitch": torch.tensor([2.0]),
        "yaw": torch.tensor([-5.0]),
        "roll": torch.tensor([1.0]),
        "shift": torch.tensor([[0.1, -0.05, 0.3]]),
        "expression": torch.randn(1, 21, 3, generator=chance) * 0.02,
        "scale": torch.tensor([[1.3]]),
        "points": torch.randn(1, 21, 3, generator=chance) * 0.3,
    }
    return Movement(**{**given, **changed})


def _transfer(**options: Any) -> Transfer:
    change = SimpleNamespace(change=lambda source, opening: opening[:, -1:, None].expand(source.shape))
    networks: Any = SimpleNamespace(
        eyes=change, lips=change, stitching=SimpleNamespace(mended=lambda _, points: points)
    )
    return Transfer(networks, _movement(), Openings(eyes=(0.3, 0.3), lips=0.1), **options)


def test_a_driver_at_rest_changes_nothing_whoever_it_is() -> None:
    transfer = _transfer()
    other = _movement(yaw=torch.tensor([20.0]), expression=torch.zeros(1, 21, 3), scale=torch.tensor([[2.0]]))
    for _ in range(2):
        assert torch.allclose(transfer.moved(other, None), transfer.at_rest, atol=1e-5)


def test_what_changes_travels() -> None:
    transfer = _transfer()
    start = _movement(yaw=torch.tensor([20.0]))
    transfer.moved(start, None)
    moved = transfer.moved(dataclasses.replace(start, shift=start.shift + torch.tensor([[0.2, 0.0, 0.5]])), None)
    assert torch.allclose(moved - transfer.at_rest, torch.tensor([0.2, 0.0, 0.0]).expand(1, 21, 3), atol=1e-5)
    turned = transfer.moved(dataclasses.replace(start, yaw=torch.tensor([30.0])), None)
    expected = _movement(yaw=torch.tensor([5.0]), pitch=torch.tensor([2.0])).placed()
    assert float((turned - expected).abs().max()) < 0.05


def test_absolute_half_and_retargeted() -> None:
    driver = _movement(yaw=torch.tensor([15.0]))
    absolute = _transfer(absolute=True)
    assert torch.allclose(absolute.moved(driver, None), driver.placed(), atol=1e-5)
    half = _transfer(absolute=True, multiplier=0.5)
    assert torch.allclose(half.moved(driver, None), (driver.placed() + half.at_rest) / 2, atol=1e-5)
    lips = _transfer(lips=True)
    moved = lips.moved(driver, Openings(eyes=(0.0, 0.0), lips=0.4))
    assert torch.allclose(moved - lips.at_rest, torch.full((1, 21, 3), 0.4), atol=1e-5)


# ------------------------------------------------------------------------------------------------- squares and films


@pytest.mark.parametrize("angle", [0, 25, -40])
def test_a_portraits_square_turns_with_the_face(angle: int) -> None:
    picture = drawn(512)
    turn = cv2.getRotationMatrix2D((256, 256), angle, 0.8)
    turned = cv2.warpAffine(picture, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    marks = find_faces(picture)[0].landmarks
    moved = marks.copy()
    moved[:, :2] = marks[:, :2] @ turn[:, :2].T + turn[:, 2]
    square = crop.portrait_square(moved)
    eyes = moved[[33, 263], :2] @ square.cutting(256)[:, :2].T + square.cutting(256)[:, 2]
    assert abs(eyes[0, 1] - eyes[1, 1]) < 4, "the eyes are level"
    there = np.array([[10.0, 20.0], [200.0, 100.0]])
    way, back = square.cutting(256), square.back(256)
    assert np.allclose((there @ way[:, :2].T + way[:, 2]) @ back[:, :2].T + back[:, 2], there)
    assert square.cut(turned, 256).shape == (256, 256, 3)


def test_each_picture_of_the_output_follows_the_film_in_time(tmp_path) -> None:
    path = film(tmp_path / "in.mkv", swaying(8), times=[0, 40, 80, 400, 440, 480, 520, 560])
    found = watch(path, Silent())
    plan = pipeline._Plan(found, found.person(1).marks, Fraction(25))
    followed = list(plan.followed())
    assert len(followed) == plan.count
    assert followed[:12] == [0, 1, *[2] * 8, 3, 4]
    assert [number for number, _ in plan.pictures(64)] == followed


class _Drawn(SimpleNamespace):
    """In the networks' place: every picture becomes one grey, which tells where the first key point went."""

    def __init__(self) -> None:
        def movement(picture: torch.Tensor) -> Movement:
            level = picture.mean(dim=(1, 2, 3))
            return _movement(shift=torch.stack((level, level, level), dim=1))

        super().__init__(
            device=torch.device("cpu"),
            arithmetic=Arithmetic(),
            appearance=lambda picture: torch.zeros(1, 1, 1, 1, 1),
            motion=movement,
            stitching=SimpleNamespace(mended=lambda _, points: points),
            warping=lambda volume, source, moved: (moved[:, 0, 0], None),
            decoder=lambda features: features[:, None, None, None].sigmoid().expand(-1, 3, 512, 512),
        )


def _drawn(portrait: Path, driver: Path, **manner: Any) -> tuple[Any, Iterator[np.ndarray]]:
    draft = pipeline.render(portrait, driver, _Drawn(), pipeline.Manner(**manner), facts={}, progress=Silent())
    return draft, draft.frames


def test_the_face_moves_inside_its_picture_and_the_rest_stays(tmp_path, portrait) -> None:
    draft, frames = _drawn(portrait, film(tmp_path / "in.mp4", swaying(4)))
    picture = cv2.imread(str(portrait))
    shown = list(frames)
    assert len(shown) == draft.frame_count == 4
    assert draft.sound is None
    left_open, others = _drawn(portrait, tmp_path / "in.mp4")
    next(others)
    assert not torch.is_inference_mode_enabled(), f"left on between pictures of {left_open.frame_count}"
    for frame in shown:
        assert frame.shape == picture.shape
        assert np.array_equal(frame[-1], picture[-1]), "below the shoulders nothing changes"
        assert np.abs(frame[192, 192].astype(int) - picture[192, 192]).max() > 20
    left, top, right, bottom = draft.face_box
    assert 0 < left < 0.5 < right < 1
    assert 0 < top < 0.5 < bottom < 1
    crop_only, squares = _drawn(portrait, tmp_path / "in.mp4", whole=False)
    assert next(squares).shape == (crop_only.height, crop_only.width, 3) == (512, 512, 3)


def test_what_it_yields_can_be_published(tmp_path, portrait) -> None:
    draft, _ = _drawn(portrait, film(tmp_path / "in.mp4", swaying(2)))
    generator_contract.check_stream(draft)


def test_a_driver_who_turns_away_is_waited_for(tmp_path, portrait) -> None:
    pictures = swaying(8)
    for number in (2, 3, 4):
        pictures[number] = np.full_like(pictures[0], 90)
    draft, frames = _drawn(portrait, film(tmp_path / "in.mp4", pictures), whole=False)
    levels = [int(frame[0, 0, 0]) for frame in frames]
    assert len(levels) == draft.frame_count == 8
    assert levels[1] == levels[2] == levels[3]


@pytest.mark.parametrize("hidden", [(), (0, 1)])
def test_a_job_that_was_broken_off_goes_on_with_the_same_pictures(tmp_path, portrait, hidden) -> None:
    pictures = [np.clip(picture.astype(int) + 6 * n, 0, 255).astype(np.uint8) for n, picture in enumerate(swaying(8))]
    for number in hidden:
        pictures[number] = np.full_like(pictures[0], 90)
    driver = film(tmp_path / "in.mp4", pictures)
    whole = list(_drawn(portrait, driver, whole=False)[1])
    assert len({int(frame[0, 0, 0]) for frame in whole}) > 3
    draft, frames = _drawn(portrait, driver, whole=False)
    draft.skip(5)
    assert all((a == b).all() for a, b in zip(frames, whole[5:], strict=True))


def test_odd_pictures_and_transparent_ones(tmp_path) -> None:
    path = tmp_path / "odd.png"
    picture = drawn(384)[:381, :379]
    clear = np.dstack((picture, np.full(picture.shape[:2], 255, np.uint8)))
    clear[:40, :40, 3] = 0
    cv2.imwrite(str(path), clear)
    draft, frames = _drawn(path, film(tmp_path / "in.mp4", swaying(2)))
    assert (draft.height, draft.width) == (380, 378)
    assert next(frames).shape == (380, 378, 3)


def test_what_cannot_be_used_is_said(tmp_path, portrait) -> None:
    person = drawn(320)
    driver = film(tmp_path / "in.mp4", swaying(2))
    for picture, code in (
        (np.full((300, 300, 3), 120, np.uint8), "portrait.no-face"),
        (np.hstack((person, person[:, ::-1])), "portrait.two-faces"),
        (
            cv2.copyMakeBorder(cv2.resize(person, (120, 120)), 60, 60, 60, 60, cv2.BORDER_REPLICATE),
            "portrait.too-small",
        ),
    ):
        cv2.imwrite(str(tmp_path / "odd.png"), picture)
        with pytest.raises(InputError) as caught:
            _drawn(tmp_path / "odd.png", driver)
        assert caught.value.code == code
    empty = film(tmp_path / "empty.mp4", [np.full((320, 320, 3), 90, np.uint8)] * 3)
    for film_, face, code in ((empty, 1, "film.no-face"), (driver, 2, "film.face")):
        with pytest.raises(InputError) as caught:
            _drawn(portrait, film_, face=face)
        assert caught.value.code == code


def test_memory_does_not_grow_with_the_film(tmp_path, portrait) -> None:
    def peak(count: int) -> int:
        driver = film(tmp_path / f"{count}.mp4", swaying(count))
        tracemalloc.start()
        _, frames = _drawn(portrait, driver)
        for _ in frames:
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(4)
    assert peak(36) < peak(12) + 4_000_000, "24 pictures more are 10.6 MB"


@pytest.mark.parametrize("wrong", [{"face": 0}, {"mode": "resize"}, {"multiplier": 3.0}, {"fps": 0}])
def test_arguments_out_of_range_are_said(home, wrong) -> None:
    with pytest.raises(UsageError) as caught:
        LivePortrait(home=Home(home)).drive(image="i", driver="d", output_path="o", **wrong)
    assert caught.value.code == "engine.parameter"
