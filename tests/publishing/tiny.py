"""A tiny engine for tests of the publishing loop: moving texture and a tone, no face, no model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from generators.pictures import Pictures
from thsafe.core.types import Draft, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, drawn_portrait, text_input

if TYPE_CHECKING:
    from pathlib import Path

    from thsafe.core.types import Frame, Output, SoundBlock
    from thsafe.gate import Permit

WIDTH, HEIGHT, FPS, RATE = 320, 256, Fraction(25), 16000


class Tiny(Generator):
    """Yields ``frames`` frames of texture; ``seen`` keeps what the engine was given."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="tiny", title="Tiny", tasks=(Task.SAY,), licence="Apache-2.0", commercial_use=True, needs=""
    )

    def __init__(self, frames: int = 40, *, during: Callable[[int], None] | None = None, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.frames = frames
        self.during = during
        self.seen: list[tuple[Request, Permit]] = []

    def say(self, output_path: Path, *, force: bool = False) -> Output:
        return self.run(Task.SAY, (drawn_portrait("ada"), text_input("x")), {}, output_path, force=force)

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        del progress
        self.seen.append((request, permit))
        pictures = self._pictures()
        return Draft(
            width=WIDTH,
            height=HEIGHT,
            fps=FPS,
            frames=pictures,
            skip=pictures.skip,
            sound=self._sound(),
            sample_rate=RATE,
            channels=1,
            frame_count=self.frames,
            facts={
                "digital_source_type": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation",
                "software_agent": {"name": "tiny", "version": "1"},
            },
        )

    def _pictures(self) -> Pictures[int]:
        # Smooth as a face before a wall, and swaying as a person does: hard edges that race past are no talking head.
        noise = np.random.default_rng(1).integers(50, 200, (HEIGHT // 32 + 2, WIDTH // 32 + 2, 3)).astype(np.uint8)
        wide = cv2.resize(noise, (WIDTH + 16, HEIGHT), interpolation=cv2.INTER_CUBIC)

        def draw(number: int) -> Frame:
            if self.during is not None:
                self.during(number)
            left = round(8 + 6 * np.sin(number / 10))
            return wide[:, left : left + WIDTH].copy()

        return Pictures(range(self.frames), draw)

    def _sound(self) -> Iterator[SoundBlock]:
        total = round(self.frames / FPS * RATE)
        times = np.arange(total) / RATE
        wave = (0.2 * np.sin(2 * np.pi * 220 * times) * (1 + np.sin(2 * np.pi * 3 * times))).astype(np.float32)
        for start in range(0, total, 4096):
            yield wave[start : start + 4096, None]
