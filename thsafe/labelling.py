"""Media made elsewhere, labelled: declared, asked of the gate, marked, signed and logged on the same path as our own.

Nothing is generated: the pictures and sounds of the file go through the publishing loop as an engine's would. What the
person who labels says about its origin is signed as the origin of the *opened* file, not as something thsafe saw.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import Draft, MediaKind, MediaRef, Output, Progress, Request, Task
from thsafe.destination import MEDIA_TYPES
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.installation import Installation

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.gate import Gate, Permit

Origin = Literal["generated", "edited"]
ORIGINS: Mapping[str, str] = {
    "generated": "trainedAlgorithmicMedia",
    "edited": "compositeWithTrainedAlgorithmicMedia",
}
"""What may be declared, and the IPTC digital source type that says it."""
_LOOKS = 24
"""Frames of a film in which a face is looked for when it is declared to show nobody."""
_MOST_FPS = 60
_DEFAULT_FPS = Fraction(25)


class Labeller(Generator):
    """Labels media made elsewhere. Arguments as :class:`thsafe.generation.Generator`."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="label",
        title="Labelling of media made elsewhere",
        tasks=(Task.LABEL,),
        licence="Apache-2.0",
        commercial_use=True,
        needs="",
    )
    kinds: ClassVar[frozenset[str]] = frozenset(MEDIA_TYPES)

    _empty: frozenset[str] = frozenset()
    """Digests of the files that were looked through and show nobody."""

    def label(
        self,
        media: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        *,
        origin: Origin,
        shows_nobody: bool = False,
        force: bool = False,
    ) -> Output:
        """Mark and sign a copy of a picture, film or sound file.

        Args:
            media: the file; it is not changed.
            output_path: the labelled copy: MP4 or MOV for a film, M4A, WAV or MP3 for sound, JPEG, PNG or WebP for a
                picture.
            origin: ``generated`` or ``edited``, both by AI; declared, signed and logged.
            shows_nobody: declare that no person is shown; refused when a face is found. Everything else needs the
                consent of the person shown or heard, for the mode ``label``.
            force: replace the output if it exists.

        Raises:
            UsageError: ``label.origin``, ``label.face``, ``label.sound`` or ``output.*``.
            Refused: the gate said no; nothing was written.
        """
        if origin not in ORIGINS:
            raise UsageError(
                "Only media that AI made or changed are labelled here.",
                code="label.origin",
                found=str(origin),
                rule="the label and the watermark say that software made it: on a camera's recording they would lie",
                next_step="choose generated or edited; a camera's recording is signed by the camera",
            )
        ref = media_input("media", media, MediaKind.IMAGE, MediaKind.VIDEO, MediaKind.AUDIO)
        _same_kind(ref, Path(output_path))
        if shows_nobody:
            _look_for_faces(ref)
            self._empty = frozenset({ref.sha256})
            ref = MediaRef(
                role=ref.role,
                path=ref.path,
                sha256=ref.sha256,
                kind=ref.kind,
                media_type=ref.media_type,
                duration=ref.duration,
                performer="synthetic",
            )
        params = {"origin": origin, "shows_nobody": shows_nobody}
        return self.run(Task.LABEL, (ref,), params, output_path, force=force)

    def gate_of(self, installation: Installation) -> Gate:
        """The installation's gate, to which a file looked through for faces is proof that it shows nobody real."""
        looked_through = self._empty
        return installation.gate(synthetic_proof=lambda ref: ref.sha256 in looked_through)

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """The file's own frames and sound."""
        from thsafe.core.version import __version__

        del permit, progress
        ref = request.input("media")
        facts = {
            "digital_source_type": ORIGINS[str(request.params["origin"])],
            "software_agent": {"name": "thsafe label", "version": __version__},
        }
        if ref.path is None:
            raise UsageError("What is labelled must be a file.", code="label.file", next_step="name a file")
        match ref.kind:
            case MediaKind.IMAGE:
                return _still(ref.path, facts)
            case MediaKind.AUDIO:
                return _sound(ref.path, facts)
            case _:
                return _film(ref.path, facts)


