"""How a file was put together, read from its boxes and packets without decoding: context, never a score.

Anyone can write anything into a container, and every upload rewrites it. Edit lists, an encoder's own note, and key
frames out of step say that a file was cut or joined at some time, not why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thsafe.core.types import Json
from thsafe.media.boxes import read_body, walk_boxes
from thsafe.media.limits import DEFAULT_LIMITS, Limits
from thsafe.media.probe import moving_picture, open_container, sniff_file

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKETS = 50_000
_NOTE = re.compile(rb"(x264 - core \d+(?: r\d+ [0-9a-f]+)?|x265 \(build \d+\)(?: - [\w.+-]+)?|Lavc\d[\d.]*(?: \w+)?)")
_NOTE_BYTES = 4096
_RHYTHM = 0.6
"""Share of key frames that must come at one distance for it to be a rhythm."""
_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaging:
    """What the container tells about how it was written."""

    boxes: tuple[str, ...] = ()
    """Outermost boxes of an MP4 or MOV, in order; runs of one kind once."""
    brands: str = ""
    edits: int = 0
    """Entries of edit lists beyond one a track: parts are left out or moved on playing."""
    encoder_notes: tuple[str, ...] = ()
    """What encoders wrote into the stream itself."""
    key_frame_seconds: float | None = None
    """The usual distance of key frames; None where there is no rhythm."""
    off_beat: tuple[float, ...] = ()
    """Seconds of key frames that come early: cuts of the scene, or seams."""
    held: tuple[tuple[float, float], ...] = ()
    """Stretches in which frames are missing: the next comes later than two usual distances."""

    def facts(self) -> dict[str, Json]:
        """The plain facts, for evidence; what is not there is left out."""
        found: dict[str, Json] = {
            "boxes": " ".join(self.boxes),
            "brands": self.brands,
            "edits in the edit list": self.edits,
            "encoder notes": list(self.encoder_notes),
            "key frame every (s)": self.key_frame_seconds,
            "key frames off the beat (s)": list(self.off_beat[:_SHOWN]),
            "frames missing (s)": [f"{start:.2f}-{end:.2f}" for start, end in self.held[:_SHOWN]],
        }
        return {name: value for name, value in found.items() if value not in (None, "", 0, [])}


def read_packaging(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> Packaging:
    """Read boxes and packet headers of a video or sound file.

    Raises:
        InputError: the file cannot be opened.
    """
    signature, _ = sniff_file(path, limits=limits)
    if signature.image_type:
        return Packaging()
    boxes, brands, edits = _iso(path) if signature.demuxer == "mov" else ((), "", 0)
    with open_container(path, signature, limits) as container:
        stream: Any = moving_picture(container)
        if stream is None:
            return Packaging(boxes=boxes, brands=brands, edits=edits)
        notes = _notes(bytes(stream.codec_context.extradata or b""))
        times: list[float] = []
        keys: list[float] = []
        zero = (container.start_time or 0) / 1e6
        for packet in _packets(container, stream):
            if len(times) < 2:
                notes |= _notes(bytes(packet)[:_NOTE_BYTES])
            seconds = float(packet.pts * packet.time_base) - zero
            times.append(seconds)
            if packet.is_keyframe:
                keys.append(seconds)
    beat, early = _beat(sorted(keys))
    return Packaging(
        boxes=boxes,
        brands=brands,
        edits=edits,
        encoder_notes=tuple(sorted(notes)),
        key_frame_seconds=beat,
        off_beat=early,
        held=_held(sorted(times)),
    )


def _iso(path: Path) -> tuple[tuple[str, ...], str, int]:
    kinds: list[str] = []
    brands, edits = "", 0
    with path.open("rb") as source:
        for box in walk_boxes(source):
            if "/" not in box.path and (not kinds or kinds[-1] != box.kind):
                kinds.append(box.kind)
            if box.path == "ftyp":
                body = read_body(source, box, 256)
                names = [body[:4], *(body[at : at + 4] for at in range(8, len(body) - 3, 4))]
                brands = " ".join(dict.fromkeys(_printable(name) for name in names))
            elif box.kind == "elst":
                body = read_body(source, box, 8)
                edits += max(0, int.from_bytes(body[4:8], "big") - 1)
    return tuple(_printable(kind.encode("latin-1", "replace")) for kind in kinds[:_SHOWN]), brands, edits


def _packets(container: Any, stream: Any) -> Any:
    import av

    packets = container.demux(stream)
    for _ in range(_PACKETS):
        try:
            packet = next(packets, None)
        except (av.FFmpegError, ValueError, OSError):
            return
        if packet is None:
            return
        if packet.pts is not None and packet.size:
            yield packet


def _notes(data: bytes) -> set[str]:
    return {_printable(found).strip(" -") for found in _NOTE.findall(data)}


def _printable(data: bytes) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in data.decode("latin-1"))


def _beat(keys: Sequence[float]) -> tuple[float | None, tuple[float, ...]]:
    """The usual distance of key frames, and those that come earlier than it."""
    gaps = [round(after - before, 3) for before, after in pairwise(keys)]
    if len(gaps) < 3:
        return None, ()
    usual = max(set(gaps), key=gaps.count)
    if sum(abs(gap - usual) <= 0.05 * usual for gap in gaps) < _RHYTHM * len(gaps):
        return None, ()
    early = [keys[place + 1] for place, gap in enumerate(gaps) if gap < 0.95 * usual]
    return usual, tuple(round(moment, 3) for moment in early)


def _held(times: Sequence[float]) -> tuple[tuple[float, float], ...]:
    gaps = sorted(after - before for before, after in pairwise(times))
    if len(gaps) < 8:
        return ()
    usual = gaps[len(gaps) // 2]
    pairs = pairwise(times)
    return tuple((before, after) for before, after in pairs if after - before > max(2.5 * usual, 0.05))
