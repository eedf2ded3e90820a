"""LSE-D and LSE-C: the sound's coefficients, the network, the score, and whole films."""

from __future__ import annotations

import importlib.util
import json
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from detectors.lipsync import evaluate, faces, network
from detectors.lipsync.mfcc import as_pcm, mfcc
from detectors.lipsync.score import score
from thsafe.cli.main import run
from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import Silent
from thsafe.home import Home
from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr
from thsafe.models import find_card
from thsafe.registry import draw_person, drawn_person_digests

RATE = 16000
SIDE = 256


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="session")
def recorded(shared_data):
    folder = shared_data.parent / "specs" / "wav2lip"
    if not folder.is_dir():
        pytest.skip("no recorded outputs of the authors' code")
    return folder


def _module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The sound


def slow_mfcc(samples):
    """The same by the book, frame by frame and sum by sum."""
    signal = np.array(samples, float)
    signal[1:] = signal[1:] - 0.97 * np.array(samples[:-1], float)
    rows = []
    start = 0
    while not rows or start - 160 + 400 < len(signal):
        frame = np.zeros(512)
        part = signal[start : start + 400]
        frame[: len(part)] = part
        power = np.abs(np.fft.fft(frame)[:257]) ** 2 / 512
        edges = [700 * (10 ** (2840.0230467083188 * n / 27 / 2595) - 1) for n in range(28)]
        bins = [int(513 * hertz / 16000) for hertz in edges]
        logs = []
        for n in range(26):
            left, middle, right = bins[n : n + 3]
            total = sum(power[k] * (k - left) / (middle - left) for k in range(left, middle))
            total += sum(power[k] * (right - k) / (right - middle) for k in range(middle, right))
            logs.append(np.log(total or np.finfo(float).eps))
        row = []
        for order in range(13):
            wave = sum(value * np.cos(np.pi * order * (2 * n + 1) / 52) for n, value in enumerate(logs))
            scale = np.sqrt(1 / 26) if order == 0 else np.sqrt(2 / 26)
            row.append(wave * scale * (1 + 11 * np.sin(np.pi * order / 22)))
        row[0] = np.log(power.sum() or np.finfo(float).eps)
        rows.append(row)
        start += 160
    return np.array(rows)


@pytest.mark.parametrize("count", [1, 399, 400, 401, 560, 561, 3200])
def test_the_coefficients_are_those_of_the_book(count):
    rng = np.random.default_rng(count)
    samples = as_pcm((0.3 * rng.standard_normal(count) * np.sin(np.arange(count) / 50)).astype(np.float32))
    assert np.allclose(mfcc(samples), slow_mfcc(samples), atol=1e-9)


def test_silence_has_finite_coefficients():
    found = mfcc(np.zeros(1600, np.int16))
    assert np.isfinite(found).all()
    assert np.ptp(found, axis=0).max() == 0


def test_samples_are_those_of_a_16_bit_file():
    whole = np.arange(-32768, 32768, dtype=np.int64)
    assert (as_pcm((whole / 32768).astype(np.float32)) == whole).all()
    assert as_pcm(np.array([1.5, 1.0, -1.5], np.float32)).tolist() == [32767, 32767, -32768]


@pytest.mark.shared
def test_the_coefficients_are_those_of_python_speech_features(recorded):
    samples = (_module(recorded / "test_signal.py").test_signal() * 32767).astype(np.int16)
    assert np.abs(mfcc(samples) - np.load(recorded / "parity_mel.npz")["mfcc_psf06"]).max() < 1e-9
    assert np.abs(mfcc(samples[:19200]) - np.load(recorded / "parity_syncnet_v2.npz")["mfcc"]).max() < 1e-9


# The network


