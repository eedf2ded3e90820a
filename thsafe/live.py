"""A portrait in real time: a page on this machine, and pictures for a virtual camera. Nothing is recorded.

The gate is asked as for a file, every picture carries the visible label and the invisible watermark, and the log holds
when it ran and how much was shown. A stream has no end that could be signed, so it has no manifest; for the same reason
no regular file is ever written: whoever wants a file makes one with ``thsafe generate``.
"""

from __future__ import annotations

import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from thsafe.camera import Camera, watched
from thsafe.core.errors import InputError, ThsafeError, UsageError
from thsafe.core.ids import new_job_id, new_watermark_id
from thsafe.core.types import Json, MediaRef, Request, Task
from thsafe.installation import Installation
from thsafe.viewing import Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thsafe.home import Home

RATE: Final = 16000
_DRAWING: Final = 0.1
"""Seconds from a camera's picture to the portrait's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a live run came to."""

    frames: int
    """Pictures shown."""
    late: int
    """Of these, how many more than one picture's time after their due."""
    dropped: int
    """Pictures left out, so that those that follow are shown in time."""
    latency: float
    """Seconds from sound to picture, the latest."""
    watermark_id: str
    ledger_index: int


def perform(
    portrait: MediaRef,
    source: Iterator[NDArray[np.float32]] | Camera,
    *,
    params: dict[str, Json],
    stage: Stage,
    pipe: Path | None = None,
    consents: Sequence[Path] = (),
    purpose: str = "demonstration",
    territories: Sequence[str] = (),
    home: Home | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Shown:
    """Ask the gate, then show the portrait following a voice or a face in its own time until it ends.

    Where this machine is too slow, pictures are left out: the portrait never falls behind.

    Args:
        portrait: who is shown.
        source: speech, mono at 16 kHz, (n,) per block; or a camera before which somebody's face moves.
        params: ``person``, ``short_side``, ``fps``, ``seed``.
        stage: where the page finds the pictures.
        pipe: a named pipe or a device that takes yuv420p pictures.
        consents: consent records to consider.
        purpose: what it is for.
        territories: where it is shown; they choose the labels.
        home: keys and log.
        clock: seconds.
        sleep: waits that many.

    Raises:
        Refused: consent or policy forbids it; nothing was shown.
        UsageError: ``live.pipe``.
    """
    from thsafe.label import LabelStamp
    from thsafe.media.image import encode_jpeg
    from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
    from thsafe.registry import live_head
    from thsafe.watermark.picture import PictureMarker

    if pipe is not None:
        check_pipe(pipe)
    installation = Installation.open(home)
    request = Request(
        task=Task.ANIMATE,
        engine="embedded",
        inputs=(portrait,),
        params={**params, "live": True},
        purpose=purpose,
        territories=tuple(territories),
        channel="live",
        requester=installation.ring.gate_did,
        job_id=new_job_id(),
        nonce=secrets.token_hex(16),
    )
    permit = installation.gate().ask(request, consents)
    mark = new_watermark_id()
    frames = late = dropped = 0
    latency = 0.0
    reason = "ended"
    sink: IO[bytes] | None = None
    try:
        head = live_head(request, home)
        stamp = LabelStamp(permit.obligations.labels, width=head.width, height=head.height, fps=head.fps)
        key = next(iter(installation.watermark_keys().values()))
        marker = PictureMarker(key, mark, width=head.width, height=head.height, face_box=head.face_box)
        sink = None if pipe is None else pipe.open("wb", buffering=0)
        start = clock()
        if callable(source):
            pictures, delay = head.following(watched(source, head.fps, start, clock, sleep)), _DRAWING
        else:
            pictures, delay = head.frames(_paced(source, start, clock, sleep)), head.delay
        for frame in pictures:
            picture = i420_from_bgr(frame)
            planes = split_planes(picture)
            moment = (frames + dropped) / head.fps  # of the voice or the camera
            stamp.apply(planes, frames + dropped)
            marker.apply(planes)
            wait = start + delay + float(moment) - clock()
            if wait > 0:
                sleep(wait)
            late += wait < -float(1 / head.fps)
            latency = clock() - start - float(moment)
            frames += 1
            stage.show(
                encode_jpeg(bgr_from_i420(picture), 85),
                {"frames": frames, "late": late, "dropped": dropped, "latency_ms": round(1000 * latency)},
            )
            if sink is not None:
                sink.write(picture.tobytes())
            behind = int((clock() - start - delay) * head.fps) - frames - dropped
            if behind > 0:
                pictures.skip(behind)
                dropped += behind
            if not frames % 250:
                permit.check(request)  # twelve hours at most
    except BrokenPipeError:
        reason = "reader-gone"
    except BaseException as problem:
        reason = problem.code if isinstance(problem, ThsafeError) else type(problem).__name__
        raise
    finally:
        if sink is not None:
            sink.close()
        stage.close()
        entry = installation.ledger.append(
            {
                "type": "live",
                "job": request.job_id,
                "engine": request.engine,
                "watermark_id": mark,
                "frames": frames,
                "late": late,
                "dropped": dropped,
                "reason": reason,
            }
        )
    return Shown(
        frames=frames, late=late, dropped=dropped, latency=latency, watermark_id=mark, ledger_index=entry.index
    )


def check_pipe(path: Path) -> None:
    """Make sure that nothing unsigned could come to lie on a disk.

    Raises:
        UsageError: ``live.pipe``: the path is not a named pipe or a device.
    """
    mode = path.stat().st_mode if path.exists() else 0
    if not stat.S_ISFIFO(mode) and not stat.S_ISCHR(mode):
        raise UsageError(
            "Live pictures go to a pipe or a device, never into a file.",
            code="live.pipe",
            found=f"{path.name} is a file" if mode else f"there is no {path.name}",
            rule="a live stream has no manifest, so nothing of it is kept",
            next_step=f"mkfifo {path}   (or give /dev/video… of a virtual camera)",
        )


def _paced(
    blocks: Iterator[NDArray[np.float32]], start: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[NDArray[np.float32]]:
    """Sound as a microphone would give it: no block before its last sample was spoken."""
    spoken = 0
    for block in blocks:
        for begin in range(0, len(block), RATE // 10):
            part = block[begin : begin + RATE // 10]
            spoken += len(part)
            wait = start + spoken / RATE - clock()
            if wait > 0:
                sleep(wait)
            yield part


def wav_stream(file: IO[bytes]) -> Iterator[NDArray[np.float32]]:
    """Speech from a stream of WAV (16-bit PCM), as mono at 16 kHz.

    Raises:
        InputError: ``live.wav`` when it is not such a stream.
    """
    import wave

    import numpy as np
    import soxr

    try:
        reader = wave.open(file, "rb")  # noqa: SIM115 - the caller's stream stays the caller's
        width, channels, rate = reader.getsampwidth(), reader.getnchannels(), reader.getframerate()
    except (wave.Error, EOFError) as problem:
        width, channels, rate, told = 0, 0, 0, str(problem) or "it ended at once"
    else:
        told = f"{8 * width} bits"
    if width != 2:
        raise InputError(
            "The stream is not WAV with 16-bit samples.",
            code="live.wav",
            found=told,
            next_step="arecord -f S16_LE -r 16000 -c 1 | thsafe live --person ada --audio -",
        )
    resampler = soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="MQ")
    while data := reader.readframes(rate // 10):
        whole = data[: len(data) - len(data) % (2 * channels)]
        mono = np.frombuffer(whole, "<i2").reshape(-1, channels).mean(axis=1).astype(np.float32) / np.float32(32768)
        yield np.asarray(resampler.resample_chunk(mono), np.float32)
