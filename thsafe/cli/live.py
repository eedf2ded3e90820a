"""``thsafe live``: a portrait that speaks a stream as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thsafe.camera import Camera


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe live --person ada --audio speech.wav\n"
        "  arecord -f S16_LE -r 16000 -c 1 | thsafe live --person ada --audio -\n"
        "  mkfifo camera && thsafe live --person ada --audio speech.wav --pipe camera\n"
        "  ffmpeg -f v4l2 -i /dev/video0 -f mjpeg - | thsafe live --person ada --video -"
    )
)
@click.option("--image", type=click.Path(path_type=Path), metavar="FILE", help="A portrait to bring to life.")
@click.option("--person", metavar="NAME", help="A person drawn by thsafe (thsafe cast list).")
@click.option("--audio", metavar="FILE", help='Speech, played in its own time; "-": WAV from stdin.')
@click.option("--video", metavar="FILE", help='A face to follow instead; "-": JPEG pictures of a camera from stdin.')
@click.option("--size", type=click.IntRange(256, 1080), default=384, show_default=True, help="Shorter side in pixels.")
@click.option("--fps", type=click.IntRange(10, 60), default=25, show_default=True, help="Pictures a second.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page; 0 takes any.")
@click.option("--pipe", type=click.Path(path_type=Path), metavar="PIPE", help="A named pipe or device for yuv420p.")
@click.option(
    "--consent", "consents", multiple=True, type=click.Path(path_type=Path), help="A consent record. Repeatable."
)
@click.option("--purpose", default="demonstration", show_default=True, help="What it is for, in one word.")
@click.option("--territory", "territories", multiple=True, metavar="CODE", help="Where it is shown. Repeatable.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same head motion and blinks.")
def live(
    image: Path | None,
    person: str | None,
    audio: str | None,
    video: str | None,
    size: int,
    fps: int,
    port: int,
    pipe: Path | None,
    consents: tuple[Path, ...],
    purpose: str,
    territories: tuple[str, ...],
    seed: int,
) -> None:
    """Show a portrait that follows a voice or a face, on a page of this machine. Nothing is recorded.

    Every picture carries label and watermark; the gate is asked and the log written as always. A stream has no
    manifest, so no file is ever made of it: use thsafe generate for files.
    """
    from thsafe.core.errors import UsageError
    from thsafe.core.types import Json, MediaKind
    from thsafe.generation import drawn_portrait, media_input
    from thsafe.live import perform
    from thsafe.viewing import Page, Stage

    if (image is None) == (person is None):
        raise UsageError(
            "Exactly one portrait is needed.", code="usage.portrait", next_step="give --image FILE or --person NAME"
        )
    if (audio is None) == (video is None):
        raise UsageError(
            "The portrait follows either a voice or a face.",
            code="live.source",
            next_step="give --audio FILE or --video FILE",
        )
    portrait = media_input("portrait", image, MediaKind.IMAGE) if image is not None else drawn_portrait(str(person))
    params: dict[str, Json] = {"short_side": size, "fps": fps, "seed": seed}
    if person is not None:
        params["person"] = person
    source = _sound(audio) if audio is not None else _camera(str(video))
    stage = Stage()
    page = Page(stage, port)
    click.echo(page.address, err=True)
    try:
        shown = perform(
            portrait,
            source,
            params=params,
            stage=stage,
            pipe=pipe,
            consents=consents,
            purpose=purpose,
            territories=territories,
        )
    finally:
        page.close()
    click.echo(
        f"{shown.frames} pictures, {shown.late} late, {shown.dropped} left out, latency {1000 * shown.latency:.0f} ms"
    )
    click.echo(f"  watermark  {shown.watermark_id}")
    click.echo(f"  log        entry {shown.ledger_index}")


def _camera(video: str) -> Camera:
    from thsafe.camera import film, stream

    if video == "-":
        return stream(sys.stdin.buffer)
    from thsafe.media.decode import VideoReader

    return film(VideoReader(Path(video)).iter_bgr())


def _sound(audio: str) -> Iterator[NDArray[np.float32]]:
    from thsafe.live import RATE, wav_stream

    if audio == "-":
        return wav_stream(sys.stdin.buffer)
    from thsafe.media.sound import iter_sound

    return (block[:, 0] for block in iter_sound(Path(audio), rate=RATE))