def drawn_weights(seed=0):
    """Weights from a seed, scaled so that signals neither die nor grow."""
    tensors = {}
    for number, (name, shape) in enumerate(network.shapes().items()):
        chance = torch.Generator().manual_seed(1000 * seed + number)
        last = name.rpartition(".")[2]
        if last == "num_batches_tracked":
            tensors[name] = torch.tensor(1)
        elif last == "running_var" or (last == "weight" and len(shape) == 1):
            tensors[name] = 0.8 + 0.4 * torch.rand(shape, generator=chance)
        elif len(shape) > 1:
            fan = int(np.prod(shape[1:]))
            tensors[name] = (2 * torch.rand(shape, generator=chance) - 1) * (6 / fan) ** 0.5
        else:
            tensors[name] = 0.1 * torch.rand(shape, generator=chance)
    return tensors


@pytest.fixture(scope="module")
def syncnet():
    return network.SyncNet(drawn_weights())


@pytest.mark.shared
def test_names_shapes_and_layers_are_those_of_the_published_weights(recorded):
    listed = json.loads((recorded / "spec_syncnet_v2.json").read_text())
    assert list(network.shapes().items()) == [(name, tuple(shape)) for name, shape, _ in listed["state_dict"]]
    assert sum(int(np.prod(shape)) for name, shape in network.shapes().items() if "running" not in name
               and "num_batches" not in name) == listed["parameters"]  # fmt: skip
    layers = dict(listed["layers"])
    for name, layer in network._blank().named_modules():
        if name in layers and "Norm" not in layers[name] and "ReLU" not in layers[name]:
            assert _plain(repr(layer)) == _plain(layers[name])


def _plain(words):
    """A layer in words, defaults and ways of writing apart."""
    words = words.replace("(1, 1, 1)", "1").replace("kernel_size=3,", "kernel_size=(3, 3),")
    return words.replace("stride=2,", "stride=(2, 2),")


@pytest.mark.shared
def test_the_sound_side_gives_what_the_authors_network_gives(recorded):
    rule = _module(recorded / "detinit.py").rule
    known = np.load(recorded / "parity_syncnet_v2.npz")
    network_ = network.SyncNet({name: rule(name, shape, None) for name, shape in network.shapes().items()})
    windows = np.stack([known["mfcc"][4 * number : 4 * number + 20] for number in range(3)]).astype(np.float32)
    assert np.abs(network_.sounds(torch.from_numpy(windows)).numpy() - known["aud_feat"]).max() < 1e-4


@pytest.mark.shared
def test_the_lip_side_gives_what_the_authors_table_of_layers_gives(recorded):
    """Their pictures are not known, but their layers are: each built as it is written down, on pictures of chance."""
    rule = _module(recorded / "detinit.py").rule
    weights = {name: rule(name, shape, None) for name, shape in network.shapes().items()}
    layers = json.loads((recorded / "spec_syncnet_v2.json").read_text())["layers"]
    pictures = np.random.default_rng(4).integers(0, 256, (6, 224, 224, 3), dtype=np.uint8)
    clip = torch.from_numpy(pictures.astype(np.float32).transpose(3, 0, 1, 2))[None]
    with torch.inference_mode():
        for side in ("netcnnlip", "netfclip"):
            for name, words in layers:
                if name.startswith(f"{side}."):
                    layer = eval(words, vars(torch.nn).copy()).eval()
                    own = {key.removeprefix(f"{name}."): value for key, value in weights.items()
                           if key.startswith(f"{name}.")}  # fmt: skip
                    layer.load_state_dict(own)
                    clip = layer(clip)
            if side == "netcnnlip":
                clip = clip[0].flatten(2).permute(1, 0, 2).flatten(1)
    found = network.SyncNet(weights).lips(torch.from_numpy(pictures))
    assert found.shape == clip.shape == (2, 1024)
    assert float((found - clip).abs().max()) < 1e-3 * float(clip.abs().max())


