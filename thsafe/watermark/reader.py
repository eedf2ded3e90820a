"""Reading the picture mark from any number of pictures, without the original.

First the cheap hypothesis: nothing but scaling and coding happened. If no id comes out and ``search`` is on, scale,
aspect, shift, mirroring and rotation are searched (:mod:`thsafe.watermark.search`). The keyed check makes a false id
unlikely by construction: at most 50 decodings with 8 candidates each against 32 bits, below 1e-7 per file and key.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from thsafe.watermark import payload, polar
from thsafe.watermark.carriers import SIDE, Spectrum
from thsafe.watermark.pose import Pose, framed, spectra, weighed
from thsafe.watermark.reading import Geometry, MarkReading
from thsafe.watermark.residual import Residual, gathered, joined, planes_of, refine
from thsafe.watermark.search import NOISE_Z, SURE_Z, TESTS, Views, nudged, stages
from thsafe.watermark.spectrum import fold, listen, whiten

if TYPE_CHECKING:
    from thsafe.media.planes import Plane, Planes

__all__ = ["Geometry", "MarkReading", "read_pictures"]

MOST_DECODES = 50
"""Per file and key, all told."""
_SEARCH_DECODES = 38
_RUNS = 48
"""Runs of neighbouring pictures that are weighed against each other."""
PRESENT_UNCHANGED = 6.0
"""Sync statistic that says "present" when nothing was searched: p = 1e-9."""
PRESENT_SEARCHED = 8.0
"""The same after the search, over some 1e8 correlations: p < 1e-6."""


def tail(z: float) -> float:
    """Probability that a standard normal value exceeds z."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def false_id(decodes: int) -> float:
    """Bound on the probability of a false id after so many decodings."""
    return decodes * polar.LIST_SIZE * 2.0**-payload.CHECK_BITS


def read_pictures(frames: Iterable[Plane | Planes], keys: Mapping[str, bytes], *, search: bool = True) -> MarkReading:
    """Read the mark that a set of pictures of one size shares.

    Args:
        frames: BGR frames (height, width, 3) or I420 planes, all of one size. One is enough; more say more.
        keys: Watermark keys by name, 32 bytes each; the first that answers wins.
        search: Whether to look for geometric changes when the plain reading fails.

    Returns:
        The reading; ``not-evaluated`` when there was no picture or no key.
    """
    kept = [planes_of(frame) for frame in frames]
    return read_planes(kept, keys, search=search)


def read_planes(kept: list[Planes], keys: Mapping[str, bytes], *, search: bool = True) -> MarkReading:
    """The same for I420 planes that are already at hand."""
    if not keys:
        return MarkReading(state="not-evaluated", reason="No watermark key is known here.")
    kept = [planes for planes in kept if planes.y.shape == kept[0].y.shape]
    runs = gathered(kept, _RUNS)
    residual = joined(runs)
    if residual is None:
        return MarkReading(state="not-evaluated", reason="There was no picture to read.")
    plain = read_runs(runs, keys)
    if plain.state == "id" or not search:
        return plain
    found = read_changed(residual, refine(residual, kept), keys, runs)
    return plain if found.state == "absent" else found


def read_runs(runs: Sequence[Residual], keys: Mapping[str, bytes]) -> MarkReading:
    """Read as if nothing but scaling had happened: all runs alike, then the clear ones above all; two decodings."""
    residual = joined(runs)
    if residual is None:
        return MarkReading(state="not-evaluated", reason="There was no picture to read.")
    plain = read_unchanged(residual, keys)
    if plain.state == "id" or len(runs) < 2:
        return plain
    for name, key in keys.items():
        heard = listen(weighed(runs, Pose(), key), key)
        mark_id = payload.decode(key, heard.llr)
        if mark_id is not None:
            return _read(mark_id, name, heard.z, residual.frames, Geometry(), decodes=2 * len(keys))
    return plain


def _read(mark_id: str, name: str, z: float, frames: int, where: Geometry, *, decodes: int) -> MarkReading:
    return MarkReading(
        state="id",
        mark_id=mark_id,
        key_name=name,
        confidence=z,
        geometry=where,
        frames_read=frames,
        false_alarm=false_id(decodes),
        reason="The id was read and its keyed check holds.",
    )


