"""Pictures and sound through a codec and back, in memory: what compression leaves of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

_BLOCK: Final = 16
"""Pixels of a macroblock's side."""


def through_h264(frames: Sequence[Frame], *, crf: int, preset: str = "veryfast") -> list[Frame]:
    """Encode frames of one size as H.264 and decode them again.

    Args:
        frames: BGR ``uint8``, all (height, width, 3).
        crf: x264's constant rate factor, 0 to 51; FaceForensics++ calls 23 and 40 "c23" and "c40".
        preset: x264 speed.

    Returns:
        As many frames, in order.
    """
    import av
    import cv2

    from thsafe.media.planes import bgr_from_i420, i420_from_bgr

    height, width = frames[0].shape[:2]
    # whole blocks: what an encoder finds beyond the edge of a picture is not always the same
    below, right = -height % _BLOCK, -width % _BLOCK
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width + right, height + below, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    # one thread, and no macroblock tree, whose figures for clips of a few frames differ from run to run
    encoder.options = {"crf": str(crf), "preset": preset, "threads": "1", "x264-params": "mbtree=0"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for number, frame in enumerate(frames):
        whole = cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE)
        picture = av.VideoFrame.from_ndarray(i420_from_bgr(whole), format="yuv420p")
        picture.pts = number
        packets += encoder.encode(picture)
    packets += encoder.encode(None)
    decoded = [picture for packet in packets for picture in decoder.decode(packet)] + decoder.decode(None)
    return [bgr_from_i420(picture.to_ndarray(format="yuv420p"))[:height, :width] for picture in decoded]


def through_aac(sound: NDArray[np.float32], *, rate: int, bit_rate: int) -> NDArray[np.float32]:
    """Encode mono sound as AAC-LC and decode it again.

    Args:
        sound: (n,) in [-1, 1].
        rate: Hz, one that AAC knows.
        bit_rate: bits a second.

    Returns:
        (n,), where the decoder's delay is taken off.
    """
    import av
    import numpy as np

    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "fltp"
    encoder.bit_rate = bit_rate
    encoder.open()
    size, packets = int(encoder.frame_size), []
    padded = np.concatenate([sound, np.zeros(-len(sound) % size + 2 * size, np.float32)])
    for start in range(0, len(padded), size):
        frame = av.AudioFrame.from_ndarray(padded[None, start : start + size], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, start
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = encoder.extradata
    heard = [frame.to_ndarray()[0] for packet in packets for frame in decoder.decode(packet)]
    heard += [frame.to_ndarray()[0] for frame in decoder.decode(None)]
    decoded: NDArray[np.float32] = np.concatenate(heard)[size : size + len(sound)]
    return decoded
