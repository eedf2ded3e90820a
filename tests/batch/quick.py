"""The tiny engine of the publishing tests as one that jobs may name: seconds become tenths."""

from __future__ import annotations

import importlib.util
import sys
from os import PathLike
from pathlib import Path

from thsafe.core.types import MediaKind, Output, Task
from thsafe.generation import drawn_portrait, media_input, text_input

spec = importlib.util.spec_from_file_location("tiny_engine", Path(__file__).parents[1] / "publishing" / "tiny.py")
tiny = importlib.util.module_from_spec(spec)
sys.modules["tiny_engine"] = tiny
spec.loader.exec_module(tiny)


class Quick(tiny.Tiny):
    """Says something with a drawn person or a picture."""

    def say(
        self,
        text: str,
        *,
        output_path: str | PathLike[str],
        person: str | None = None,
        image: str | PathLike[str] | None = None,
    ) -> Output:
        portrait = media_input("portrait", image, MediaKind.IMAGE) if image else drawn_portrait(person or "")
        self.frames = 30
        return self.run(Task.SAY, (portrait, text_input(text)), {}, output_path)
