"""The SadTalker engine's public verb.

Rendering with the authors' weights is not part of this version: the engine checks the call, the weights and their
licence, and says so before anything else happens.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

from generators.wav2lip.engine import cannot_render
from thsafe.core.types import Draft, MediaKind, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.home import Home
from thsafe.models import find_card
from thsafe.models.fetch import require_weights

if TYPE_CHECKING:
    from thsafe.gate import Permit


class SadTalker(Generator):
    """A still picture that speaks."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="sadtalker",
        title="SadTalker",
        tasks=(Task.ANIMATE,),
        licence="Apache-2.0 code, weights of the authors' releases",
        commercial_use=True,
        needs="weights: thsafe models pull sadtalker-256",
        models=("sadtalker-256",),
        renders=False,
    )

    def animate(
        self,
        *,
        source_image: str | os.PathLike[str],
        audio_file: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        seed: int = 0,
        force: bool = False,
    ) -> Output:
        """Animate ``source_image`` with ``audio_file``.

        Raises:
            MissingError: the weights are not installed.
            InputError: an input is not what it should be.
        """
        inputs = (
            media_input("portrait", source_image, MediaKind.IMAGE),
            media_input("voice", audio_file, MediaKind.AUDIO),
        )
        return self.run(Task.ANIMATE, inputs, {"seed": seed}, output_path, force=force)

    def require(self) -> None:
        """Raise MissingError: first for the weights, then because this version cannot render with them."""
        require_weights(find_card("sadtalker-256"), self._home or Home.default())
        cannot_render("SadTalker")

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Never reached: ``require`` has refused before."""
        del request, permit, progress
        cannot_render("SadTalker")
