"""Pictures through a video codec and back, in memory: what compression leaves of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thsafe.core.types import Frame


def through_h264(frames: Sequence[Frame], *, crf: int, preset: str = "veryfast") -> list[Frame]:
    """Encode frames of one size as H.264 and decode them again.

    Args:
        frames: BGR ``uint8``, all (height, width, 3) with even sides.
        crf: x264's constant rate factor, 0 to 51; FaceForensics++ calls 23 and 40 "c23" and "c40".
        preset: x264 speed.

    Returns:
        As many frames, in order.
    """
    import av

    height, width = frames[0].shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    # one thread: the same bytes on every machine
    encoder.options = {"crf": str(crf), "preset": preset, "threads": "1"}
    decoder = av.CodecContext.create("h264", "r")
    packets = []
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format="bgr24")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    decoded = [picture for packet in packets for picture in decoder.decode(packet)] + decoder.decode(None)
    return [picture.to_ndarray(format="bgr24") for picture in decoded]