def test_every_layer_of_both_sides_has_its_size(syncnet):
    seen, heard = torch.zeros(1, 3, 6, 224, 224), torch.zeros(2, 1, 13, 20)
    sizes = []
    with torch.inference_mode():
        for layer in syncnet._network["netcnnlip"]:
            seen = layer(seen)
            sizes.append(tuple(seen.shape[1:]))
        for layer in syncnet._network["netcnnaud"]:
            heard = layer(heard)
    pools = [sizes[place] for place in (0, 3, 4, 7, 17, 18)]
    assert pools == [(96, 2, 109, 109), (96, 2, 54, 54), (256, 2, 26, 26), (256, 2, 13, 13), (256, 2, 6, 6),
                     (512, 2, 1, 1)]  # fmt: skip
    assert heard.shape == (2, 512, 1, 1)


def test_a_stretch_gives_what_its_windows_give(syncnet):
    stretch = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8))
    whole = syncnet.lips(stretch)
    single = torch.cat([syncnet.lips(stretch[start : start + 5]) for start in range(4)])
    assert whole.shape == (4, 1024)
    assert torch.allclose(whole, single, rtol=1e-4, atol=1e-3)
    assert float((whole[0] - whole[1]).abs().max()) > 1e-2


@pytest.mark.parametrize("harm", ["missing", "more", "shape"])
def test_other_weights_are_refused(harm):
    weights = {name: torch.zeros(shape) for name, shape in network.shapes().items()}
    if harm == "missing":
        del weights["netfcaud.3.weight"]
    elif harm == "more":
        weights["extra"] = torch.zeros(1)
    else:
        weights["netfclip.0.bias"] = torch.zeros(5)
    with pytest.raises(InputError) as caught:
        network.SyncNet(weights)
    assert caught.value.code == "model.other-network"
    assert {"missing": "netfcaud.3.weight", "more": "extra", "shape": "netfclip.0.bias"}[harm] in caught.value.found


# The score


def test_the_score_is_that_of_the_definition():
    rng = np.random.default_rng(2)
    lips, sounds = rng.standard_normal((2, 30, 7)).astype(np.float32)
    means = []
    for shift in range(-15, 16):
        total = 0.0
        for number in range(30):
            other = sounds[number + shift] if 0 <= number + shift < 30 else np.zeros(7)
            total += np.sqrt(np.sum((lips[number].astype(float) - other + 1e-6) ** 2))
        means.append(total / 30)
    found = score(lips, sounds)
    assert found.distance == pytest.approx(min(means), abs=1e-9)
    assert found.confidence == pytest.approx(sorted(means)[15] - min(means), abs=1e-9)
    assert found.offset == -(np.argmin(means) - 15)
    assert found.windows == 30


@pytest.mark.parametrize("shift", [-14, -3, 0, 5, 14])
def test_the_offset_is_positive_where_the_sound_runs_ahead(shift):
    track = np.random.default_rng(3).standard_normal((200, 16)).astype(np.float32)
    found = score(track[50:150], track[50 + shift : 150 + shift])
    assert found.offset == shift
    assert found.inside


# Films


class Mouthpiece:
    """In place of SyncNet: the brightness of the crop's lower end against the loudness of the sound."""

    _far = 1.0
    """A second coordinate that both sides share, so that the zeros beyond the ends are far from everything."""

    def lips(self, stretch):
        bright = stretch[:, 188:215, 90:134].float().mean(dim=(1, 2, 3)) / 64 - 2
        return self._points(torch.stack([bright[start : start + 5].mean() for start in range(len(bright) - 4)]))

    def sounds(self, windows):
        loud = windows[:, :, 0].mean(dim=1)
        return self._points((loud - loud.mean()) / loud.std() * 0.5)

    def _points(self, values):
        return torch.stack([values, torch.full_like(values, self._far)], dim=1)


def wave(seconds):
    """-1 to 1, never the same within a second."""
    return 0.6 * np.sin(2 * np.pi * 1.3 * seconds) + 0.4 * np.sin(2 * np.pi * 0.37 * seconds + 1)


@pytest.fixture(scope="module")
def portraits():
    person = draw_person(min(drawn_person_digests()), SIDE)
    return [person, np.ascontiguousarray(person[:, ::-1])]


