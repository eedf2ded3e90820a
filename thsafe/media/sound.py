"""Sound in: any rate, layout and sample format, out as float32 at the rate that was asked for, block by block.

The zero of time is the file's own, as in ``thsafe.media.decode``: a track that starts late begins with silence, so
that sound and picture stay together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thsafe.media import complaints
from thsafe.media.limits import DEFAULT_LIMITS, Limits
from thsafe.media.probe import open_container, probe, sniff_file, sound_track

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import SoundBlock

_GAP_SECONDS = 0.03
"""Holes in a track shorter than this are rounding of time stamps, not silence."""
_HALF_POWER = 0.7071067811865476
_SCALE = {"u1": 128.0, "i2": 32768.0, "i4": 2147483648.0, "i8": 9223372036854775808.0}


def iter_sound(
    path: Path, *, rate: int, mono: bool = True, block: int = 16384, limits: Limits = DEFAULT_LIMITS
) -> Iterator[SoundBlock]:
    """The sound of a sound file or of a video's first track.

    Surround is folded down after ITU-R BS.775-3 annex 4, then scaled so that nothing clips; resampling is soxr's
    high quality.

    Args:
        path: the file.
        rate: samples per second wanted, Hz.
        mono: one channel; otherwise mono stays mono and all else becomes stereo.
        block: samples per block; the last one may be shorter.
        limits: what is too much.

    Yields:
        ``float32`` (samples, channels), nominally in [-1, 1]; lossy codecs may overshoot a little.

    Raises:
        InputError: as ``probe``; ``input.no-sound`` when there is none.
    """
    signature, _ = sniff_file(path, limits=limits)
    if signature.image_type:
        raise complaints.no_sound(path, signature.image_type)
    info = probe(path, limits=limits)
    if info.audio_codec is None:
        raise complaints.no_sound(path, info.media_type)
    with open_container(path, signature, limits) as container:
        stream = sound_track(container)
        if stream is None:
            raise complaints.no_sound(path, info.media_type)
        zero = (container.start_time or 0) / 1e6
        pieces = _resampled(_decoded(container, stream, zero, limits, mono=mono), rate)
        produced = 0
        for samples in _blocks(pieces, block):
            produced += len(samples)
            if produced > limits.max_seconds * rate:
                raise complaints.too_long(path, produced / rate, limits.max_seconds)
            yield samples
    if not produced:
        raise complaints.no_sound(path, f"{info.audio_codec}: nothing in it decodes")


def load_sound(path: Path, *, rate: int, limits: Limits = DEFAULT_LIMITS) -> NDArray[np.float32]:
    """All of it at once, mono, ``float32`` (samples,): for analysis of what is short enough to hold.

    Raises:
        InputError: as ``iter_sound``.
    """
    blocks = [samples[:, 0] for samples in iter_sound(path, rate=rate, limits=limits)]
    return np.concatenate(blocks)


def peak(samples: NDArray[np.float32]) -> float:
    """Largest absolute sample; 0 for an empty block."""
    return float(np.abs(samples).max()) if samples.size else 0.0


def loudness(samples: NDArray[np.float32]) -> float:
    """Root mean square level in dB relative to full scale; -120 for silence."""
    if not samples.size:
        return -120.0
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(-120.0, 10.0 * float(np.log10(max(power, 1e-12))))


def _decoded(
    container: Any, stream: Any, zero: float, limits: Limits, *, mono: bool
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """(rate, samples (n, 1 or 2)) with late starts and holes filled by silence."""
    heard = 0.0
    for frame in _frames(container, stream):
        samples = _fold(_as_float(frame), frame.layout.name, mono=mono)
        rate = int(frame.sample_rate)
        if frame.pts is not None:
            start = float(frame.pts * frame.time_base) - zero
            hole = min(start, limits.max_seconds) - heard
            while hole > _GAP_SECONDS:
                part = min(hole, 1.0)
                yield rate, np.zeros((round(part * rate), samples.shape[1]), np.float32)
                hole -= part
                heard += part
        heard += len(samples) / rate
        yield rate, samples


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames; what does not decode is skipped."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except (av.FFmpegError, ValueError, OSError):
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            continue
        yield from (frame for frame in frames if frame.samples and frame.sample_rate)


def _as_float(frame: Any) -> NDArray[np.float32]:
    """(samples, channels) in [-1, 1] from any of FFmpeg's sample formats (libavutil/samplefmt.h)."""
    raw = frame.to_ndarray()
    channels = len(frame.layout.channels)
    shaped = raw.T if frame.format.is_planar else raw.reshape(-1, channels)
    if shaped.dtype.kind == "f":
        floats: NDArray[np.float32] = np.nan_to_num(shaped.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
        return floats
    scale = _SCALE[shaped.dtype.str[1:]]
    offset = 128.0 if shaped.dtype.kind == "u" else 0.0
    scaled: NDArray[np.float32] = ((shaped.astype(np.float64) - offset) / scale).astype(np.float32)
    return scaled


def _fold(samples: NDArray[np.float32], layout: str, *, mono: bool) -> NDArray[np.float32]:
    """Down to stereo, or to mono."""
    if samples.shape[1] > 2:
        samples = samples @ _downmix(layout, samples.shape[1])
    if mono and samples.shape[1] == 2:
        samples = samples.mean(axis=1, keepdims=True)
    return samples


def _downmix(layout: str, channels: int) -> NDArray[np.float32]:
    """(channels, 2): front full, centre and surrounds at -3 dB to their side, no low-frequency effects."""
    import av

    weights = np.zeros((channels, 2), np.float32)
    for row, channel in enumerate(av.AudioLayout(layout).channels):
        name = channel.name
        if name.startswith("LFE"):
            continue
        if name in {"FC", "BC", "TC", "TFC", "TBC", "BFC"} or not name.endswith(("L", "R", "LC", "RC")):
            weights[row] = _HALF_POWER
        else:
            side = 0 if "L" in name else 1
            weights[row, side] = 1.0 if name in {"FL", "FR", "DL", "DR"} else _HALF_POWER
    if not weights.any():
        weights[:] = 1.0
    folded: NDArray[np.float32] = (weights / weights.sum(axis=0).max()).astype(np.float32)
    return folded


def _resampled(pieces: Iterator[tuple[int, NDArray[np.float32]]], rate: int) -> Iterator[NDArray[np.float32]]:
    """Continuous over blocks; a stream that changes rate or layout half-way starts a new filter there."""
    import soxr

    filter_, shape, width = None, (0, 0), 0
    for source_rate, piece in pieces:
        width = width or piece.shape[1]
        samples = piece
        if piece.shape[1] != width:
            samples = np.repeat(piece.mean(axis=1, keepdims=True), width, axis=1)
        if source_rate == rate and filter_ is None:
            yield samples
            continue
        if shape != (source_rate, width):
            if filter_ is not None:
                yield _run(filter_, np.zeros((0, width), np.float32), last=True)
            filter_ = soxr.ResampleStream(source_rate, rate, width, dtype="float32", quality="HQ")
            shape = (source_rate, width)
        yield _run(filter_, samples, last=False)
    if filter_ is not None:
        yield _run(filter_, np.zeros((0, width), np.float32), last=True)


def _run(filter_: Any, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
    out: NDArray[np.float32] = filter_.resample_chunk(np.ascontiguousarray(samples), last=last)
    return out.reshape(-1, samples.shape[1])


def _blocks(pieces: Iterator[NDArray[np.float32]], size: int) -> Iterator[NDArray[np.float32]]:
    waiting: list[NDArray[np.float32]] = []
    held = 0
    for piece in pieces:
        waiting.append(piece)
        held += len(piece)
        while held >= size:
            joined = np.concatenate(waiting)
            yield np.ascontiguousarray(joined[:size])
            waiting, held = [joined[size:]], held - size
    if held:
        yield np.concatenate(waiting)
