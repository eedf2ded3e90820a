"""Every command that README and docs show is carried out, page by page, in order, in an installation of the page's own."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thsafe.cli.main import run
from thsafe.core.exitcodes import ExitCode

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

_spec = importlib.util.spec_from_file_location("thsafe_docs_stage", HERE / "stage.py")
stage = importlib.util.module_from_spec(_spec)
sys.modules["thsafe_docs_stage"] = stage
_spec.loader.exec_module(stage)

PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page.name != "cli.md" and stage.lines_of(page)
]
OTHERWISE = {
    ("README.md", "--image me.png"): (21, "before there is consent, as the page says"),
    ("README.md", "verify reposted"): (12, ""),
}
"""(page, part of the command) -> (exit code, why it is not 0). A code of the environment is only right where a page is
about weights, keys, programs or data of others that are not here: the command then names what is missing."""
SECONDS = 60


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
def scene(base, tmp_path, monkeypatch):
    folder = tmp_path / "scene"
    stage.furnish(folder, base)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("THSAFE_HOME", str(folder / "home"))
    monkeypatch.setenv("TOKEN_PIN", "1234")
    for name in ("THSAFE_DB", "THSAFE_CONSENT", "THSAFE_DID_KEY", "THSAFE_FACEFUSION", "THSAFE_SADTALKER"):
        monkeypatch.delenv(name, raising=False)
    return stage.Stage(folder=folder)


def _asked(capsys, *words: str):
    capsys.readouterr()
    assert run([*words, "--json"]) == 0, words
    return json.loads(capsys.readouterr().out)


def _fill(scene, line: str, capsys) -> None:
    """Find out what the placeholders of a command stand for by now."""
    if "CONSENT-ID" in line or "urn:uuid:…" in line:
        consents = _asked(capsys, "consent", "list")
        if not consents:
            assert run(["consent", "new", "--self", "--portrait", "me.png"]) == 0
            consents = _asked(capsys, "consent", "list")
        scene.told |= dict.fromkeys(("CONSENT-ID", "urn:uuid:…"), consents[-1]["id"])
    if "did:key:z6Mk…" in line:
        scene.told["did:key:z6Mk…"] = _asked(capsys, "consent", "key")["did"]
    if "3fa41c07" in line:
        scene.told["3fa41c07"] = _asked(capsys, "serve", "token", "list")[0]["id"]


def _lasts(words: list[str]) -> bool:
    plain = [word for word in words if not word.startswith("-")]
    if words[:2] == ["serve", "token"]:
        return False
    return any(tuple(plain[: len(known)]) == known for known in stage.LASTING)


def _start_and_stop(words: list[str]) -> int:
    """Start a command that goes on, wait for its first words, and end it as Ctrl-C does."""
    command = [sys.executable, "-m", "thsafe", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.set_blocking(process.stdout.fileno(), False)
        os.set_blocking(process.stderr.fileno(), False)
        until = time.monotonic() + SECONDS
        said = ""
        while time.monotonic() < until and process.poll() is None and not said.strip():
            said += (process.stdout.read() or "") + (process.stderr.read() or "")
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        os.set_blocking(process.stderr.fileno(), True)
        told = said + (process.stderr.read() or "")
        assert "Traceback" not in told, told
        return process.returncode


def _expected(page: Path, line: str) -> int:
    for (name, part), (code, _why) in OTHERWISE.items():
        if name == page.name and part in line:
            return code
    return 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of(page, scene, capsys, monkeypatch):
    wrong = []
    for line in stage.lines_of(page):
        _fill(scene, line, capsys)
        words = scene.words(line.split(" | ")[-1] if " | thsafe" in line else line)
        program = words.pop(0)
        if program == "cd":
            continue
        if program == "export":
            continue
        if program != "thsafe":
            assert program in stage.NOT_OURS, line
            continue
        for cut in (">", "|"):
            words = words[: words.index(cut)] if cut in words else words
        if _lasts(words):
            code, told = _start_and_stop(words), ""
            fine = code in {0, int(ExitCode.INTERRUPTED)}
        else:
            code = run(words)
            told = "".join(capsys.readouterr())[-600:]
            fine = code == _expected(page, line)
        if not fine:
            wrong.append(f"{line}\n  exit {code}, expected {_expected(page, line)}: {told}")
    assert not wrong, "\n".join(wrong)


def test_every_exception_is_still_needed():
    texts = {page.name: "\n".join(stage.lines_of(page)) for page in PAGES}
    assert [key for key in OTHERWISE if key[1] not in texts.get(key[0], "")] == []
