"""Groups of pictures: how large each coded picture of a film is, and which stand alone; read without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from thsafe.media.limits import DEFAULT_LIMITS, Limits
from thsafe.media.probe import moving_picture, open_container, sniff_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PACKETS: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """The coded pictures of a film in the order in which they are shown."""

    seconds: NDArray[np.float64]
    """(n,)"""
    sizes: NDArray[np.int64]
    """(n,) bytes."""
    alone: NDArray[np.bool_]
    """(n,): key frames, which need no other picture."""
    both_ways: NDArray[np.bool_]
    """(n,): shown before a picture that was coded earlier, so predicted from both sides (B)."""


def read_groups(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Groups:
    """Sizes and kinds of the first 50,000 coded pictures.

    Raises:
        InputError: the file cannot be opened.
    """
    import av

    signature, _ = sniff_file(path, limits=limits)
    rows: list[tuple[float, int, bool, bool]] = []
    with open_container(path, signature, limits) as container:
        stream: Any = moving_picture(container)
        zero = (container.start_time or 0) / 1e6
        packets = container.demux(stream) if stream is not None else iter(())
        furthest = float("-inf")
        while len(rows) < _PACKETS:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError, OSError):
                break
            if packet is None:
                break
            if packet.pts is None or not packet.size:
                continue
            seconds = float(packet.pts * packet.time_base) - zero
            rows.append((seconds, packet.size, bool(packet.is_keyframe), seconds < furthest))
            furthest = max(furthest, seconds)
    rows.sort(key=lambda row: row[0])
    return Groups(
        seconds=np.array([row[0] for row in rows]),
        sizes=np.array([row[1] for row in rows], np.int64),
        alone=np.array([row[2] for row in rows], bool),
        both_ways=np.array([row[3] for row in rows], bool),
    )
