"""What is wrong with an input file, in words for the person who chose it: one maker per error code."""

from __future__ import annotations

from pathlib import Path

from thsafe.core.errors import InputError

READABLE = "pictures (PNG, JPEG, WebP, …), video (MP4, MOV, WebM, MKV, MPEG, AVI) and sound (WAV, MP3, M4A, FLAC, OGG)"


def missing(path: Path) -> InputError:
    """``input.missing``: nothing has that name, or a link points nowhere."""
    if path.is_symlink():
        return InputError(
            f"The link {path.name} points to a file that is not there.",
            code="input.missing",
            found=f"{path} -> {path.readlink()}",
            next_step="restore the file it points to, or name another",
        )
    return InputError(
        f"There is no file {path.name}.",
        code="input.missing",
        found=str(path),
        next_step=f"check the name: ls -l {path.parent}",
    )


def unreadable(path: Path, reason: str) -> InputError:
    """``input.unreadable``: it exists, yet cannot be read as a file."""
    return InputError(
        f"{path.name or path} cannot be read: {reason}.",
        code="input.unreadable",
        found=str(path),
        rule="an input is an ordinary file that this user may read",
        next_step=f"check it: ls -ld {path}",
    )


def empty(path: Path) -> InputError:
    """``input.empty``: zero bytes."""
    return InputError(
        f"{path.name} is empty.",
        code="input.empty",
        found="0 bytes",
        next_step="copy or export the file again",
    )


def not_media(path: Path, found: str) -> InputError:
    """``input.not-media``: the content is no picture, video or sound that can be read."""
    return InputError(
        f"{path.name} is not a picture, video or sound that thsafe can read.",
        code="input.not-media",
        found=found,
        rule=f"judged by content, not by name; readable are {READABLE}",
        next_step="convert it, or name another file",
    )


def truncated(path: Path, found: str) -> InputError:
    """``input.truncated``: the file ends before its own structure does."""
    return InputError(
        f"{path.name} is cut off.",
        code="input.truncated",
        found=found,
        rule="a file must hold everything that its own headers announce",
        next_step="copy or download the file again, completely",
    )


def damaged(path: Path, found: str) -> InputError:
    """``input.damaged``: complete, but what is inside does not decode."""
    return InputError(
        f"{path.name} is damaged.",
        code="input.damaged",
        found=found,
        next_step="copy or export the file again",
    )


def too_large(path: Path, found: str, rule: str) -> InputError:
    """``input.too-large``: bytes or pixels over the limit."""
    return InputError(
        f"{path.name} is too large.",
        code="input.too-large",
        found=found,
        rule=rule,
        next_step="use a smaller version of the file",
    )


def too_long(path: Path, seconds: float, limit: float) -> InputError:
    """``input.too-long``: it runs, or claims to run, longer than the limit."""
    return InputError(
        f"{path.name} is too long.",
        code="input.too-long",
        found=f"its header says {spell_seconds(seconds)}",
        rule=f"at most {spell_seconds(limit)}",
        next_step="cut it into shorter parts",
    )


def too_many_frames(path: Path, limit: int) -> InputError:
    """``input.too-long``: more pictures than the limit."""
    return InputError(
        f"{path.name} is too long.",
        code="input.too-long",
        found=f"more than {limit} pictures",
        rule=f"at most {limit} pictures",
        next_step="cut it into shorter parts",
    )


def impossible_duration(path: Path, found: str) -> InputError:
    """``input.impossible-duration``: the header claims a running time that the bytes cannot hold."""
    return InputError(
        f"{path.name} claims a running time that it cannot hold.",
        code="input.impossible-duration",
        found=found,
        rule="the running time in the header must fit the pictures and sound in the file",
        next_step="export the file again with a tool that writes its headers correctly",
    )


def no_frames(path: Path, found: str) -> InputError:
    """``input.no-frames``: a container without anything to see or hear."""
    return InputError(
        f"{path.name} holds no picture and no sound that can be decoded.",
        code="input.no-frames",
        found=found,
        next_step="play the file elsewhere to check it, then export it again",
    )


def no_picture(path: Path, media_type: str) -> InputError:
    """``input.no-picture``: sound only, where a video is needed."""
    return InputError(
        f"{path.name} has no moving picture.",
        code="input.no-picture",
        found=media_type,
        rule="a video is needed here",
        next_step="name a video file",
    )


def not_image(path: Path, media_type: str) -> InputError:
    """``input.not-image``: video or sound, where a still picture is needed."""
    return InputError(
        f"{path.name} is not a still picture.",
        code="input.not-image",
        found=media_type,
        rule="a picture such as PNG or JPEG is needed here",
        next_step="name a picture file",
    )


def no_sound(path: Path, media_type: str) -> InputError:
    """``input.no-sound``: a picture or a silent film, where sound is needed."""
    return InputError(
        f"{path.name} has no sound.",
        code="input.no-sound",
        found=media_type,
        rule="sound, or a video with a sound track, is needed here",
        next_step="name a sound file, such as speech.wav",
    )


def spell_seconds(seconds: float) -> str:
    """``10 h 00 min`` or ``12.5 s``."""
    if seconds >= 3600:
        hours, rest = divmod(round(seconds / 60), 60)
        return f"{hours} h {rest:02d} min"
    return f"{seconds:.1f} s"
