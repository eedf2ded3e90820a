"""The adapter of AudioSeal, with a scripted network of our own in place of the authors' weights."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from thsafe.core.errors import MissingError, UsageError
from thsafe.home import Home
from thsafe.watermark.audioseal import MESSAGE_BITS, AudioSeal


class ToneWriter(torch.nn.Module):
    """One quiet tone per set bit."""

    @torch.jit.export
    def get_watermark(self, x: torch.Tensor, sample_rate: int | None, message: torch.Tensor) -> torch.Tensor:
        assert sample_rate is not None
        assert sample_rate == 16000
        time = torch.arange(x.shape[-1]) / 16000
        hertz = 500 + 200 * torch.arange(message.shape[-1])
        tones = torch.sin(6.283185307 * hertz[:, None] * time[None, :])
        return 0.01 * torch.sum(message[0, :, None] * tones, dim=0)[None, None, :]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class ToneReader(torch.nn.Module):
    """Finds those tones."""

    @torch.jit.export
    def detect_watermark(self, x: torch.Tensor, sample_rate: int | None) -> tuple[torch.Tensor, torch.Tensor]:
        assert sample_rate is not None
        assert sample_rate == 16000
        time = torch.arange(x.shape[-1]) / 16000
        hertz = 500 + 200 * torch.arange(16)
        tones = torch.sin(6.283185307 * hertz[:, None] * time[None, :])
        bits = (2 * torch.mean(x[0] * tones, dim=1) > 0.005).to(torch.int64)
        return torch.max(bits)[None].to(torch.float32), bits[None]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.fixture(scope="module")
def system():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # torch calls its own scripting outdated
        return AudioSeal(writer=torch.jit.script(ToneWriter()), reader=torch.jit.script(ToneReader()))


@pytest.mark.parametrize("rate", [16000, 24000, 48000])
@pytest.mark.parametrize("message", [0, 1, 0xA5C3, 0xFFFF])
def test_a_message_goes_there_and_back(system, rate, message):
    sound = np.random.default_rng(1).standard_normal(2 * rate).astype(np.float32) * 0.02
    before = sound.copy()
    marked = system.mark(sound, rate, message)
    assert marked.shape == sound.shape
    assert marked.dtype == np.float32
    assert (sound == before).all()
    reading = system.read(marked, rate)
    assert reading.message == message
    assert reading.share == (1.0 if message else 0.0)
    assert (np.abs(marked - sound).max() > 1e-3) == bool(message)


def test_marked_sound_stays_in_range(system):
    assert np.abs(system.mark(np.ones(16000, np.float32), 16000, 0xFFFF)).max() <= 1


@pytest.mark.parametrize("message", [-1, 1 << MESSAGE_BITS])
def test_other_messages_are_refused(system, message):
    with pytest.raises(UsageError) as caught:
        system.mark(np.zeros(16000, np.float32), 16000, message)
    assert caught.value.code == "watermark.message"


@pytest.mark.parametrize(
    "sound", [np.zeros(100, np.float32), np.zeros(0, np.float32), np.zeros((16000, 2), np.float32)]
)
def test_too_little_sound_is_refused(system, sound):
    with pytest.raises(UsageError) as caught:
        system.read(sound, 16000)
    assert caught.value.code == "watermark.short"


def test_half_a_system_says_so():
    sound = np.zeros(16000, np.float32)
    for call in (lambda: AudioSeal().read(sound, 16000), lambda: AudioSeal().mark(sound, 16000, 1)):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.code == "watermark.no-network"


def test_missing_weights_name_the_command_that_brings_them(tmp_path):
    with pytest.raises(MissingError) as caught:
        AudioSeal.open(Home(tmp_path))
    assert caught.value.code == "model.missing"
    assert "thsafe models pull audioseal-generator --file" in caught.value.next_step


def test_the_missing_package_names_the_extra(tmp_path, monkeypatch):
    weights = Home(tmp_path).models / "audioseal-generator" / "generator_base.pth"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "audioseal.builder", None)
    with pytest.raises(MissingError) as caught:
        AudioSeal.open(Home(tmp_path))
    assert caught.value.code == "missing.audioseal"
    assert "thsafe[audioseal]" in caught.value.next_step
