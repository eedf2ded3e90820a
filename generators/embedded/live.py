"""A portrait that follows a stream of speech as it comes, a fifth of a second at a time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded.follow import Follower
from generators.embedded.listen import FLOOR_DB, HOP, RATE, survey
from generators.embedded.parameters import framed
from generators.embedded.performance import Performance
from generators.embedded.phonenet import Network
from generators.embedded.puppet import Puppet
from generators.embedded.visemes import FRAMES_PER_SECOND, VISEMES, Viseme
from generators.pictures import Pictures
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.embedded.pose import Pose
    from thsafe.core.types import Frame, Request
    from thsafe.home import Home

    Sound = NDArray[np.float32]

BLOCK: Final = RATE // 5
"""Samples that are heard at once."""
_AHEAD: Final = 20
"""Rows (10 ms) that the network is let see beyond those that it tells."""
_BEHIND: Final = 60
_REMEMBERED: Final = 6 * RATE
_LONGEST: Final = 24 * 3600
"""Seconds after which a stream ends by itself."""


class LiveHead:
    """One portrait, drawn for a stream.

    Args:
        request: a permitted job with the input ``portrait`` and the parameters ``short_side``, ``fps``, ``seed``.
        home: keeps drawn people for the next time.
    """

    delay: float = (BLOCK / HOP + _AHEAD + 16) / FRAMES_PER_SECOND + 0.1
    """Seconds by which pictures must be shown later than their sound comes in: a block, the network's look ahead, that
    of co-articulation, and drawing."""

    def __init__(self, request: Request, home: Home | None) -> None:
        shown = framed(request, home)
        self._puppet = Puppet(shown.picture, shown.landmarks, matte=shown.matte)
        self._seed = int(request.params.get("seed", 0))
        self.fps = Fraction(str(request.params.get("fps", 25)))
        self.height, self.width = shown.picture.shape[:2]
        self.face_box = self._puppet.face_box

    def frames(self, blocks: Iterator[Sound]) -> Pictures[Pose]:
        """BGR pictures, each drawn as soon as the sound for it has come; the end follows that of the sound.

        Args:
            blocks: mono at 16 kHz, each (n,), as they come.
        """
        return Pictures(live_poses(blocks, fps=self.fps, seed=self._seed), self._puppet.render)

    def following(self, pictures: Iterator[tuple[float, Frame]]) -> Pictures[tuple[float, Frame]]:
        """BGR pictures of the portrait, each doing what the face in one of (seconds, BGR picture) does."""
        follower = Follower()
        return Pictures(pictures, lambda seen: self._puppet.render(follower.pose(*seen)))


def live_poses(blocks: Iterator[Sound], *, fps: Fraction, seed: int) -> Iterator[Pose]:
    """Poses of a stream, each as soon as the sound for it has come; the end follows that of the sound.

    Args:
        blocks: mono at 16 kHz, each (n,), as they come.
        fps: poses a second.
        seed: chooses blinks and the drift of the head.
    """
    heard = _Heard(blocks)
    poses = Performance(heard.rows(), np.zeros(0, np.float32), fps=fps, frames=_LONGEST * 120, seed=seed)
    for number, pose in enumerate(poses):
        if heard.ended and number / fps >= heard.seconds:
            return
        yield pose


class _Heard:
    """Mouth classes of a stream: what is loud and what is silent follows from its latest six seconds."""

    def __init__(self, blocks: Iterator[Sound]) -> None:
        self._blocks = blocks
        self._network = Network()
        self.ended = False
        self.seconds = 0.0

    def rows(self) -> Iterator[NDArray[np.float64]]:
        """(n, 14) at 100 Hz."""
        memory = np.zeros(0, np.float32)
        waiting = np.zeros(0, np.float32)
        told = came = 0
        for block in self._blocks:
            waiting = np.concatenate([waiting, np.asarray(block, np.float32).reshape(-1)])
            while len(waiting) >= BLOCK:
                memory = np.concatenate([memory, waiting[:BLOCK]])[-_REMEMBERED:]
                waiting = waiting[BLOCK:]
                came += BLOCK // HOP
                self.seconds = came / FRAMES_PER_SECOND
                new = came - _AHEAD - told
                if new > 0:
                    yield self._tell(memory, new, _AHEAD)
                    told += new
        memory = np.concatenate([memory, waiting])[-_REMEMBERED:]
        came += len(waiting) // HOP
        self.seconds = came / FRAMES_PER_SECOND
        self.ended = True
        if came > told:
            yield self._tell(memory, came - told, 0)

    def _tell(self, memory: Sound, new: int, ahead: int) -> NDArray[np.float64]:
        """The ``new`` rows that end ``ahead`` rows before the end."""
        near = memory[-(new + ahead + _BEHIND) * HOP :]
        table = np.zeros((new, VISEMES))
        table[:, Viseme.SIL] = 1.0
        try:
            surveyed = survey([memory])
        except InputError:  # nothing but silence so far
            return table
        if surveyed.loud_db < FLOOR_DB + 15:
            return table  # a quiet room: its hiss is nobody's voice
        found = self._network.posteriors(near, surveyed)
        found = found[: len(found) - ahead] if ahead else found
        table[new - min(new, len(found)) :] = found[-new:]
        return table
