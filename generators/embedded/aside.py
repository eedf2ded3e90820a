"""Files that are written beside an output: the performance track and the captions. The output itself is not touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from generators.embedded.captions import check_captions, webvtt
from generators.embedded.track import TrackWriter, check_target
from thsafe.media.files import write_whole

if TYPE_CHECKING:
    from generators.embedded.pose import Pose
    from thsafe.core.types import Draft


class Aside:
    """What a run leaves beside its output, all of it after the output has its name.

    Args:
        performance: where the performance track goes, or None.
        captions: where the WebVTT captions go, or None.

    Raises:
        UsageError: a name or a folder that cannot be; told before any work is done.
    """

    def __init__(self, *, performance: Path | None = None, captions: Path | None = None) -> None:
        if performance is not None:
            check_target(performance)
        if captions is not None:
            check_captions(captions)
        self._performance = performance
        self._captions = captions
        self._words = ""
        self._writer: TrackWriter | None = None

    def record(self, poses: Iterable[Pose], *, fps: Fraction, seed: int, engine: str) -> Iterator[Pose]:
        """The same poses; each is written down as it passes."""
        if self._performance is None:
            yield from poses
            return
        self._writer = TrackWriter(self._performance, fps=fps, seed=seed, engine=engine)
        for number, pose in enumerate(poses):
            shown = pose.clamped()
            self._writer.add(float(number / fps), shown)
            yield shown

    def note(self, draft: Draft) -> Draft:
        """Keep the draft's words for the captions."""
        if self._captions is not None:
            self._words = webvtt(draft.captions)
        return draft

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Around the run: the files appear if it succeeds, and nothing of them stays if it does not."""
        try:
            yield
        except BaseException:
            if self._writer is not None:
                self._writer.discard()
            raise
        if self._writer is not None:
            self._writer.finish()
        if self._captions is not None:
            write_whole(self._captions, self._words.encode())
