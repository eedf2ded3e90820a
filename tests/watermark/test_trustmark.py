"""The adapter of TrustMark, with a package of our own that has the authors' interface."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from thsafe.core.errors import MissingError, UsageError
from thsafe.watermark.trustmark import MESSAGE_BITS, TrustMark

MESSAGE = ("0110" * 16)[:MESSAGE_BITS]


class Corner:
    """Writes the bits into the lowest bits of the red channel of the first row."""

    def __init__(self, **options):
        self.options = options

    def encode(self, cover_image, string_secret, MODE):
        assert MODE == "binary"
        pixels = np.array(cover_image)
        pixels[0, : len(string_secret) + 1, 0] = [201, *(100 + int(bit) for bit in string_secret)]
        return Image.fromarray(pixels)

    def decode(self, stego_image, MODE):
        assert MODE == "binary"
        row = np.array(stego_image)[0, : MESSAGE_BITS + 1, 0]
        return "".join(str(value & 1) for value in row[1:]), row[0] == 201, 1


@pytest.fixture
def installed(tmp_path, monkeypatch):
    module = ModuleType("trustmark")
    module.__file__ = str(tmp_path / "__init__.py")
    module.TrustMark = Corner
    monkeypatch.setitem(sys.modules, "trustmark", module)
    return tmp_path / "models"


def fill(folder):
    folder.mkdir()
    for part in ("encoder", "decoder"):
        (folder / f"{part}_Q.ckpt").write_bytes(b"x")


def test_a_message_goes_there_and_back(installed):
    fill(installed)
    system = TrustMark.open()
    frame = np.full((64, 80, 3), 100, np.uint8)
    marked = system.mark(frame, MESSAGE)
    assert (marked.shape, marked.dtype) == (frame.shape, frame.dtype)
    assert marked[0, 0].tolist() == [100, 100, 201]  # BGR: the package was shown red as red
    assert (frame == 100).all()
    assert system.read(marked).message == MESSAGE
    assert system.read(marked).present is True
    assert (system.read(frame).message, system.read(frame).present) == ("", False)


@pytest.mark.parametrize("message", ["", "01", "2" * MESSAGE_BITS, "0" * 64])
def test_other_messages_are_refused(message):
    with pytest.raises(UsageError) as caught:
        TrustMark(Corner()).mark(np.zeros((64, 80, 3), np.uint8), message)
    assert caught.value.code == "watermark.message"


def test_missing_weights_are_not_fetched_unasked(installed):
    with pytest.raises(MissingError) as caught:
        TrustMark.open()
    assert caught.value.code == "model.missing"
    assert "TrustMark(model_type='Q')" in caught.value.next_step
    fill(installed)
    (installed / "decoder_Q.ckpt").unlink()
    with pytest.raises(MissingError):
        TrustMark.open()


def test_the_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "trustmark", None)
    with pytest.raises(MissingError) as caught:
        TrustMark.open()
    assert caught.value.code == "missing.trustmark"
    assert "thsafe[trustmark]" in caught.value.next_step
