"""The studio's worker: one process for one film, so that the page stays alive and a film can be stopped.

The job comes as a line of JSON on standard input, which stays open: when it ends, whoever asked is gone, and the work
stops as on Ctrl-C. What becomes of the job goes out as lines of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from thsafe.core.errors import ThsafeError
from thsafe.core.types import Json, Output
from thsafe.home import Home

_PAUSE = 0.2
"""Seconds between two lines about progress."""
_NICE = 5
_MOST_JOB = 1 << 20


class _Lines:
    """The Progress port as lines of JSON, few enough that nobody drowns in them."""

    def __init__(self, channel: TextIO) -> None:
        self._channel = channel
        self._done = 0
        self._told = 0.0

    def start(self, stage: str, total: int | None) -> None:
        """A stage begins."""
        self._done = 0
        self.tell({"stage": stage, "total": total, "done": 0})

    def advance(self, steps: int = 1) -> None:
        """Count, and tell now and then."""
        self._done += steps
        if time.monotonic() - self._told >= _PAUSE:
            self.tell({"done": self._done})

    def note(self, text: str) -> None:
        """Say it."""
        self.tell({"note": text})

    def tell(self, line: dict[str, Json]) -> None:
        """One line."""
        self._told = time.monotonic()
        print(json.dumps(line), file=self._channel, flush=True)


def generate(job: dict[str, Json], progress: _Lines) -> Output:
    """Run one job through its engine, gate and marks and all.

    Args:
        job: ``home``, ``output``, ``options`` of the engine and ``words`` of its verb: ``text`` or ``audio``.
        progress: told how far it is.

    Raises:
        ThsafeError: whatever the engine raises; nothing was written.
    """
    import thsafe

    engine = thsafe.Portrait(**job["options"], home=Home(Path(job["home"])), progress=progress)
    verb = engine.say if "text" in job["words"] else engine.animate
    return verb(**job["words"], output_path=Path(job["output"]))


def main() -> int:
    """Read a job, do it, tell."""
    # Whatever a library prints must not be taken for an answer.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.nice(_NICE)
    lines = _Lines(channel)
    try:
        job = json.loads(_line())
        threading.Thread(target=_watch, daemon=True).start()
        made = generate(job, lines)
        lines.tell(
            {
                "made": {
                    "sha256": made.sha256,
                    "manifest": made.manifest_id,
                    "watermark": made.watermark_id,
                    "entry": made.ledger_index,
                    "seconds": made.duration,
                }
            }
        )
    except ThsafeError as problem:
        lines.tell({"problem": problem.as_dict()})
        return int(problem.exit_code)
    except (KeyboardInterrupt, BrokenPipeError):
        return 130
    return 0


def _line() -> bytes:
    """The first line of standard input, byte by byte from the descriptor: nothing is read beyond it."""
    data = bytearray()
    while not data.endswith(b"\n") and len(data) < _MOST_JOB and (piece := os.read(0, 1 << 16)):
        data += piece
    return bytes(data)


def _watch() -> None:
    while os.read(0, 1 << 10):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
