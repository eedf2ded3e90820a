"""A video that another program made, as a draft: its pictures, a sound of our choice, and nothing left behind."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from generators.embedded.drive import fitted
from generators.program import WorkFolder
from generators.wav2lip.footage import Footage
from thsafe.core.errors import EngineError, InputError
from thsafe.core.types import Draft, Json, MediaKind, MediaRef

if TYPE_CHECKING:
    from thsafe.core.types import Frame

RATE: Final = 48000
"""Hz of the sound."""
RULE: Final = "exactly one readable video"


def draft_of(
    video: Path, *, sound: Path | None, folder: WorkFolder, facts: Mapping[str, Json], cited: bool = False
) -> Draft:
    """The pictures of a video and the sound of a file.

    Args:
        video: a readable video; see :func:`require_video`.
        sound: what is heard, brought to the video's length; None or a file without sound for silence.
        folder: removed once the pictures were read, or nobody asks for them any more.
        facts: for the manifest.
        cited: the manifest names a file in the folder, so that it stays as long as the draft.

    Raises:
        InputError: the video or the sound cannot be read; the folder stays, and is the caller's.
    """
    from thsafe.media.probe import probe
    from thsafe.media.sound import iter_sound

    footage = Footage(video)
    seen = sum(1 for _ in footage.frames())
    box = _face_box(footage)
    heard, channels = None, 1
    if sound is not None and probe(sound).audio_codec is not None:
        channels = next(iter_sound(sound, rate=RATE, mono=False)).shape[1]
        length = round(Fraction(seen) / footage.fps * RATE)
        heard = fitted(iter_sound(sound, rate=RATE, mono=False), length, channels)
    frames = _frames(footage, None if cited else folder)
    weakref.finalize(frames, folder.clear)  # also where nobody ever asks for a frame
    return Draft(
        width=footage.width,
        height=footage.height,
        fps=footage.fps,
        frames=frames,
        sound=heard,
        sample_rate=RATE if heard is not None else 0,
        channels=channels,
        frame_count=seen,
        face_box=box,
        facts=facts,
    )


def require_video(path: Path, title: str, next_step: str) -> Path:
    """The path of a video that decodes.

    Raises:
        EngineError: ``engine.output-unreadable``: it is broken, or something else.
    """
    from thsafe.media.probe import probe

    try:
        kind = probe(path).kind
    except InputError as problem:
        raise _unreadable(title, problem.found or problem.message, next_step) from problem
    if kind is not MediaKind.VIDEO:
        raise _unreadable(title, f"it holds {kind}", next_step)
    return path


def copied(ref: MediaRef, place: Path) -> Path:
    """A copy of an input, made sure to be what was approved: nobody changes it while another program reads.

    Raises:
        InputError: ``input.changed`` or ``engine.inputs``.
    """
    from thsafe.media.digest import hash_file

    if ref.path is None:
        raise InputError(f"The {ref.role} must be a file.", code="engine.inputs", next_step="give a file")
    shutil.copyfile(ref.path, place)
    if hash_file(place) != ref.sha256:
        raise InputError(
            f"{ref.path.name} has changed since it was approved.",
            code="input.changed",
            next_step="start the job again; do not change inputs while it runs",
        )
    return place


def plain_picture(ref: MediaRef, place: Path) -> Path:
    """A picture as we see it, oriented, opaque and bare of all that was noted in the file, as a PNG at ``place``."""
    from thsafe.media.image import encode_still, read_image

    given = copied(ref, place.with_suffix(".given"))
    place.write_bytes(encode_still(read_image(given), "image/png"))
    given.unlink()
    return place


def _unreadable(title: str, found: str, next_step: str) -> EngineError:
    return EngineError(
        f"The video that {title} left cannot be read.",
        code="engine.output-unreadable",
        found=found,
        rule=RULE,
        next_step=next_step,
    )


def _frames(footage: Footage, folder: WorkFolder | None) -> Iterator[Frame]:
    try:
        yield from footage.frames()
    finally:
        if folder is not None:
            folder.clear()


def _face_box(footage: Footage) -> tuple[float, float, float, float] | None:
    """Where the face is in the first picture, as shares."""
    from thsafe.media.faces import find_faces

    first = next(footage.frames(), None)
    faces = () if first is None else find_faces(first, max_faces=1)
    if not faces:
        return None
    x0, y0, x1, y1 = faces[0].box
    return (x0 / footage.width, y0 / footage.height, x1 / footage.width, y1 / footage.height)