def film(path, pictures, *, fps=Fraction(25), seconds=2.6, delay=0.0, sound_seconds=None, loudness=0.1):
    """People side by side; a patch under the first one's chin shines as the sound is loud, ``delay`` s later."""
    count = round(seconds * fps)
    length = seconds if sound_seconds is None else sound_seconds
    times = np.arange(round(length * RATE)) / RATE
    rng = np.random.default_rng(1)
    sound = (loudness * rng.standard_normal(times.size) * np.exp(1.2 * wave(times - delay) - 1.2)).astype(np.float32)
    height, width = pictures[0].shape[0], sum(picture.shape[1] for picture in pictures)
    with Mp4Writer(path, width=width, height=height, fps=fps, sample_rate=RATE if length else 0, channels=1) as out:
        for number in range(count):
            frame = np.hstack(pictures)
            shade = 128 + 64 * wave(number / float(fps))
            cv2.rectangle(frame, (95, 174), (165, 255), (shade, shade, shade), -1)
            out.write_picture(i420_from_bgr(frame))
        if length:
            out.write_sound(sound[:, None])
    return path


def measured(path, **more):
    return evaluate.measure(path, Mouthpiece(), progress=Silent(), **more)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(12), Fraction(50)])
def test_what_belongs_together_is_found_in_place_at_any_rate(tmp_path, portraits, fps):
    found = measured(film(tmp_path / "a.mp4", portraits[:1], fps=fps))
    assert abs(found["offset"]) <= 1
    assert found["pictures"] == pytest.approx(65, abs=2)
    (face,) = found["faces"]
    assert (face["from"], face["to"]) == (0.0, pytest.approx(2.6, abs=0.09))
    assert face["lse_c"] > 0.2
    assert "less than 4 s" in face["notes"][-1]


@pytest.mark.parametrize("delay", [0.2, -0.2])
def test_late_sound_is_a_negative_offset(tmp_path, portraits, delay):
    found = measured(film(tmp_path / "a.mp4", portraits[:1], delay=delay))
    assert found["offset"] == pytest.approx(-delay * 25, abs=1)
    assert found["faces"][0]["offset_ms"] == found["offset"] * 40


def test_two_faces_are_measured_apart(tmp_path, portraits):
    path = film(tmp_path / "two.mp4", portraits)
    found = measured(path)
    assert [face["face"] for face in found["faces"]] == [1, 2]
    distances = sorted(face["lse_d"] for face in found["faces"])
    assert distances[0] < distances[1]
    second = measured(path, face=2)
    assert second["faces"] == [found["faces"][1]]
    assert second["lse_d"] == found["faces"][1]["lse_d"]
    with pytest.raises(UsageError) as caught:
        measured(path, face=3)
    assert caught.value.code == "lipsync.face"


def test_silence_is_refused(tmp_path, portraits):
    with pytest.raises(InputError) as caught:
        measured(film(tmp_path / "a.mp4", portraits[:1], loudness=0.0))
    assert caught.value.code == "lipsync.silent"


def test_a_film_without_sound_is_refused(tmp_path, portraits):
    with pytest.raises(InputError) as caught:
        measured(film(tmp_path / "a.mp4", portraits[:1], sound_seconds=0.0))
    assert caught.value.code == "input.no-sound"


def test_a_film_without_a_face_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    with pytest.raises(InputError) as caught:
        measured(film(tmp_path / "a.mp4", [noise]))
    assert caught.value.code == "lipsync.no-face"


@pytest.mark.parametrize(("picture", "sound"), [(1.0, 1.0), (2.6, 0.6)])
def test_too_little_of_either_is_refused(tmp_path, portraits, monkeypatch, picture, sound):
    path = film(tmp_path / "a.mp4", portraits[:1], seconds=picture)
    whole = evaluate.load_sound(path, rate=RATE)
    monkeypatch.setattr(evaluate, "load_sound", lambda *_, **__: whole[: round(sound * RATE)])
    with pytest.raises(InputError) as caught:
        measured(path)
    assert caught.value.code == "lipsync.short"
    assert "s of sound" in caught.value.found or "pictures" in caught.value.found


