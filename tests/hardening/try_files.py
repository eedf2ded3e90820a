"""Read every file of a folder as thsafe reads strangers' files, and tell what came of each, a line of JSON a file.

A process of its own, so that a crash of a decoder is seen and not shared: ``python try_files.py FOLDER HOME verify|read``.
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time
from pathlib import Path

from thsafe.core.errors import ThsafeError
from thsafe.core.types import MediaKind
from thsafe.home import Home
from thsafe.media.decode import VideoReader
from thsafe.media.image import read_image
from thsafe.media.probe import probe
from thsafe.media.sound import iter_sound
from thsafe.verification import verify


def read(path: Path, _home: Home) -> str:
    """Probe, then decode what is there."""
    info = probe(path)
    if info.kind is MediaKind.IMAGE:
        read_image(path)
    if info.kind is MediaKind.VIDEO:
        with VideoReader(path) as reader:
            reader.sample_bgr(6)
        with VideoReader(path) as reader:
            for _ in itertools.islice(reader.iter_i420(), 30):
                pass
    if info.audio_codec:
        for _ in itertools.islice(iter_sound(path, rate=16000), 50):
            pass
    return "read"


def judge(path: Path, home: Home) -> str:
    """The whole verification."""
    return str(verify(path, home=home, record=False, detectors=False).verdict)


def main() -> None:
    """Go through the folder."""
    folder, home, way = Path(sys.argv[1]), Home(Path(sys.argv[2])), {"read": read, "verify": judge}[sys.argv[3]]
    for path in sorted(folder.iterdir()):
        begun = time.monotonic()
        try:
            came = way(path, home)
        except ThsafeError as problem:
            came = problem.code
        except Exception as problem:  # noqa: BLE001 - what must not happen is what is looked for
            came = f"TRACEBACK {type(problem).__name__}: {problem}"
        seconds = time.monotonic() - begun
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps([path.name, came, round(seconds, 2), grown]), flush=True)


if __name__ == "__main__":
    main()
