"""Models for the tests of the Live2D engine: a made-up one without a mesh, and where real ones may be drawn."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from generators.live2d.cubism import lacks


def fake_model(folder: Path, **changes: Any) -> Path:
    """A model whose every file is there and none is a real mesh; ``changes`` replace parts of FileReferences."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "x.moc3").write_bytes(b"MOC3\x05" + bytes(100))
    (folder / "t.png").write_bytes(png(8, 8))
    for name in ("a.exp3.json", "x.physics3.json"):
        (folder / name).write_text('{"Version": 3, "Small": 4.9e-06}')
    motion = {
        "Version": 3,
        "Meta": {"Duration": 1.0, "Fps": 30.0, "CurveCount": 1, "TotalSegmentCount": 1, "TotalPointCount": 2},
        "Curves": [{"Target": "Parameter", "Id": "ParamAngleX", "Segments": [0, 0, 0, 1, 30]}],
    }
    (folder / "m.motion3.json").write_text(json.dumps(motion))
    references = {
        "Moc": "x.moc3",
        "Textures": ["t.png"],
        "Physics": "x.physics3.json",
        "Expressions": [{"Name": "smile", "File": "a.exp3.json"}],
        "Motions": {"Idle": [{"File": "m.motion3.json", "FadeInTime": 0.5}]},
    } | changes
    groups = [
        {"Target": "Parameter", "Name": "LipSync", "Ids": ["ParamA"]},
        {"Target": "Parameter", "Name": "EyeBlink", "Ids": ["ParamEyeLOpen", "ParamEyeROpen"]},
    ]
    path = folder / "x.model3.json"
    path.write_text(json.dumps({"Version": 3, "FileReferences": references, "Groups": groups}))
    return path


def png(width: int, height: int) -> bytes:
    """A PNG's head that claims a size, with one small picture part."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    return b"\x89PNG\r\n\x1a\n" + chunk


def speech(path: Path, seconds: float = 1.2) -> Path:
    """A buzz whose loudness comes and goes four times a second, so that lips have something to follow."""
    rate = 16000
    time = np.arange(round(seconds * rate)) / rate
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 14))
    soundfile.write(path, 0.2 * voice * (0.5 - 0.5 * np.cos(2 * np.pi * 2.5 * time)), rate)
    return path


@pytest.fixture(scope="session")
def real_model(shared_data: Path) -> Path:
    """Live2D's own sample model; skips where it, live2d-py or EGL is not there."""
    path = shared_data / "live2d" / "Mao" / "Mao.model3.json"
    if not path.is_file():
        pytest.skip("the sample model is not among the test media")
    missing = lacks()
    if missing is not None:
        pytest.skip(f"{missing[0]}: {missing[1]}")
    return path
