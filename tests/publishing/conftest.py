"""An installation with keys, and the tiny engine."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys import KeyRing

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tiny_engine", HERE / "tiny.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_engine"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installation(home: Path) -> Installation:
    place = Home(home)
    place.prepare()
    KeyRing.create(place)
    return Installation.open(place)
