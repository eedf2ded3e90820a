"""Every mark found again in the finished file, as a stranger would find it, before the file gets its name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import MarkError
from thsafe.core.types import Label, MediaKind

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.installation import Installation
    from thsafe.marking import Marks
    from thsafe.media.decode import VideoReader

_FRAMES = 32
_FRAMES_OF_SHORT_LABEL = 8
"""Frames looked at for a label that shows for some seconds only."""
HEARD = 0.5
"""Correlation from which on the spoken notice counts as heard; codecs and the mark leave it above 0.9."""


def read_back(path: Path, marks: Marks, *, installation: Installation) -> dict[str, str]:
    """What was found, for the log.

    Raises:
        MarkError: ``mark.*``: something that was put there is not found again.
    """
    from thsafe.media.probe import probe
    from thsafe.media.tags import read_tags
    from thsafe.provenance.read import read_credentials

    info = probe(path)
    credentials = read_credentials(path, trust=installation.trust(), media_type=info.media_type)
    if not credentials.state.intact or credentials.active_label != marks.manifest_id:
        raise _lost("manifest", f"{credentials.state}: {', '.join(credentials.reasons) or 'another manifest'}")
    found = {"manifest": str(credentials.state)}
    if info.kind is MediaKind.AUDIO:
        found |= _sound_alone(path, marks, installation=installation)
    else:
        found |= _picture(path, info.kind, marks, installation=installation)
    tags = read_tags(path)
    for name, text in marks.metadata.items():
        if tags.get(name) != text:
            raise _lost(f'metadata "{name}"', tags.get(name, "nothing"))
        found[f"metadata.{name}"] = "as written"
    return found | ({} if info.kind is MediaKind.AUDIO else sound_beside(path, marks, installation=installation))


def _picture(path: Path, kind: MediaKind, marks: Marks, *, installation: Installation) -> dict[str, str]:
    from thsafe.label import measure_label
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image
    from thsafe.watermark.reader import read_pictures

    if kind is MediaKind.IMAGE:
        frames = [(0.0, read_image(path))]
        timed = [frames for _ in marks.labels]
    else:
        with VideoReader(path) as reader:
            frames = reader.sample_bgr(_FRAMES)
            duration = reader.info.duration or 0.0
            timed = [
                frames if label.seconds is None else frames_of_label(reader, label, duration) for label in marks.labels
            ]
    reading = read_pictures((frame for _, frame in frames), installation.watermark_keys(), search=False)
    if reading.mark_id != marks.watermark_id:
        raise _lost("watermark", f"{reading.state}, confidence {reading.confidence:.1f}; {reading.reason}")
    found = {"watermark": f"{reading.confidence:.1f}"}
    size = (frames[0][1].shape[1], frames[0][1].shape[0])
    for number, (label, seen) in enumerate(zip(marks.labels, timed, strict=True)):
        measure = measure_label(seen, label, size)
        if not measure.present:
            raise _lost(f'label "{label.text}"', f"correlation {measure.correlation:.2f}")
        found[f"label.{number}"] = f"{label.text} at {measure.text_height_share:.3f}"
    return found


def _sound_alone(path: Path, marks: Marks, *, installation: Installation) -> dict[str, str]:
    """A file without picture: the mark must be heard, and what the law wants said must be said."""
    from thsafe.watermark.files import read_sound_track

    reading = read_sound_track(path, installation.watermark_keys(), search=False)
    if reading.mark_id != marks.watermark_id:
        raise _lost("watermark", f"{reading.state}, confidence {reading.confidence:.1f}; {reading.reason}")
    found = {"watermark": f"{reading.confidence:.1f}"}
    if marks.spoken is not None:
        heard = likeness(path, marks.spoken)
        if heard < HEARD:
            raise _lost("spoken notice", f"correlation {heard:.2f}")
        found["spoken"] = marks.spoken
    return found


def likeness(path: Path, words: str) -> float:
    """The highest normalised correlation of a spoken notice with the beginning of the sound.

    Raises:
        MissingError: the optional voice is not installed.
    """
    import itertools

    import numpy as np

    from thsafe.marking import spoken_notice
    from thsafe.media.sound import iter_sound

    rate = 16000
    said = spoken_notice(words, rate=rate, channels=1)[:, 0]
    wanted = len(said) + rate
    blocks = itertools.islice(iter_sound(path, rate=rate), wanted // 16384 + 1)
    heard = np.concatenate([block[:, 0] for block in blocks])[:wanted]
    size = len(heard) + len(said)
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)
    power = np.sqrt(float((said**2).sum()) * float((heard[: len(said)] ** 2).sum()))
    return float(cross[: rate // 2].max() / power) if power else 0.0


def sound_beside(path: Path, marks: Marks, *, installation: Installation) -> dict[str, str]:
    """What a stranger hears of the mark: sound may be too short or too quiet for one, but must not carry another's."""
    from thsafe.media.probe import probe
    from thsafe.watermark.cells import TILE_SECONDS
    from thsafe.watermark.files import read_sound_track

    info = probe(path)
    if info.audio_codec is None:
        return {}
    if (info.duration or 0.0) < TILE_SECONDS:
        return {"sound watermark": "too short for a sound mark"}
    reading = read_sound_track(path, installation.watermark_keys(), search=False)
    if reading.mark_id == marks.watermark_id:
        return {"sound watermark": f"{reading.confidence:.1f}"}
    if reading.mark_id is not None:
        raise _lost("sound-watermark", f"{reading.mark_id}: the sound given already carries another output's mark")
    return {"sound watermark": "silent" if reading.state == "not-evaluated" else "too weak to be read back"}


def frames_of_label(reader: VideoReader, label: Label, duration: float) -> list[tuple[float, Frame]]:
    """Frames from the time of a label that is not there all along: two seconds of a long film may miss every sample."""
    seconds = min(label.start + (label.seconds or 0.0), duration) - label.start
    steps = range(_FRAMES_OF_SHORT_LABEL)
    return reader.frames_at(label.start + (step + 0.5) * seconds / _FRAMES_OF_SHORT_LABEL for step in steps)


def _lost(what: str, found: str) -> MarkError:
    return MarkError(
        f"The {what} was not found again in the finished file, so it was not published.",
        code=f"mark.{what.split(' ', maxsplit=1)[0]}",
        found=found,
        rule="every mark is read back before the file gets its name",
        next_step="use a larger or longer original; if that does not help, please report it with these lines",
        log="nothing was written",
    )
