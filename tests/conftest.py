"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of test media that is not part of the project; the test skips where it is absent."""
    base = Path(os.environ.get("THSAFE_SHARED", ROOT.parent / "shared"))
    if not (base / "data").is_dir():
        pytest.skip(f"no test media at {base / 'data'} (set THSAFE_SHARED)")
    return base / "data"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty THSAFE_HOME of this test's own."""
    folder = tmp_path / "home"
    monkeypatch.setenv("THSAFE_HOME", str(folder))
    monkeypatch.delenv("THSAFE_DB", raising=False)
    return folder