def test_a_face_at_the_edge_is_filled_up_with_grey():
    frame = np.zeros((100, 100, 3), np.uint8)
    crop = faces.cut_out(frame, np.array([40.0, 10.0, 50.0]))
    assert crop.shape == (224, 224, 3)
    assert (crop[100, 5] == 110).all()
    assert (crop[100, 200] == 0).all()
    assert (faces.cut_out(frame, np.array([5.0, -500.0, 50.0])) == 110).all()


def test_faces_keep_their_tracks_when_they_come_closer_and_go():
    live, tracks = [], []
    for number in range(14):
        boxes = [(10.0 + number, 0.0, 50.0 + number, 40.0), (150.0 - number, 0.0, 190.0 - number, 40.0)]
        faces._enter(number, boxes[:: 1 if number % 2 else -1] if number != 5 else boxes[:1], live, tracks)
    assert len(tracks) == 2
    assert sorted(len(track.boxes) for track in tracks) == [13, 14]
    short = min(tracks, key=lambda track: len(track.boxes))
    assert short.length == 14
    assert short.squares().shape == (14, 3)


# The command


@pytest.fixture
def installed(home):
    card = find_card("syncnet-v2")
    path = Home(home).models / card.name / card.file
    path.parent.mkdir(parents=True)
    torch.save(drawn_weights(), path)
    return path


def test_the_command_shows_the_anchor_beside_the_figures(installed, tmp_path, portraits, capsys):
    path = film(tmp_path / "talk.mp4", portraits[:1], seconds=2.1)
    assert run(["evaluate", "lipsync", str(path), str(tmp_path / "missing.mp4"), "--json"]) == 50
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["schema"] == "thsafe.lipsync/1"
    assert found["anchor"]["lse_d"] == 6.736
    first, second = found["files"]
    assert first["lse_d"] > 0
    assert first["faces"][0]["windows"] == pytest.approx(47, abs=2)
    assert second["error"].startswith("input.")
    assert err == ""


def test_an_anchor_of_ones_own_is_measured_too(monkeypatch, home, tmp_path, portraits, capsys):
    class Meter:
        published_anchor = evaluate.PUBLISHED_ANCHOR

        def measure(self, path, *, progress, face=None, voice=None):
            return evaluate.measure(path, Mouthpiece(), progress=progress, face=face, voice=voice)

    monkeypatch.setattr("thsafe.registry.lipsync_meter", lambda *_, **__: Meter())
    real, late = film(tmp_path / "real.mp4", portraits[:1]), film(tmp_path / "late.mp4", portraits[:1], delay=0.2)
    assert run(["evaluate", "lipsync", str(late), "--anchor", str(real)]) == 0
    out = capsys.readouterr().out
    assert out.index("real.mp4") < out.index("late.mp4, face 1")
    assert "offset -" in out
    assert "Better than real speech is no better" in out


def test_without_weights_the_command_that_brings_them_is_named(home, tmp_path, capsys):
    assert run(["evaluate", "lipsync", str(tmp_path / "a.mp4")]) == 31
    assert "thsafe models pull syncnet-v2" in capsys.readouterr().err


def test_a_web_page_in_place_of_weights_is_named(installed, tmp_path, capsys):
    installed.write_text("<html>not found</html>")
    assert run(["evaluate", "lipsync", str(tmp_path / "a.mp4")]) == 30
    assert "model.not-weights" in capsys.readouterr().err


def test_a_device_that_is_not_there_is_named(installed, tmp_path, capsys):
    assert run(["evaluate", "lipsync", str(tmp_path / "a.mp4"), "--device", "cuda:99"]) == 31
    err = capsys.readouterr().err
    assert "device.missing" in err
    assert "cpu" in err
