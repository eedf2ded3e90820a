"""The straight path of generation: request, gate, render, publish.

Every engine's public verb runs through :class:`Generator`; no engine ever sees the output path, and no frame leaves
without label, watermark, signature and log entry. There is no switch for any of them.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from thsafe.core.errors import ThsafeError, UsageError
from thsafe.core.ids import new_job_id
from thsafe.core.types import Draft, Json, MediaKind, MediaRef, Output, Progress, Request, Silent, Task
from thsafe.home import Home
from thsafe.installation import Installation

if TYPE_CHECKING:
    from thsafe.gate import Gate, Permit


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What a person should know of an engine before using it."""

    name: str
    title: str
    tasks: tuple[Task, ...]
    licence: str
    commercial_use: bool
    needs: str
    """What must be installed besides the package, in words; empty when nothing."""
    models: tuple[str, ...] = ()
    """Cards of the weights it can use; any one of them is enough, unless ``sets`` says more."""
    sets: tuple[tuple[str, ...], ...] = ()
    """Which of ``models`` are needed together; any one set is enough."""
    speed: str = "near real time on a CPU"
    """What to expect, in words."""
    pace: str = "live"
    """The class of that: ``live`` (as fast as the film runs, or nearly, on two CPU cores), ``fast`` (seconds for a
    second of film), ``slow`` (minutes for it without a GPU) or ``service`` (done elsewhere)."""
    vram: str = "none"
    """Memory on a graphics card, in words."""

    def needed(self) -> tuple[tuple[str, ...], ...]:
        """The sets of cards of which one must be installed; empty when no weights are needed."""
        return self.sets or tuple((model,) for model in self.models)


class Generator(ABC):
    """The template that every engine's public verb runs through.

    Args:
        consent: consent records to consider, besides those found next to the inputs and in the store.
        purpose: what the output is for, in one word of the consent vocabulary.
        territories: where it will be shown (``DE``, ``EU``, ``US-CA``…); they choose the labels the law wants.
        language: BCP 47 tag of what is spoken.
        channel: where it will be published, in one word of the consent vocabulary.
        declares: what the requester states of the content: ``sexual``, ``fraud``, ``election``, ``celebrity``; an empty
            sequence states that it is none of them, None states nothing, and the log keeps the difference.
        home: where keys and log are; the default is the user's own.
        progress: told how far the work is.
    """

    info: ClassVar[EngineInfo]
    kinds: ClassVar[frozenset[str]] = frozenset({".mp4"})
    """Endings of the output's name, of ``thsafe.destination.MEDIA_TYPES``."""
    next_job: str | None = None
    """The id under which the log shall know the next job; None: a random one."""

    def __init__(
        self,
        *,
        consent: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        purpose: str = "demonstration",
        territories: Sequence[str] = (),
        language: str = "und",
        channel: str = "any",
        declares: Sequence[str] | None = None,
        home: Home | None = None,
        progress: Progress | None = None,
    ) -> None:
        paths = [consent] if isinstance(consent, (str, os.PathLike)) else list(consent)
        self._consents = tuple(Path(path) for path in paths)
        self._purpose = purpose
        self._territories = tuple(territories)
        self._language = language
        self._channel = channel
        self._declares = None if declares is None else tuple(declares)
        self._home = home
        self._progress: Progress = progress or Silent()

    @abstractmethod
    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Turn a permitted request into frames and sound; never write a file."""

    def require(self) -> None:  # noqa: B027 - an engine that needs nothing has nothing to say
        """Raise MissingError if something this engine needs is not installed; by default it needs nothing."""

    def check(self) -> None:
        """As :meth:`require`, and whatever else can be found out before a job, even where that takes seconds."""
        self.require()

    def gate_of(self, installation: Installation) -> Gate:
        """The gate that is asked; every job asks one."""
        return installation.gate()

    def run(
        self,
        task: Task,
        inputs: Sequence[MediaRef],
        params: Mapping[str, Json],
        output_path: str | os.PathLike[str],
        *,
        force: bool = False,
    ) -> Output:
        """Ask the gate, render, publish; the output exists only if all of it succeeded.

        Raises:
            UsageError: ``output.exists`` and its like.
            Refused: the gate said no; nothing was written.
            ThsafeError: any other failure; nothing was written.
        """
        from policies.facts import declared
        from thsafe.destination import Destination
        from thsafe.publishing import publish

        destination = Destination.claim(Path(output_path), force=force, kinds=self.kinds)
        self.require()
        installation = Installation.open(self._home)
        request = Request(
            task=task,
            engine=self.info.name,
            inputs=tuple(installation.recognised(ref) for ref in inputs),
            params=dict(params) if self._declares is None else {**params, "declared": declared(self._declares)},
            purpose=self._purpose,
            territories=self._territories,
            language=self._language,
            channel=self._channel,
            requester=installation.ring.gate_did,
            job_id=self.next_job or new_job_id(),
            nonce=secrets.token_hex(16),
        )
        gate = self.gate_of(installation)
        permit = gate.ask(request, self._consents)
        try:
            draft = self.render(request, permit, self._progress)
            return publish(draft, request, permit, destination, installation=installation, progress=self._progress)
        except BaseException as problem:
            reason = problem.code if isinstance(problem, ThsafeError) else type(problem).__name__
            _record_failure(installation, request, reason)
            raise


def _record_failure(installation: Installation, request: Request, reason: str) -> None:
    """Close the open intent in the log; the failure that led here is what the caller must see, even if this fails."""
    import contextlib

    with contextlib.suppress(ThsafeError):
        installation.ledger.append({"type": "failed", "job": request.job_id, "reason": reason})


def media_input(role: str, path: str | os.PathLike[str], *kinds: MediaKind) -> MediaRef:
    """Probe and hash one input file.

    Raises:
        InputError: the file is missing, unreadable, damaged, too large, or none of ``kinds``.
    """
    from thsafe.core.errors import InputError
    from thsafe.media.digest import hash_file
    from thsafe.media.probe import probe

    info = probe(Path(path))
    if kinds and info.kind not in kinds:
        wanted = " or ".join(_with_article(kind) for kind in kinds)
        raise InputError(
            f"{Path(path).name} is {_with_article(info.kind)}, not {wanted}.",
            code="input.kind",
            found=info.media_type,
            next_step=f"give {wanted} as {role}",
        )
    return MediaRef(
        role=role,
        path=Path(path),
        sha256=hash_file(Path(path)),
        kind=info.kind,
        media_type=info.media_type,
        duration=info.duration,
    )


def text_input(text: str) -> MediaRef:
    """Words to be spoken, bound by their digest."""
    if not text.strip():
        raise UsageError("There are no words to speak.", code="text.empty", next_step='give --text "…"')
    return MediaRef(
        role="text",
        path=None,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        kind=MediaKind.TEXT,
        media_type="text/plain",
        text=text,
    )


def drawn_portrait(name: str) -> MediaRef:
    """A portrait that thsafe draws itself: it has no file and needs nobody's consent.

    Raises:
        UsageError: ``person.unknown``.
    """
    from thsafe.registry import drawn_person_digests

    digests = drawn_person_digests()
    if name not in digests:
        raise UsageError(
            f'There is no drawn person called "{name}".',
            code="person.unknown",
            found=name,
            next_step="choose one of: " + ", ".join(digests),
        )
    return MediaRef(
        role="portrait",
        path=None,
        sha256=digests[name],
        kind=MediaKind.IMAGE,
        media_type="image/png",
        performer="synthetic",
    )


def _with_article(kind: MediaKind) -> str:
    return {"image": "a picture", "video": "a video", "audio": "a sound file", "text": "text"}[kind]