def _same_kind(ref: MediaRef, output: Path) -> None:
    wanted = {MediaKind.VIDEO: "video", MediaKind.AUDIO: "audio", MediaKind.IMAGE: "image"}[ref.kind]
    media_type = MEDIA_TYPES.get(output.suffix.lower())
    if media_type is not None and not media_type.startswith(wanted):
        endings = ", ".join(ending for ending, kind in MEDIA_TYPES.items() if kind.startswith(wanted))
        raise UsageError(
            f"{output.name} is no name for a labelled {wanted} file.",
            code="output.kind",
            found=f"{ref.media_type} to {media_type}",
            rule=f"endings: {endings}",
            next_step=f"use -o {output.with_suffix(endings.partition(',')[0])}",
        )


def _look_for_faces(ref: MediaRef) -> None:
    """Raise UsageError where a file that is said to show nobody shows a face, or cannot be looked through."""
    from thsafe.media.decode import VideoReader
    from thsafe.media.faces import find_faces
    from thsafe.media.image import read_image

    if ref.path is None or ref.kind is MediaKind.AUDIO:
        raise UsageError(
            "Sound cannot be declared to hold nobody: nothing here can tell whose voice it is.",
            code="label.sound",
            next_step="thsafe consent new --self --media FILE …, or the consent of the person who is heard",
        )
    if ref.kind is MediaKind.IMAGE:
        frames = [read_image(ref.path)]
    else:
        with VideoReader(ref.path) as reader:
            frames = [frame for _, frame in reader.sample_bgr(_LOOKS)]
    found = sum(bool(find_faces(frame)) for frame in frames)
    if found:
        raise UsageError(
            f"{ref.path.name} is said to show nobody, but a face was found in it.",
            code="label.face",
            found=f"in {found} of {len(frames)} frames looked at",
            rule="a person who is shown must have agreed",
            next_step=f"thsafe consent new --self --portrait {ref.path}   (your own face; else thsafe consent request)",
        )


def _even(frame: Frame) -> Frame:
    """Without an odd last row or column, which 4:2:0 pictures cannot have."""
    return frame[: frame.shape[0] & ~1, : frame.shape[1] & ~1]


def _still(path: Path, facts: Mapping[str, object]) -> Draft:
    from thsafe.media.image import read_image

    frame = _even(read_image(path))
    height, width = frame.shape[:2]
    return Draft(
        width=width, height=height, fps=Fraction(1), frames=iter([frame]), sound=None, frame_count=1, facts=facts
    )


def _sound(path: Path, facts: Mapping[str, object]) -> Draft:
    from thsafe.media.probe import probe
    from thsafe.media.sound import iter_sound

    rate, channels = _sound_shape(probe(path).sample_rate, probe(path).channels)
    return Draft(
        width=0,
        height=0,
        fps=_DEFAULT_FPS,
        frames=iter(()),
        sound=iter_sound(path, rate=rate, mono=channels == 1),
        sample_rate=rate,
        channels=channels,
        facts=facts,
    )


def _film(path: Path, facts: Mapping[str, object]) -> Draft:
    from thsafe.media.probe import probe
    from thsafe.media.sound import iter_sound

    info = probe(path)
    if not info.width or not info.height:
        raise InputError("The film has no size.", code="input.no-picture", found=path.name)
    fps = min(info.fps or _DEFAULT_FPS, Fraction(_MOST_FPS)).limit_denominator(1001)
    rate, channels = _sound_shape(info.sample_rate, info.channels)
    return Draft(
        width=info.width & ~1,
        height=info.height & ~1,
        fps=fps,
        frames=_steady(path, fps),
        sound=iter_sound(path, rate=rate, mono=channels == 1) if info.audio_codec else None,
        sample_rate=rate,
        channels=channels,
        frame_count=round(info.duration * fps) if info.duration else None,
        facts=facts,
    )


def _sound_shape(rate: int | None, channels: int | None) -> tuple[int, int]:
    from thsafe.media.soundwriter import SOUND_RATES

    return (rate if rate in SOUND_RATES else 48000), (1 if channels == 1 else 2)


def _steady(path: Path, fps: Fraction) -> Iterator[Frame]:
    """The film's frames at even steps: one that lasts long comes again, of several in one step the last is taken."""
    from thsafe.media.decode import VideoReader

    with VideoReader(path) as reader:
        held: Frame | None = None
        count = 0
        for seconds, frame in reader.iter_bgr():
            due = round(seconds * fps)
            while held is not None and count < due:
                yield held.copy()
                count += 1
            held = _even(frame)
        if held is not None:
            yield held
