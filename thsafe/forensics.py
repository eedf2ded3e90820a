"""Forensic detectors whose weights the user has pulled, as checks of the verification.

They run only when asked for. What they find is evidence beside the rest, without strength, and decides nothing: the
published weights are near chance on modern talking heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import MissingError
from thsafe.core.types import Evidence, MediaKind, Status
from thsafe.home import Home
from thsafe.models import find_card, installed_path

if TYPE_CHECKING:
    from thsafe.examination import Examination

_FRAMES = 12
"""Frames scored a file: the published figures are means over so many."""


def forensic_checks(home: Home) -> dict[str, Callable[[Examination], Evidence]]:
    """One check for each detector whose weights are all there.

    Raises:
        MissingError: ``detector.none``: none is installed.
    """
    from thsafe.registry import detectors

    found = {}
    for name, cards in detectors().items():
        weights = [installed_path(find_card(card), home) for card in cards]
        if all(weights):
            found[f"detector.{name}"] = _check(name, [path for path in weights if path is not None])
    if not found:
        names = ", ".join(card for cards in detectors().values() for card in cards)
        raise MissingError(
            "No detector is installed: thsafe ships no weights of others.",
            code="detector.none",
            found=f"nothing of {names}",
            next_step="thsafe models pull mesoinception-f2f",
        )
    return found


def _check(name: str, weights: Sequence[Path]) -> Callable[[Examination], Evidence]:
    from thsafe.registry import run_detector

    def check(examination: Examination) -> Evidence:
        if examination.info.kind is MediaKind.AUDIO:
            return Evidence(
                check=f"detector.{name}",
                status=Status.NOT_EVALUATED,
                summary="It looks at faces; this file has no picture.",
                code="NOT-APPLICABLE",
            )
        frames = examination.sampled()
        step = max(1, len(frames) // _FRAMES)
        return run_detector(name, weights, frames[::step][:_FRAMES])

    return check
