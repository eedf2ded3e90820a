"""Captions as WebVTT: short lines, each word with the time at which it sounds (time stamp tags, W3C WebVTT §4.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from thsafe.core.types import Caption

LONGEST_LINE: Final = 42
"""Characters of one cue, as subtitles are usually set."""
LONGEST_GAP: Final = 0.6
"""Seconds of silence after which a new cue begins."""


def webvtt(words: Sequence[Caption]) -> str:
    """A WebVTT file of words in order; a player may light each word up as it is spoken.

    Where another speaker begins, the text is the name, :data:`SPEAKER_MARK` and the word.
    """
    cues: list[list[Caption]] = []
    length = 0
    for word in words:
        speaker, text = _speaker(word)
        fresh = not cues or length + len(text) + 1 > LONGEST_LINE or word.start - cues[-1][-1].end > LONGEST_GAP
        if fresh or speaker or _ends_sentence(cues[-1][-1].text):
            cues.append([])
            length = 0
        cues[-1].append(word)
        length += len(text) + 1
    blocks = ["WEBVTT"]
    voice = ""
    for cue in cues:
        speaker, _ = _speaker(cue[0])
        voice = speaker or voice
        end = max(cue[-1].end, cue[-1].start + 0.05)
        parts = []
        for number, word in enumerate(cue):
            tag = f"<{_time(word.start)}>" if number else ""
            parts.append(tag + _escaped(_speaker(word)[1]))
        spoken = " ".join(parts)
        line = f"<v {_escaped(voice)}>{spoken}" if voice else spoken
        blocks.append(f"{_time(cue[0].start)} --> {_time(end)}\n{line}")
    return "\n\n".join(blocks) + "\n"


def check_captions(path: Path) -> None:
    """Whether captions can be written there.

    Raises:
        UsageError: ``captions.kind`` or ``captions.folder``.
    """
    if path.suffix.lower() != ".vtt":
        raise UsageError(
            f"Captions are written as .vtt, not as {path.name}.",
            code="captions.kind",
            found=path.suffix or "no ending",
            next_step=f"--captions {path.with_suffix('.vtt')}",
        )
    if not path.parent.is_dir():
        raise UsageError(
            f"There is no folder {path.parent}.",
            code="captions.folder",
            found=str(path),
            next_step=f"mkdir -p {path.parent}",
        )


def _speaker(word: Caption) -> tuple[str, str]:
    name, mark, text = word.text.partition(SPEAKER_MARK)
    return (name, text) if mark else ("", word.text)


SPEAKER_MARK: Final = "\ue000"
"""Between a speaker's name and the first word of a turn; no text holds it."""


def _ends_sentence(text: str) -> bool:
    return text.rstrip("\"'”’»)")[-1:] in {".", "!", "?", "…", "。", "！", "？"}


def _time(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def _escaped(text: str) -> str:
    flat = " ".join(text.split())
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
