"""The main job from end to end, with the commands a user would type: generate, verify three copies, audit.

Run by ``make demo``. Makes its own keys in its own folder; the user's are not touched. Prints ten lines.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from attacks import edit_keeping_credentials, reencode

TEXT = (
    "Hello. I am Ada, and I do not exist. Every frame of me carries a watermark, this file is signed, and a log knows "
    "that it was made. If somebody strips my credentials, the watermark leads back to them."
)
_THSAFE = Path(sys.executable).parent / "thsafe"


def main(folder: Path) -> int:
    """Run the whole job below ``folder`` and say what was shown."""
    started = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["THSAFE_HOME"] = str((folder / "home").absolute())
    video, reposted, edited = folder / "hello.mp4", folder / "reposted.mp4", folder / "edited.mp4"

    _thsafe("keys", "new")
    made = json.loads(_thsafe("generate", "say", "--person", "ada", "--text", TEXT, "-o", str(video), "--json"))
    _say(1, f"made      {video}: {made['duration']:.0f} s, drawn and spoken by code, after the gate said yes")
    _say(
        2, f'marks     label "{made["labels"][0]}", watermark {made["watermark_id"]}, signed and time-stamped manifest'
    )
    _verified(3, video, folder / "hello.html", expected="disclosed")

    reencode(video, reposted, crf=28)
    _verified(4, reposted, folder / "reposted.html", expected="recovered")
    edit_keeping_credentials(video, edited)
    _verified(5, edited, folder / "edited.html", expected="tampered")

    refused = _run(
        "generate", "say", "--image", str(_a_portrait(folder)), "--text", "Hi.", "-o", str(folder / "no.mp4")
    )
    words = refused.stderr.splitlines()[0]
    _say(6, f"refused   a picture without consent, exit {refused.returncode}: {words}")
    if not 20 <= refused.returncode <= 29 or (folder / "no.mp4").exists():
        raise SystemExit("the gate let a picture through without consent")

    audit = json.loads(
        _thsafe("audit", "run", "--folder", str(folder), "--report", str(folder / "audit.html"), "--json", ok=(0, 10))
    )
    _say(7, f"audited   {_audit_words(audit)}")
    log = json.loads(_thsafe("log", "verify", "--json"))
    _say(8, f"log       {log['size']} entries, Merkle root {log['root'][:16]}…, {'intact' if log['ok'] else 'BROKEN'}")
    _say(9, f"look at   {video} and {folder / 'hello.html'}, {folder / 'edited.html'}, {folder / 'audit.html'}")
    _say(10, f"took      {time.monotonic() - started:.0f} s")
    return 0


def _verified(number: int, file: Path, report: Path, *, expected: str) -> None:
    shown = json.loads(_thsafe("verify", str(file), "--report", str(report), "--json", ok=(0, 10)))
    if shown["verdict"] != expected:
        raise SystemExit(f"{file.name}: expected {expected}, got {shown['verdict']}: {shown['sentence']}")
    sentence = shown["sentence"].split(". ")[0].removesuffix(".")
    _say(number, f"verified  {file.name}: {shown['verdict']}. {sentence}.")


def _audit_words(audit: dict[str, object]) -> str:
    return str(audit["summary"])


def _a_portrait(folder: Path) -> Path:
    """A picture file whose manifest is gone: drawn, but the gate cannot know that nobody real is in it."""
    from thsafe.media.image import read_image, write_png

    drawn, path = folder / "drawn.png", folder / "stranger.png"
    _thsafe("cast", "draw", "ada", "-o", str(drawn), "--size", "512", "--force")
    write_png(path, read_image(drawn))
    return path


def _thsafe(*arguments: str, ok: tuple[int, ...] = (0,)) -> str:
    result = _run(*arguments)
    if result.returncode not in ok:
        raise SystemExit(f"thsafe {' '.join(arguments)} ended with {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([_THSAFE, *arguments], capture_output=True, text=True, check=False)


def _say(number: int, text: str) -> None:
    print(f"{number:>2}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo")))
