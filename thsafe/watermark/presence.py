"""The public presence mark: a weak pattern under a published key that tells everyone "marked", and nothing else.

It stands on carriers of its own, one in sixteen, in every picture that thsafe marks, and is read without any key of the
installation. Since everybody knows the pattern, everybody can subtract it, and everybody can add it to a recording of a
camera: a find is a hint, never evidence, and never changes a verdict. The private mark neither gains nor loses by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from thsafe.watermark.carriers import PUBLIC_KEY
from thsafe.watermark.pose import Pose
from thsafe.watermark.reader import geometry, tail
from thsafe.watermark.reading import Geometry, MarkReading
from thsafe.watermark.residual import accumulate, planes_of
from thsafe.watermark.search import Views, common_stages
from thsafe.watermark.spectrum import fold, sync_z, whiten

if TYPE_CHECKING:
    from thsafe.media.planes import Plane, Planes

KEY_NAME: Final = "public"
UNCHANGED_Z: Final = 6.0
"""Sync statistic that says "present" where nothing was searched: p = 1e-9."""
SEARCHED_Z: Final = 7.6
"""The same after the search: p < 1e-6 over :data:`_TESTS`."""
_TESTS: Final = 4e7
"""Correlations that the search looks at, rounded up."""


def read_presence(frames: Iterable[Plane | Planes], *, search: bool = True) -> MarkReading:
    """Look for the public presence mark; no key is needed.

    Args:
        frames: BGR frames (height, width, 3) or I420 planes, all of one size. One is enough; more say more.
        search: Whether to look for crops, frames, sizes, mirroring and quarter turns as well.

    Returns:
        ``present``, ``absent``, or ``not-evaluated`` when there was no picture; never an id.
    """
    kept = [planes_of(frame) for frame in frames]
    evidence = accumulate(planes for planes in kept if planes.y.shape == kept[0].y.shape)
    if evidence is None:
        return MarkReading(state="not-evaluated", reason="There was no picture to read.")
    plain = sync_z([whiten(fold(plane)) for plane in evidence.planes], PUBLIC_KEY)
    if plain >= UNCHANGED_Z:
        return _present(plain, tail(plain), evidence.frames, Geometry())
    if search:
        best = Pose()
        for candidates in common_stages(Views(evidence), PUBLIC_KEY):
            best = max(best, *candidates, key=lambda one: one.z)
            if best.z >= SEARCHED_Z:
                return _present(best.z, min(1.0, _TESTS * tail(best.z)), evidence.frames, geometry(best))
    return MarkReading(state="absent", frames_read=evidence.frames, reason="No public presence mark was found.")


def _present(z: float, false_alarm: float, frames: int, where: Geometry) -> MarkReading:
    return MarkReading(
        state="present",
        key_name=KEY_NAME,
        confidence=z,
        geometry=where,
        frames_read=frames,
        false_alarm=false_alarm,
        reason="The public presence mark is there; anyone can put it into a picture, and anyone can take it out.",
    )