def read_unchanged(residual: Residual, keys: Mapping[str, bytes]) -> MarkReading:
    """Read as if nothing but scaling had happened; one decoding per key."""
    spectra = [whiten(fold(plane)) for plane in residual.planes]
    best = MarkReading(state="absent", frames_read=residual.frames, reason="No mark under the known keys was found.")
    for name, key in keys.items():
        heard = listen(spectra, key)
        mark_id = payload.decode(key, heard.llr)
        if mark_id is not None:
            return _read(mark_id, name, heard.z, residual.frames, Geometry(), decodes=len(keys))
        if heard.z >= PRESENT_UNCHANGED and heard.z > best.confidence:
            best = MarkReading(
                state="present",
                key_name=name,
                confidence=heard.z,
                frames_read=residual.frames,
                false_alarm=min(1.0, len(keys) * tail(heard.z)),
                reason="A mark under this key is there, but too weak to read its id.",
            )
    return best


def read_changed(
    residual: Residual, fine: Residual, keys: Mapping[str, bytes], runs: Sequence[Residual] = ()
) -> MarkReading:
    """Search scale, aspect, shift, mirroring and rotation; at most 38 decodings per key.

    Args:
        residual: Evidence on the cell grid.
        fine: The same with finer luma.
        keys: Watermark keys by name.
        runs: The evidence of ``residual`` in parts, to be weighed when the whole is not readable.
    """
    best, best_name = Pose(), ""
    views = Views(residual)
    left = dict.fromkeys(keys, _SEARCH_DECODES)
    # Stage by stage for all keys: a common change under an old key comes before a rare one under the new.
    for found in zip(*(stages(views, key) for key in keys.values()), strict=True):
        for (name, key), candidates in zip(keys.items(), found, strict=True):
            for candidate in candidates:
                for pose, aligned in islice(_attempts(fine, runs, candidate, key), left[name]):
                    left[name] -= 1
                    mark_id = payload.decode(key, listen(aligned, key).llr)
                    if mark_id is not None:
                        where, most = geometry(pose), MOST_DECODES * len(keys)
                        return _read(mark_id, name, candidate.z, residual.frames, where, decodes=most)
                if candidate.z > best.z:
                    best, best_name = candidate, name
    if best.z >= PRESENT_SEARCHED:
        return MarkReading(
            state="present",
            key_name=best_name,
            confidence=best.z,
            geometry=geometry(best),
            frames_read=residual.frames,
            false_alarm=min(1.0, len(keys) * TESTS * tail(best.z)),
            reason="A mark under this key is there, but too weak to read its id.",
        )
    return MarkReading(state="absent", frames_read=residual.frames, reason="No mark under the known keys was found.")


def read_at(group: Residual, frames: Sequence[Planes], keys: Mapping[str, bytes], where: Geometry) -> str | None:
    """The id of one group of frames under a geometry that is already known; one decoding per key."""
    if where.unchanged:
        return read_unchanged(group, keys).mark_id
    pose = pose_of(where)
    aligned = spectra(refine(group, frames), pose)
    found = (payload.decode(key, listen(aligned, key).llr) for key in keys.values())
    return next((mark_id for mark_id in found if mark_id is not None), None)


def _attempts(
    fine: Residual, runs: Sequence[Residual], candidate: Pose, key: bytes
) -> Iterator[tuple[Pose, tuple[Spectrum, ...]]]:
    """What is worth decoding: as found, moved by parts of a cell, its part of the picture or its clear runs alone."""
    for pose in nudged(candidate):
        yield pose, spectra(fine, pose)
    if candidate.z >= NOISE_Z:
        alone = framed(fine, candidate, key)
        if alone is not None:
            yield candidate, alone
    if len(runs) > 1 and candidate.z >= SURE_Z:
        yield candidate, weighed(runs, candidate, key)


def pose_of(where: Geometry) -> Pose:
    """The pose that a reported geometry stands for."""
    turns = round(where.rotation / 90)
    return Pose(
        scale_x=where.scale_x,
        scale_y=where.scale_y,
        dx=where.dx,
        dy=where.dy,
        flip=where.flip,
        turns=turns % 4,
        tilt=where.rotation - 90.0 * turns,
    )


def geometry(pose: Pose) -> Geometry:
    """A pose in the words of a report."""
    return Geometry(
        scale_x=pose.scale_x,
        scale_y=pose.scale_y,
        dx=pose.dx % SIDE,
        dy=pose.dy % SIDE,
        flip=pose.flip,
        rotation=90.0 * (pose.turns if pose.turns < 3 else -1) + pose.tilt,
    )
