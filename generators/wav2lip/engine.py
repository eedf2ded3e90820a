"""The Wav2Lip engine's public verb.

Rendering with the authors' weights is not part of this version: the engine checks the call, the weights and their
licence, and says so before anything else happens.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, NoReturn

from thsafe.core.errors import MissingError
from thsafe.core.types import Draft, MediaKind, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.home import Home
from thsafe.models import find_card
from thsafe.models.fetch import require_weights

if TYPE_CHECKING:
    from thsafe.gate import Permit


class Wav2Lip(Generator):
    """New speech for an existing video."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="wav2lip",
        title="Wav2Lip",
        tasks=(Task.LIPSYNC,),
        licence="non-commercial weights of the authors",
        commercial_use=False,
        needs="weights: thsafe models pull wav2lip-gan",
    )

    def generate(
        self,
        *,
        video: str | os.PathLike[str],
        audio: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        seed: int = 0,
        force: bool = False,
    ) -> Output:
        """Move the lips in ``video`` to ``audio``.

        Raises:
            MissingError: the weights are not installed.
            InputError: an input is not what it should be.
        """
        inputs = (media_input("target", video, MediaKind.VIDEO), media_input("voice", audio, MediaKind.AUDIO))
        return self.run(Task.LIPSYNC, inputs, {"seed": seed}, output_path, force=force)

    def require(self) -> None:
        """Raise MissingError: first for the weights, then because this version cannot render with them."""
        require_weights(find_card("wav2lip-gan"), self._home or Home.default())
        cannot_render("Wav2Lip")

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Never reached: ``require`` has refused before."""
        del request, permit, progress
        cannot_render("Wav2Lip")


def cannot_render(title: str) -> NoReturn:
    """Say plainly that the weights are there but this version has no network to put them into."""
    raise MissingError(
        f"This version of thsafe cannot render with {title} yet.",
        code="engine.not-in-this-version",
        next_step="use the embedded engine: thsafe generate animate --engine embedded …",
        log="nothing was written",
    )
