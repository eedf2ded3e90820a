"""The D-ID engine's public verbs: a picture speaks on the vendor's machines, and what comes back is disclosed here."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from generators.did import receipts
from generators.did.client import Client, require_client
from generators.did.doorbell import Doorbell
from generators.did.key import find_key
from generators.foreign import copied, draft_of, plain_picture, require_video
from generators.program import WorkFolder
from thsafe.core.errors import EngineError, StoreError, UsageError
from thsafe.core.types import Draft, Json, MediaKind, MediaRef, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input, text_input
from thsafe.home import Home

if TYPE_CHECKING:
    from thsafe.gate import Permit

_MADE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_VOICE: Final = "en-US-JennyNeural"
_MOVES: Final = ("natural", "lively", "subtle")
_MOST_WORDS: Final = 40_000
_HEARD: Final = 24000
"""Hz of the speech that is handed over."""


class DId(Generator):
    """A picture that speaks, by D-ID's service. Picture and speech leave this machine.

    Args:
        accept_cost: that the job is charged to the account; without it the verbs say what remains there, and stop.
        timeout: seconds to wait for the vendor.
        webhook: https address under which a proxy leads to ``webhook_port`` here; without it the vendor is polled.
        webhook_port: where to listen, on this machine alone.
        client: another account or address; the one of the key that is found by default.
        options: as :class:`thsafe.generation.Generator`.
    """

    info: ClassVar[EngineInfo] = EngineInfo(
        name="did",
        title="D-ID",
        tasks=(Task.SAY, Task.ANIMATE, Task.DRIVE),
        licence="the vendor's terms of service; each job is charged",
        commercial_use=True,
        needs='pip install "thsafe[did]", and a key: thsafe did key',
        speed="the vendor's; not measured",
        pace="service",
    )

    def __init__(
        self,
        *,
        accept_cost: bool = False,
        timeout: float = 1800.0,
        webhook: str | None = None,
        webhook_port: int = 8787,
        client: Client | None = None,
        **options: object,
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # passed on as they came; Generator names them
        self._accept_cost, self._timeout, self._client = accept_cost, timeout, client
        self._webhook, self._webhook_port = webhook, webhook_port
        self._folders: dict[int, WorkFolder] = {}
        """By thread: what a job keeps until its manifest is written, which names the vendor's file."""

    def say(
        self,
        *,
        image: str | os.PathLike[str],
        text: str,
        output_path: str | os.PathLike[str],
        voice: str = _VOICE,
        provider: str = "microsoft",
        presenter: str | None = None,
        resume: str | None = None,
        force: bool = False,
    ) -> Output:
        """Let ``image`` speak ``text`` in one of the vendor's synthetic voices.

        Args:
            image: a picture of one face; with ``presenter``, a picture of that presenter, whose consent is needed.
            text: what is said.
            output_path: where the finished MP4 goes.
            voice: the vendor's name of a voice.
            provider: who offers the voice: ``microsoft``, ``amazon``, ``google``.
            presenter: id of one of the vendor's presenters, instead of animating the picture (a "clip").
            resume: id of a job that was started before with the same inputs and options: nothing is charged again.
            force: replace an existing output.

        Raises:
            UsageError: ``did.cost``: nobody has agreed to be charged; an argument is out of its range.
            MissingError: ``did.extra``, ``did.key-missing`` or ``did.key``.
            EngineError: the vendor refused or failed.
            StoreError: the vendor cannot be reached, or answers what is not documented.
            Refused: consent or policy forbids it; nothing was sent.
        """
        if provider not in {
            "microsoft",
            "amazon",
            "google",
        }:  # ElevenLabs imitates voices; that needs a voice's consent
            raise _wrong("provider", provider, "microsoft, amazon or google")
        if len(text) > _MOST_WORDS:
            raise _wrong("text", f"{len(text)} characters", f"at most {_MOST_WORDS}")
        inputs = [media_input("portrait", image, MediaKind.IMAGE), text_input(text)]
        params = {**_ordered("clips" if presenter else "talks", resume), "voice": voice, "provider": provider}
        params |= {"presenter": presenter} if presenter else {}
        return self._order(Task.SAY, inputs, params, output_path, f"{len(text)} characters", force=force)

    def animate(
        self,
        *,
        image: str | os.PathLike[str],
        audio: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        presenter: str | None = None,
        resume: str | None = None,
        force: bool = False,
    ) -> Output:
        """Let ``image`` speak the recording ``audio``; arguments and errors as for :meth:`say`."""
        inputs = [media_input("portrait", image, MediaKind.IMAGE), media_input("voice", audio, MediaKind.AUDIO)]
        params = {**_ordered("clips" if presenter else "talks", resume)} | (
            {"presenter": presenter} if presenter else {}
        )
        seconds = f"{inputs[1].duration or 0:.1f} s of speech"
        return self._order(Task.ANIMATE, inputs, params, output_path, seconds, force=force)

    def move(
        self,
        *,
        image: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        movement: str = "natural",
        resume: str | None = None,
        force: bool = False,
    ) -> Output:
        """Let ``image`` move as one of the vendor's own drivers does, without a sound; errors as for :meth:`say`."""
        if movement not in _MOVES:
            raise _wrong("movement", movement, ", ".join(_MOVES))
        inputs = [media_input("portrait", image, MediaKind.IMAGE)]
        params = {**_ordered("animations", resume), "movement": movement}
        return self._order(Task.DRIVE, inputs, params, output_path, "one animation", force=force)

    def require(self) -> None:
        """Check package and key; raises MissingError ``did.extra`` or ``did.key-missing``."""
        require_client()
        if self._client is None:
            find_key()

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Frames and sound of a permitted request."""
        del permit  # its obligations are the publishing loop's; that one exists is all that is asked here
        from thsafe.core.version import __version__

        client, home = self._opened(), self._home or Home.default()
        resume = request.params.get("resume")
        work = self._folders[threading.get_ident()] = WorkFolder("did")
        folder = work.path
        name = str(resume or "")
        try:
            bell = nullcontext() if self._webhook is None else Doorbell(self._webhook, self._webhook_port)
            with bell as ringing:
                if resume:
                    started = receipts.find(name, request, home)
                else:
                    hook = None if ringing is None else ringing.address
                    started = self._start(client, request, folder, hook, progress)
                    name = started.name
                    receipts.note(started, home)
                    progress.note(f"D-ID's job is {name}; should this break off: --resume {name}")
                rung = None if ringing is None else ringing.rung
                answer = client.wait(started.kind, name, timeout=self._timeout, progress=progress, rung=rung)
            video = client.bring(started.kind, answer, folder / "vendor.mp4", progress=progress)
            require_video(video, "D-ID", f"try again: --resume {name}")
            return draft_of(
                video,
                sound=None if request.task is Task.DRIVE else video,
                folder=work,
                cited=True,
                facts={
                    "digital_source_type": _MADE,
                    "software_agent": {"name": "thsafe D-ID engine", "version": __version__},
                    "model_name": f"D-ID {started.kind}, a vendor's service",
                    "voice": "recorded" if request.task is Task.ANIMATE else "synthetic",
                    "obtained": [{"path": str(video), "title": "vendor", "media_type": "video/mp4"}],
                },
            )
        except BaseException as problem:
            work.clear()
            if name and isinstance(problem, (EngineError, StoreError)) and problem.code not in _FINAL:
                problem.next_step = f"what was charged is not lost: the same command with --resume {name}"
            raise

    def _order(
        self,
        task: Task,
        inputs: list[MediaRef],
        params: dict[str, Json],
        output_path: str | os.PathLike[str],
        amount: str,
        *,
        force: bool,
    ) -> Output:
        """Say what it costs, then run."""
        self.require()
        if not params.get("resume"):
            remaining, total = self._opened().credits()
            cost = f"{amount}; {remaining:g} of {total:g} credits remain"
            self._progress.note(f"D-ID: {cost}")
            if remaining <= 0:
                raise EngineError(
                    "D-ID's credits do not suffice.", code="did.credits", found=cost, next_step="buy credits"
                )
            if not self._accept_cost:
                raise UsageError(
                    "D-ID charges for this.",
                    code="did.cost",
                    found=cost,
                    rule="what a second costs is in D-ID's price list; it is charged when the job starts",
                    next_step="add --accept-cost",
                    log="nothing was sent",
                )
        try:
            return self.run(task, inputs, params, output_path, force=force)
        finally:
            folder = self._folders.pop(threading.get_ident(), None)
            if folder is not None:
                folder.clear()

    def _start(
        self, client: Client, request: Request, folder: Path, hook: str | None, progress: Progress
    ) -> receipts.Started:
        """Hand the inputs over, bare of what was noted in the files, and start the job."""
        params = request.params
        progress.start("handing over", None)
        picture = client.upload("images", plain_picture(request.input("portrait"), folder / "portrait.png"))
        kind = str(params["kind"])
        body: dict[str, Json] = {} if hook is None else {"webhook": hook}
        if request.task is Task.SAY:
            provider = {"type": params["provider"], "voice_id": params["voice"]}
            body["script"] = {"type": "text", "input": request.input("text").text, "provider": provider}
        elif request.task is Task.ANIMATE:
            speech = _speech(request.input("voice"), folder)
            body["script"] = {"type": "audio", "audio_url": client.upload("audios", speech)}
        else:
            movement = str(params["movement"])
            body["driver_url"] = "bank://natural" if movement == "natural" else f"bank://{movement}/driver-01"
        if "presenter" in params:
            body["presenter_id"] = params["presenter"]
        else:
            body["source_url"] = picture
        if kind != "animations":
            body["config"] = {"result_format": "mp4"}
        progress.start("D-ID: ordering", None)
        return receipts.Started(kind=kind, name=client.create(kind, body), ordered=receipts.digest_of(request))

    def _opened(self) -> Client:
        return self._client or Client(find_key())


_FINAL: Final = frozenset({"did.failed", "did.rejected", "did.credits", "did.refused", "did.request", "did.face"})
"""Errors after which there is nothing to go on with."""


def _ordered(kind: str, resume: str | None) -> dict[str, Json]:
    return {"vendor": "d-id", "kind": kind, **({"resume": resume} if resume else {})}


def _speech(ref: MediaRef, folder: Path) -> Path:
    """A recording as a plain WAV, without what was noted in the file."""
    from thsafe.media.sound import iter_sound
    from thsafe.media.wav import WavWriter

    given, speech = copied(ref, folder / "voice.given"), folder / "voice.wav"
    with WavWriter(speech, sample_rate=_HEARD, channels=1) as writer:
        for block in iter_sound(given, rate=_HEARD):
            writer.write(block)
    given.unlink()
    return speech


def _wrong(name: str, value: object, rule: str) -> UsageError:
    return UsageError(
        f"{name} is out of its range.",
        code="engine.parameter",
        found=str(value),
        rule=rule,
        next_step="thsafe generate talk --help",
    )
