"""The adapter of VideoSeal, with a scripted network of our own in place of the authors' weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from thsafe.core.errors import InputError, MissingError, UsageError
from thsafe.home import Home
from thsafe.watermark.videoseal import VideoSeal

MESSAGE = "0123456789abcdef" * 4


class Squares(torch.nn.Module):
    """A grid of 16 x 16 squares, each a little brighter or darker by its bit."""

    def forward(self, imgs: torch.Tensor) -> torch.Tensor:
        return imgs

    @torch.jit.export
    def embed(self, imgs: torch.Tensor, msgs: torch.Tensor) -> torch.Tensor:
        signs = (2 * msgs - 1).reshape(1, 1, 16, 16)
        size = [imgs.shape[2], imgs.shape[3]]
        return imgs + 0.02 * torch.nn.functional.interpolate(signs, size=size, mode="nearest")

    @torch.jit.export
    def detect(self, imgs: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.adaptive_avg_pool2d(imgs.mean(dim=1, keepdim=True), [16, 16])
        logits = 100 * (small - 0.5).reshape(1, 256)
        return torch.cat([torch.zeros(1, 1), logits], dim=1)


class Shorter(Squares):
    @torch.jit.export
    def detect(self, imgs: torch.Tensor) -> torch.Tensor:
        return torch.zeros(1, 97)


def scripted(network):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # torch calls its own scripting outdated
        return torch.jit.script(network)


@pytest.fixture(scope="module")
def network():
    return scripted(Squares())


def grey(count):
    return [np.full((96, 128, 3), 128, np.uint8) for _ in range(count)]


def test_a_message_goes_there_and_back_through_an_installed_file(network, tmp_path):
    home = Home(tmp_path)
    path = home.models / "videoseal-256" / "y_256b_img.jit"
    path.parent.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        network.save(str(path))
    system = VideoSeal.open(home)
    frames = grey(3)
    marked = list(system.mark(frames, MESSAGE))
    assert [frame.dtype for frame in marked] == [np.uint8] * 3
    assert marked[0].shape == frames[0].shape
    assert (frames[0] == 128).all()
    assert 1 <= np.abs(marked[0].astype(int) - 128).max() <= 6
    reading = system.read(marked)
    assert (reading.message, reading.frames_read) == (MESSAGE, 3)
    assert reading.certainty > 0.5 > system.read([np.full((96, 128, 3), 127, np.uint8)]).certainty


def test_colours_keep_their_order(network):
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[..., 0] = 200
    marked = next(VideoSeal(network).mark([frame], "f" * 64))
    assert (marked[..., 0] > 190).all()
    assert (marked[..., 2] < 20).all()


@pytest.mark.parametrize("message", ["", "0123456789abcdef", "g" * 64, "00 " * 32])
def test_other_messages_are_refused(network, message):
    with pytest.raises(UsageError) as caught:
        next(VideoSeal(network).mark(grey(1), message))
    assert caught.value.code == "watermark.message"


def test_no_picture_is_refused(network):
    with pytest.raises(UsageError) as caught:
        VideoSeal(network).read([])
    assert caught.value.code == "watermark.no-frames"


def test_missing_weights_name_the_command_that_brings_them(tmp_path):
    with pytest.raises(MissingError) as caught:
        VideoSeal.open(Home(tmp_path))
    assert caught.value.code == "model.missing"
    assert "thsafe models pull videoseal-256 --file" in caught.value.next_step


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\x03\x04" + bytes(200)])
def test_other_files_are_refused(tmp_path, content):
    path = Home(tmp_path).models / "videoseal-256" / "y_256b_img.jit"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        VideoSeal.open(Home(tmp_path))
    assert caught.value.code == "model.unreadable"


def test_another_network_is_refused(tmp_path):
    path = Home(tmp_path).models / "videoseal-256" / "y_256b_img.jit"
    path.parent.mkdir(parents=True)
    other = scripted(torch.nn.Linear(2, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        other.save(str(path))
    with pytest.raises(InputError) as caught:
        VideoSeal.open(Home(tmp_path))
    assert caught.value.code == "model.other-network"
    with pytest.raises(InputError) as caught:
        VideoSeal(scripted(Shorter())).read(grey(1))
    assert caught.value.code == "model.other-network"
