"""Every command that README and docs show is carried out, page by page, in order, in an installation of the page's own."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import thsafe_docs_stage as stage

from thsafe.cli.main import run
from thsafe.core.exitcodes import ExitCode

ROOT = Path(__file__).resolve().parents[2]

PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page.name != "cli.md" and stage.lines_of(page)
]
OTHERWISE = {
    ("README.md", "say --image me.png", 0): (21, "before there is consent, as the page says"),
    ("add-a-detector.md", "models pull my-net", 0): (2, "the reader is who adds this card"),
    ("log.md", "--tsa", 0): (34, "no authority listens here"),
    ("compare-with-the-original.md", "compare posted.mp4", 0): (10, "the copy was painted over, as the page says"),
    ("database.md", "db migrate", 0): (34, "no server has that name"),
    ("own-certificate.md", "--signer", 0): (33, "no certificate of anybody's own is here"),
    ("own-certificate.md", "--signer", 1): (33, "no token is here"),
    ("plugins.md", "engines allow still", 0): (2, "the example package is not installed; tests/generators install it"),
    ("plugins.md", "generate plugin still", 0): (2, "the same"),
    ("remote-consent.md", "--wallet shown.sdjwt", 0): (30, "no wallet's presentation is here"),
    ("remote-consent.md", "--wallet shown.sdjwt", 1): (30, "the same"),
    ("live.md", "--video -", 0): (30, "no camera is here"),
    ("verify-service.md", "verify https:", 0): (34, "no server has that name"),
}
"""(page, part of the command, which of those) -> (exit code, why it is not 0)."""
OF_OTHERS = {
    "d-id.md": {31},
    "datasets.md": {30},
    "detectors.md": {30, 34},
    "evaluate-likeness.md": {31, 34},
    "live2d.md": {30, 31, 34},
    "piper.md": {30, 31},
    "scale.md": {30, 31, 34},
    "voice.md": {30, 34},
    "neural-engines.md": {31, 34},
    "swap.md": {31},
    "train-a-detector.md": {30},
    "wav2lip.md": {30, 31},
}
"""Pages about weights, programs, data sets and accounts of others, none of which is here: a command may then end with
one of these codes, if it says what is missing and what to do next."""
SAYS = {
    ("README.md", "say --image me.png"): "error[consent.missing]: No consent covers the person in me.png",
    (
        "README.md",
        "verify reposted.mp4",
    ): "reposted.mp4: recovered\n  The credentials were stripped; the watermark led back",
    ("compare-with-the-original.md", "compare posted.mp4"): "posted.mp4 beside camera.mov: altered",
    ("live2d.md", "--figure wren --text"): "signed and read back",
    ("scale.md", "batch verify archive"): "done: 3 item",
    ("scale.md", "batch generate jobs.jsonl --workers"): "done: 1 item",
    ("first-video.md", "verify hello.mp4"): "hello.mp4: disclosed",
}
"""What a page says that a command prints (the first of those commands)."""
BEFORE = {
    "evaluate-likeness.md": (
        "consent new --self --portrait me.png",
        "generate drive --image me.png --driver talk.mp4 --size 256 -o out.mp4",
    ),
    "dub.md": ("consent new --self --portrait two.mp4",),
    "evidence-pack.md": ("log witness /mnt/auditor",),
    "compare-with-the-original.md": ("originals add ~/footage",),
}
"""What a page takes to be done already."""
SECONDS = 60


def _asked(capsys, *words: str):
    capsys.readouterr()
    assert run([*words, "--json"]) == 0, words
    return json.loads(capsys.readouterr().out)


def _fill(scene, line: str, capsys) -> None:
    """Find out what the placeholders of a command stand for by now."""
    if "verify reposted.mp4" in line:
        stage.repost(Path("hello.mp4"), Path("reposted.mp4"))
    if "CONSENT-ID" in line or "urn:uuid:…" in line:
        consents = _asked(capsys, "consent", "list")
        if not consents:
            assert run(["consent", "new", "--self", "--portrait", "me.png"]) == 0
            consents = _asked(capsys, "consent", "list")
        scene.told |= dict.fromkeys(("CONSENT-ID", "urn:uuid:…"), consents[-1]["id"])
    if "did:key:z6Mk…" in line:
        scene.told["did:key:z6Mk…"] = _asked(capsys, "consent", "key")["did"]
    if " 3f9a" in line:
        scene.told["3f9a"] = _asked(capsys, "batch", "status")[0]["batch"]
    if "3fa41c07" in line:
        scene.told["3fa41c07"] = _asked(capsys, "serve", "token", "list")[0]["id"]


def _lasts(words: list[str]) -> bool:
    plain = [word for word in words if not word.startswith("-")]
    if words[:2] == ["serve", "token"] or words[-2:] == ["--video", "-"]:
        return False
    return any(tuple(plain[: len(known)]) == known for known in stage.LASTING)


def _start_and_stop(words: list[str]) -> tuple[int, str]:
    """Start a command that goes on, wait for its first words, and end it as Ctrl-C does: exit code, all words."""
    command = [sys.executable, "-m", "thsafe", *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ) as process:
        silent = words[0] in {"data", "models"}  # works without a word where nobody watches
        ready, _, _ = select.select([process.stdout, process.stderr], [], [], 8 if silent else SECONDS)
        process.send_signal(signal.SIGINT)
        try:
            said = "".join(process.communicate(timeout=SECONDS))
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert ready or silent, f"{words} said nothing"
        assert "Traceback" not in said, said
        return process.returncode, said


def _carried_out(scene, line: str, capsys) -> tuple[int, str]:
    """Exit code and words of one command; 0 for what is not a command of ours."""
    redirected = line.split(" > ")[1].split("#", maxsplit=1)[0].strip() if " > " in line else ""
    words = scene.words(line.split(" > ", maxsplit=1)[0].rsplit(" | ", maxsplit=1)[-1])
    program = words.pop(0)
    if program in {"cd", "export"}:
        return 0, ""
    if program != "thsafe":
        assert program in stage.NOT_OURS, line
        return 0, ""
    if _lasts(words):
        code, said = _start_and_stop(words)
        if code == -signal.SIGINT:
            # It was just ending by itself, and Python no longer listened: the second time tells whether it does.
            code, said = _start_and_stop(words)
        return (0 if code == ExitCode.INTERRUPTED else code), said
    capsys.readouterr()
    code = run(words)
    told = capsys.readouterr()
    if redirected:
        Path(redirected).write_text(told.out)
    return code, told.out + told.err


def _fine(page: Path, line: str, nth: int, code: int, told: str) -> bool:
    for (name, part, which), (expected, _why) in OTHERWISE.items():
        if name == page.name and part in line and which == nth:
            return code == expected
    if code in OF_OTHERS.get(page.name, set()):
        return "next" in told
    return code == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of(page, scene, capsys):
    for line in BEFORE.get(page.name, ()):
        assert _carried_out(scene, f"thsafe {line}", capsys)[0] == 0, line
    wrong, met = [], Counter()
    for line in stage.lines_of(page):
        _fill(scene, line, capsys)
        code, told = _carried_out(scene, line, capsys)
        parts = [key[1] for key in OTHERWISE if key[0] == page.name and key[1] in line and key[2] == 0]
        nth = met[parts[0]] if parts else 0
        met.update(parts[:1])
        said = next((text for (name, part), text in SAYS.items() if name == page.name and part in line), "")
        if not _fine(page, line, nth, code, told) or (nth == 0 and met[line] == 0 and said not in told):
            wrong.append(f"{line}\n  exit {code}: {told[-600:]}")
        met[line] += 1
    assert not wrong, "\n".join(wrong)


def test_every_exception_is_still_needed():
    texts = {page.name: "\n".join(stage.lines_of(page)) for page in PAGES}
    assert [key for key in OTHERWISE if key[1] not in texts.get(key[0], "")] == []
    assert {*OF_OTHERS, *BEFORE} - set(texts) == set()
