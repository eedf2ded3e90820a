"""What every test may ask for."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test media that is not part of the project; the test skips where it is absent."""
    base = Path(os.environ.get("THSAFE_SHARED", ROOT.parent / "shared"))
    if not (base / "data").is_dir():
        pytest.skip(f"no test media at {base / 'data'} (set THSAFE_SHARED)")
    return base / "data"


@pytest.fixture(scope="session")
def attacks() -> ModuleType:
    """``benchmarks/attacks.py``: what happens to videos in the world, as functions."""
    path = ROOT / "benchmarks" / "attacks.py"
    spec = importlib.util.spec_from_file_location("thsafe_attacks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty THSAFE_HOME of this test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("THSAFE_HOME", str(folder))
    monkeypatch.delenv("THSAFE_DB", raising=False)
    return folder


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """``gate_world.World``: an installation of this test's own, with gate, clock, people and consents."""
    monkeypatch.delenv("THSAFE_DB", raising=False)
    monkeypatch.delenv("THSAFE_CONSENT", raising=False)
    spec = importlib.util.spec_from_file_location("gate_world", ROOT / "tests" / "gate_world.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.World(tmp_path)
