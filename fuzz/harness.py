"""What the targets share: a corpus laid down, libFuzzer run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

Target = Callable[[bytes], None]


def fuzz(one_input: Target, corpus: Iterable[bytes]) -> None:
    """Let libFuzzer run on the command line's corpus folder and options until it finds something or time is up."""
    import atheris

    folder = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), "build/fuzz/corpus"))
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus):
        (folder / f"genuine-{number}").write_bytes(data)
    options = [word for word in sys.argv[1:] if word != str(folder)]
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], "-rss_limit_mb=2048", "-timeout=20", *options, str(folder)], one_input)
    atheris.Fuzz()
