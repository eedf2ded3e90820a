"""SadTalker through the whole path: weights or checkout, consent, render, marks, manifest, log."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import json
import tracemalloc
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from generators import pace
from generators.arithmetic import Arithmetic
from generators.facevid.appearance import Appearance
from generators.facevid.spade import Decoder
from generators.facevid.warping import Warping
from generators.pictures import Batches
from generators.sadtalker import engine as sadtalker
from generators.sadtalker import performance, pipeline
from generators.sadtalker.coefficients import Reconstruction
from generators.sadtalker.framing import Mode
from generators.sadtalker.keypoints import KeyPoints, Mapping, Turn
from generators.sadtalker.listening import Expression, HeadPose
from thsafe import SadTalker
from thsafe.cli.main import run
from thsafe.core.errors import ConsentRefused, InputError, MissingError, UsageError
from thsafe.core.types import Silent
from thsafe.home import Home
from thsafe.models import find_card
from thsafe.registry import draw_person
from thsafe.testing import generator_contract

SMALL = 128
"""Pixels: the networks are convolutional, so a quarter of the pixels costs a quarter of the time."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both files as the authors lay them out, every tensor drawn from its name."""
    found = importlib.util.spec_from_file_location("computed_weights", Path(__file__).with_name("computed_weights.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    main = {}
    for make, prefix in (
        (Expression, "audio2exp."),
        (HeadPose, "audio2pose."),
        (Reconstruction, "face_3drecon."),
        (KeyPoints, "kp_extractor."),
        (Appearance, "generator."),
        (partial(Warping, 15), "generator."),
        (Decoder, "generator.decoder."),
    ):
        main |= {prefix + name: tensor for name, tensor in module.quick(make).items()}
    folder = tmp_path_factory.mktemp("weights")
    save_file(main, folder / "main.safetensors")
    mapping = {"mapping": module.quick(partial(Mapping, 73)), "optimizer": {"state": {0: {"step": 3}}}}
    torch.save(mapping, folder / "mapping.pth.tar")
    return folder / "main.safetensors", folder / "mapping.pth.tar"


@functools.cache
def drawn(size: int) -> np.ndarray:
    """A person drawn by our own code, once."""
    return draw_person("ada", 384) if size == 384 else cv2.resize(drawn(384), (size, size))


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "drawn.png"
    cv2.imwrite(str(path), drawn(384))
    return path


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    times = np.arange(round(0.08 * 44100)) / 44100
    tone = 0.3 * np.sin(2 * np.pi * 200 * times)
    soundfile.write(path, np.stack((tone, tone), axis=1), 44100)
    return path


def install(home: Path, **files: Path) -> None:
    """Weights of another content than the cards pin cannot be pulled; the tests lay them where pull would."""
    for name, path in files.items():
        card = find_card(name.replace("_", "-"))
        folder = Home(home).models / card.name
        folder.mkdir(parents=True)
        (folder / card.file).symlink_to(path)
        (folder / "receipt.json").write_text(json.dumps({"sha256": "0" * 64, "accepted": ""}))


def test_a_portrait_speaks_and_everything_can_be_asked_about_it(
    weights, home, portrait, voice, tmp_path, capsys, monkeypatch
) -> None:
    out = tmp_path / "out.mp4"
    job = {"source_image": portrait, "audio_file": voice, "output_path": out, "mode": "full", "still": True}
    assert run(["keys", "new"]) == 0
    with pytest.raises(MissingError) as missing:
        SadTalker().animate(**job)
    assert "thsafe models pull sadtalker-256" in missing.value.next_step
    install(home, sadtalker_256=weights[0], sadtalker_mapping_full=weights[1])
    with pytest.raises(ConsentRefused):
        SadTalker().animate(**job)
    assert not out.exists()
    assert run(["consent", "new", "--self", "--portrait", str(portrait)]) == 0
    full = sadtalker._manner
    monkeypatch.setattr(sadtalker, "_manner", lambda request: dataclasses.replace(full(request), size=SMALL))
    made = SadTalker().animate(**job)
    assert made.duration == pytest.approx(0.08, abs=0.03)
    assert made.decision.obligations.labels
    capsys.readouterr()

    assert run(["verify", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "disclosed"
    found = {item["check"]: item for item in report["evidence"]}
    assert found["log"]["code"] == "IDENTICAL"

    from thsafe.installation import Installation
    from thsafe.provenance.read import read_credentials

    installation = Installation.open(Home(home))
    manifest = json.dumps(dict(read_credentials(out, trust=installation.trust()).raw))
    for words in ("SadTalker 0.0.2", "compositeWithTrainedAlgorithmicMedia", "inputTo"):
        assert words in manifest, words
    assert "drawn" not in manifest
    intent = [entry for entry in installation.ledger.entries() if entry.type == "intent"][-1]
    assert intent.event["weights"]["model"] == "sadtalker-256+sadtalker-mapping-full"
    assert len(intent.event["weights"]["sha256"]) == 64


# -------------------------------------------------------------------------------------------- from files to frames


class _Drawn(SimpleNamespace):
    """In the networks' place: each picture is one grey, which tells the turn or the expression of its coefficients."""

    def __init__(self, *, whole: bool = False) -> None:
        super().__init__(
            device=torch.device("cpu"),
            arithmetic=Arithmetic(),
            whole=whole,
            expression=lambda heard, start, lids: start + lids,
            pose=_Head(),
            reconstruction=lambda picture: torch.full((1, 257), float(picture.mean())),
            key_points=lambda picture: torch.zeros(1, 15, 3),
            mapping=self._map,
            appearance=lambda picture: torch.zeros(1, 1, 1, 1, 1),
            warping=lambda volume, source, moved: (moved[:, 0, 0], None),
            decoder=lambda features: features[:, None, None, None].sigmoid().expand(-1, 3, 256, 256),
        )
        self.seen: list[torch.Tensor] = []

    def _map(self, window: torch.Tensor) -> Turn:
        self.seen.append(window)
        count = len(window)
        flat = torch.zeros(count, 66)
        deformation = window[:, 0, 13, None, None].expand(count, 15, 3)
        return Turn(yaw=flat, pitch=flat, roll=flat, shift=torch.zeros(count, 3), deformation=deformation)


class _Head:
    """In the head pose's place: the latent's first number, for the whole block."""

    def hear(self, heard: torch.Tensor) -> torch.Tensor:
        return heard.mean(dim=(1, 2, 3))[:, None].expand(-1, 512)

    def __call__(self, latent: torch.Tensor, heard: torch.Tensor, reference: torch.Tensor, style: int) -> torch.Tensor:
        assert heard.shape == (1, 32, 512)
        return latent[:, :1, None].expand(1, 32, 6) + style


def sound(path: Path, seconds: float, *, rate: int = 16000, channels: int = 1, silent: bool = False) -> Path:
    times = np.arange(round(seconds * rate)) / rate
    wave = np.zeros_like(times) if silent else 0.4 * np.sin(2 * np.pi * 300 * times) * (times % 0.5 < 0.25)
    soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
    return path


def render(portrait: Path, voice: Path, networks: _Drawn | None = None, **manner: Any) -> Any:
    manner.setdefault("mode", Mode.CROP)
    return pipeline.render(
        portrait, voice, networks or _Drawn(), pipeline.Manner(**manner), facts={}, progress=Silent()
    )


@pytest.mark.parametrize(
    ("seconds", "rate", "channels"),
    [(0.01, 16000, 1), (0.5, 8000, 2), (1.3, 44100, 6), (0.82, 96000, 1), (2.0, 22050, 1)],
)
def test_every_voice_gives_as_many_pictures_as_it_lasts(portrait, tmp_path, seconds, rate, channels) -> None:
    draft = render(portrait, sound(tmp_path / "v.wav", seconds, rate=rate, channels=channels))
    frames = list(draft.frames)
    assert len(frames) == draft.frame_count == max(1, round(seconds * 25))
    heard = np.concatenate(list(draft.sound))
    assert heard.shape == (round(len(frames) / 25 * pipeline.RATE), 1 if channels == 1 else 2)


def test_what_it_yields_can_be_published(portrait, tmp_path) -> None:
    generator_contract.check_stream(render(portrait, sound(tmp_path / "v.wav", 0.2)))


def test_a_job_that_was_broken_off_goes_on_with_the_same_pictures(portrait, tmp_path) -> None:
    voice = sound(tmp_path / "v.wav", 0.4)
    whole = list(render(portrait, voice, seed=3).frames)
    networks = _Drawn()
    draft = render(portrait, voice, networks, seed=3)
    draft.skip(6)
    assert all((a == b).all() for a, b in zip(draft.frames, whole[6:], strict=True))
    assert len(networks.seen) == 1 + len(whole) - 6, "the portrait at rest, and what was not drawn yet"


def test_silence_speaks_too(portrait, tmp_path) -> None:
    assert len(list(render(portrait, sound(tmp_path / "v.wav", 1, silent=True)).frames)) == 25


@pytest.mark.parametrize("mode", list(Mode))
def test_the_modes_and_what_comes_out(portrait, tmp_path, mode) -> None:
    wide = cv2.copyMakeBorder(drawn(384)[:381], 0, 0, 100, 101, cv2.BORDER_REPLICATE)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    draft = render(
        tmp_path / "wide.png", sound(tmp_path / "v.wav", 0.1), _Drawn(whole=mode.whole), mode=mode, still=True
    )
    frame = next(draft.frames)
    assert frame.shape == (draft.height, draft.width, 3)
    assert draft.width % 2 == draft.height % 2 == 0
    left, top, right, bottom = draft.face_box
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    if mode.whole:
        assert (draft.height, draft.width) == (380, 584)
        assert np.array_equal(frame[:, :60], wide[:380, :60]), "beside the square nothing changes"
    elif mode is Mode.RESIZE:
        assert draft.height == 256
        assert draft.width == pytest.approx(256 * 585 / 381, abs=2)
    else:
        assert 0.8 < draft.width / draft.height < 1.25


def test_whole_pictures_know_the_crops_place(portrait, tmp_path) -> None:
    for mode, coefficients in ((Mode.CROP, 70), (Mode.FULL, 73)):
        networks = _Drawn(whole=mode.whole)
        list(render(portrait, sound(tmp_path / "v.wav", 0.1), networks, mode=mode).frames)
        assert {window.shape[1:] for window in networks.seen} == {(coefficients, 27)}


def test_the_seed_decides_and_a_still_head_keeps_still(portrait, tmp_path) -> None:
    voice = sound(tmp_path / "v.wav", 4)

    def poses(**manner: Any) -> np.ndarray:
        networks = _Drawn()
        list(render(portrait, voice, networks, **manner).frames)
        return np.stack([window[0, :, 13].numpy() for window in networks.seen[1:]])

    first = poses(seed=1)
    assert np.array_equal(first, poses(seed=1))
    assert not np.array_equal(first[:, 64:], poses(seed=2)[:, 64:])
    assert np.ptp(poses(seed=-5, still=True)[:, 64:]) == 0
    assert np.allclose(poses(seed=1, style=3)[1:, 64:] - first[1:, 64:], 3, atol=1.5)
    louder = poses(seed=1, expression_scale=2.0)
    assert np.allclose(louder[:, :64], 2 * first[:, :64], atol=1e-5)


def test_blinks_are_pulses_of_five_pictures() -> None:
    lids = performance.blinks(500, 3)
    assert {round(lid, 2) for lid in lids.tolist()} <= {0.0, 0.5, 0.9, 1.0}
    shut = np.flatnonzero(lids == 1.0)
    assert 4 <= len(shut) <= 40
    for place in shut:
        assert np.allclose(lids[place - 2 : place + 3], (0.5, 0.9, 1.0, 0.9, 0.5))
    assert not any(performance.blinks(count, 1).any() for count in range(1, 22))


def test_turns_are_passed_at_one_speed() -> None:
    angles = pipeline._angles(((-10.0, 10.0, 0.0), (5.0,), ()), 31)
    assert np.isnan(angles[:, 2]).all()
    assert (angles[:, 1] == 5).all()
    assert np.allclose(np.abs(np.diff(angles[:, 0])), 1, atol=1e-4)
    assert pipeline._angles(((), (), ()), 5) is None


def test_a_film_lends_head_motion_and_blinks(portrait, tmp_path) -> None:
    import av

    pictures = [np.clip(drawn(256).astype(int) + 3 * number, 0, 255).astype(np.uint8) for number in range(6)]
    with av.open(str(tmp_path / "film.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        for picture in [np.full_like(pictures[0], 90), *pictures]:  # the face comes in with the second picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        container.mux(stream.encode())
    voice = sound(tmp_path / "v.wav", 0.4)
    networks = _Drawn()
    film = tmp_path / "film.mp4"
    list(render(portrait, voice, networks, head=film, lids=film, seed=4).frames)
    borrowed = np.stack([window[0, :, 13].numpy() for window in networks.seen[1:]])
    plain = _Drawn()
    list(render(portrait, voice, plain, seed=4).frames)
    own = np.stack([window[0, :, 13].numpy() for window in plain.seen[1:]])
    lent = borrowed[:, 64] - own[:, 64]
    assert lent[0] == lent[1] == 0
    assert (np.diff(lent[1:7]) > 0).all()
    assert lent[7] == 0, "a film shorter than the voice starts again"
    assert (np.diff(borrowed[1:7, 0]) > 0).all()

    with av.open(str(tmp_path / "empty.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full_like(pictures[0], 90), "bgr24")))
        container.mux(stream.encode())
    with pytest.raises(InputError) as caught:
        render(portrait, voice, head=tmp_path / "empty.mp4")
    assert caught.value.code == "film.no-face"


def test_what_cannot_be_used_is_said(tmp_path, portrait) -> None:
    voice = sound(tmp_path / "v.wav", 0.2)
    small = cv2.copyMakeBorder(drawn(110), 80, 80, 80, 80, cv2.BORDER_REPLICATE)
    for picture, code in (
        (np.full((300, 300, 3), 120, np.uint8), "portrait.no-face"),
        (np.hstack((drawn(320), drawn(320)[:, ::-1])), "portrait.two-faces"),
        (small, "portrait.too-small"),
    ):
        cv2.imwrite(str(tmp_path / "odd.png"), picture)
        with pytest.raises(InputError) as caught:
            render(tmp_path / "odd.png", voice)
        assert caught.value.code == code
    (tmp_path / "empty.wav").write_bytes(voice.read_bytes()[:44])
    with pytest.raises(InputError):
        render(portrait, tmp_path / "empty.wav")


def test_a_turned_photograph_is_seen_upright(tmp_path) -> None:
    from PIL import Image

    upright = Image.fromarray(np.ascontiguousarray(drawn(384)[:, :, ::-1]))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    draft = render(tmp_path / "turned.jpg", sound(tmp_path / "v.wav", 0.1))
    assert 0.8 < draft.width / draft.height < 1.25


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "head"}, {"size": 300}, {"pose_style": 46}, {"expression_scale": -1}, {"yaw": (float("nan"),)}],
)
def test_arguments_out_of_range_are_said(home, wrong) -> None:
    with pytest.raises(UsageError) as caught:
        SadTalker(home=Home(home)).animate(source_image="i", audio_file="a", output_path="o", **wrong)
    assert caught.value.code == "engine.parameter"


def test_an_enhancer_needs_a_checkout(home) -> None:
    with pytest.raises(UsageError) as caught:
        SadTalker(home=Home(home), enhancer="gfpgan").require()
    assert caught.value.code == "engine.enhancer"
    with pytest.raises(UsageError):
        SadTalker(home=Home(home), enhancer="codeformer")


def test_memory_does_not_grow_with_the_voice(portrait, tmp_path) -> None:
    def peak(seconds: float) -> int:
        voice = sound(tmp_path / "v.wav", seconds)
        tracemalloc.start()
        draft = render(portrait, voice, still=True)
        for _ in draft.frames:
            pass
        for _ in draft.sound:
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    assert peak(16) < peak(8) + 4_000_000, "two hundred pictures more are 39 MB"


def test_a_slow_engine_says_how_long_it_will_take(monkeypatch) -> None:
    said: list[str] = []
    progress: Any = SimpleNamespace(note=said.append)

    def three(count: int) -> Batches[int]:
        return Batches(range(3), lambda numbers: [np.zeros((2, 2, 3), np.uint8)] * len(numbers), size=1, count=count)

    ticks = iter((0.0, 14.0))
    monkeypatch.setattr(pace.time, "monotonic", lambda: next(ticks))
    assert len(list(pace.paced(three(251), progress))) == 3
    assert said == ["251 pictures at 14.0 s each: about 58 min"]
    ticks = iter((0.0, 0.1))
    list(pace.paced(three(251), progress))
    assert len(said) == 1
    ticks = iter((0.0, 14.0))
    late = three(251)
    late.skip(1)
    list(pace.paced(late, progress))
    assert said[-1].startswith("250 pictures"), "what was drawn before is not counted"
