"""Weights in every container, and files that are none."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from thsafe.core.errors import InputError, StoreError
from thsafe.models.checkpoint import Format, convert, load_tensors, sniff

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("pwned",)


def _training_state() -> dict[str, object]:
    """As the authors save it: prefixed by data parallelism, with the optimiser beside."""
    return {
        "state_dict": {"module." + name: tensor for name, tensor in TENSORS.items()},
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 1e-4}]},
        "global_step": 7,
        "global_epoch": 1,
    }


def _scripted(path: Path) -> None:
    module = torch.nn.Linear(3, 2)
    with torch.no_grad():
        module.weight.copy_(TENSORS["a.weight"])
        module.bias.copy_(TENSORS["a.bias"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        holder = torch.nn.Module()
        holder.a = module
        holder.forward = module.forward
        torch.jit.save(torch.jit.trace(holder, torch.zeros(1, 3)), path)


def _write(kind: str, path: Path) -> None:
    match kind:
        case "zip":
            torch.save(_training_state(), path)
        case "legacy":
            torch.save(_training_state(), path, _use_new_zipfile_serialization=False)
        case "bare":
            torch.save(TENSORS, path)
        case "safetensors":
            save_file(TENSORS, path)
        case "torchscript":
            _scripted(path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare", "safetensors", "torchscript"])
def test_every_container_converts_to_the_same_tensors(kind: str, tmp_path) -> None:
    source = tmp_path / "weights.bin"
    _write(kind, source)
    assert sniff(source) == {"zip": "pickle", "legacy": "pickle", "bare": "pickle"}.get(kind, kind)
    found = load_file(convert(source, tmp_path / "out.safetensors"))
    assert set(found) == set(TENSORS)
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    if kind != "torchscript":
        assert all(torch.equal(load_tensors(source)[name], tensor) for name, tensor in TENSORS.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.safetensors", "weights.bin"]


def test_the_authors_container_is_read(shared_data) -> None:
    example = shared_data.parent / "specs" / "wav2lip" / "container_example.pth"
    if not example.is_file():
        pytest.skip("no example of the authors' container")
    found = load_tensors(example)
    assert next(iter(found)) == "face_encoder_blocks.0.0.conv_block.0.weight"
    assert len(found) == 7


def test_torchscript_is_not_run_in_this_process(tmp_path, monkeypatch) -> None:
    source = tmp_path / "model.pt"
    _scripted(source)
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was loaded here"))
    with pytest.raises(InputError) as caught:
        load_tensors(source)
    assert caught.value.code == "model.torchscript"
    assert "thsafe models convert" in caught.value.next_step
    convert(source, tmp_path / "out.safetensors")


def test_a_pickle_with_a_program_is_refused_here_and_there(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "evil.pth"
    torch.save({"state_dict": {"a": _Evil()}}, source)
    with pytest.raises(InputError) as caught:
        load_tensors(source)
    assert caught.value.code == "model.unreadable"
    with pytest.raises(InputError) as caught:
        convert(source, tmp_path / "out.safetensors")
    assert caught.value.code == "model.conversion"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.pth"]


def _zip_without_weights(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\n <!DOCTYPE html><title>Sign in</title>", Format.HTML),
        (b"<HTML>", Format.HTML),
        (b"", Format.UNKNOWN),
        (b"PK\x03\x04 broken", Format.UNKNOWN),
        (b"\x80\x02}q\x00.", Format.UNKNOWN),
        ((1 << 40).to_bytes(8, "little") + b"{}", Format.UNKNOWN),
    ],
)
def test_what_is_no_weights_is_said(content: bytes, found: Format, tmp_path) -> None:
    source = tmp_path / "wav2lip.pth"
    source.write_bytes(content)
    assert sniff(source) is found
    for attempt in (lambda: load_tensors(source), lambda: convert(source, tmp_path / "out.safetensors")):
        with pytest.raises(InputError) as caught:
            attempt()
        assert caught.value.code == "model.not-weights"
    _zip_without_weights(source)
    assert sniff(source) is Format.UNKNOWN


def test_half_a_file_is_words(tmp_path) -> None:
    for kind in ("zip", "legacy", "safetensors"):
        source = tmp_path / kind
        _write(kind, source)
        source.write_bytes(source.read_bytes()[:-40])
        with pytest.raises(InputError):
            load_tensors(source)


def test_a_missing_file_and_a_missing_folder(tmp_path) -> None:
    with pytest.raises(InputError):
        convert(tmp_path / "nothing.pth", tmp_path / "out.safetensors")
    save_file(TENSORS, tmp_path / "here.safetensors")
    with pytest.raises((InputError, StoreError)):
        convert(tmp_path / "here.safetensors", tmp_path / "no" / "folder" / "out.safetensors")


def test_networks_inside_a_file_keep_their_names(tmp_path) -> None:
    """As SadTalker's mapping (training state beside it) and LivePortrait's retargeting (three networks) come."""
    networks = {
        "mapping": TENSORS,
        "retarget_eye": {"module." + name: tensor for name, tensor in TENSORS.items()},
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": []},
        "epoch": 7,
    }
    torch.save(networks, tmp_path / "several.pth.tar")
    found = load_tensors(tmp_path / "several.pth.tar")
    assert sorted(found) == ["mapping.a.bias", "mapping.a.weight", "retarget_eye.a.bias", "retarget_eye.a.weight"]
    convert(tmp_path / "several.pth.tar", tmp_path / "several.safetensors")
    assert sorted(load_tensors(tmp_path / "several.safetensors")) == sorted(found)
