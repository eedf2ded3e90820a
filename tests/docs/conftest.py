"""A page's own installation, in which its commands and its Python are carried out."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("thsafe_docs_stage", Path(__file__).with_name("stage.py"))
stage = importlib.util.module_from_spec(_spec)
sys.modules["thsafe_docs_stage"] = stage
_spec.loader.exec_module(stage)


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "base"
    before = os.environ.get("THSAFE_HOME")
    stage.make_base(folder)
    if before is None:
        os.environ.pop("THSAFE_HOME")
    else:
        os.environ["THSAFE_HOME"] = before
    return folder


@pytest.fixture
def scene(base, tmp_path, monkeypatch, request):
    folder = tmp_path / "scene"
    stage.furnish(folder, base)
    page = request.node.callspec.params["page"]
    if "thsafe keys new" in stage.lines_of(page):
        stage.empty(folder)
    stage.write_script(folder, page)
    stage.make_room(folder, page)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"y\n" * 20)))
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _prompt: "name:secret")
    monkeypatch.setenv("THSAFE_HOME", str(folder / "home"))
    monkeypatch.setenv("TOKEN_PIN", "1234")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing is fetched by a test
    for name in ("THSAFE_DB", "THSAFE_CONSENT", "THSAFE_DID_KEY", "THSAFE_FACEFUSION", "THSAFE_SADTALKER"):
        monkeypatch.delenv(name, raising=False)
    return stage.Stage(folder=folder)
