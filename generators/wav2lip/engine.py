"""The Wav2Lip engine's public verb: new speech for an existing video, with the authors' weights."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Final

from generators.arithmetic import Arithmetic, check_precision
from generators.wav2lip.timing import SyncMode
from thsafe.core.errors import EngineError, UsageError
from thsafe.core.types import Draft, Json, MediaKind, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.home import Home
from thsafe.models import find_card
from thsafe.models.fetch import installed_path, receipt, require_weights
from thsafe.models.licence import require_licensed

if TYPE_CHECKING:
    from generators.wav2lip.network import Network
    from thsafe.gate import Permit

MODELS: Final = ("wav2lip-gan", "wav2lip")
_MOST_OFFSET: Final = 25
_COMPOSITE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


class Wav2Lip(Generator):
    """New speech for an existing video.

    Args:
        model: ``wav2lip-gan`` (sharper) or ``wav2lip`` (closer lips); None for what is installed, the former first.
        device: ``cpu``, ``cuda``, or None for the best there is.
        precision: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the hardware has it and it moves no pixel of a
            probe by more than two grey levels with these weights.
        compiled: let torch's compiler fuse the operations.
        options: as :class:`thsafe.generation.Generator`.
    """

    info: ClassVar[EngineInfo] = EngineInfo(
        name="wav2lip",
        title="Wav2Lip",
        tasks=(Task.LIPSYNC,),
        licence="non-commercial weights of the authors",
        commercial_use=False,
        needs="weights: thsafe models pull wav2lip-gan",
        models=MODELS,
        speed="a CPU core: about 10 pictures a second by processor time, about 30 with bfloat16; no GPU measured",
        pace="fast",
        vram="0.15 GB of weights in float32; what running takes is not measured",
    )

    def __init__(
        self,
        *,
        model: str | None = None,
        device: str | None = None,
        precision: str = "auto",
        compiled: bool = False,
        **options: object,
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # passed on as they came; Generator names them
        if model is None:
            home = self._home or Home.default()
            model = next((name for name in MODELS if installed_path(find_card(name), home)), MODELS[0])
        if model not in MODELS:
            raise UsageError(
                f'Wav2Lip has no weights called "{model}".',
                code="engine.model",
                found=model,
                next_step="choose one of: " + ", ".join(MODELS),
            )
        check_precision(precision, also=("auto",))
        self._model = model
        self._device, self._precision, self._compiled = device, precision, compiled

    def generate(
        self,
        *,
        video: str | os.PathLike[str],
        audio: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        face: int | None = None,
        sync_offset: int = 0,
        sync_mode: str = "loop",
        box: tuple[int, int, int, int] | None = None,
        as_authors: bool = False,
        seed: int = 0,
        force: bool = False,
    ) -> Output:
        """Move the lips in ``video`` to ``audio``.

        Args:
            video: a video with a face.
            audio: speech; the output keeps its sound.
            output_path: where the finished MP4 goes.
            face: whose lips, counted from the left in each scene, from 1; None for the largest face.
            sync_offset: pictures by which the lips follow the sound, -25 to 25; the weights were trained at 1.
            sync_mode: what happens when the two are not equally long: ``loop``, ``bounce``, ``cut_off``, ``silence``
                or ``remap``; see :class:`generators.wav2lip.timing.SyncMode`.
            box: top, bottom, left, right of the face in every picture, in pixels, instead of finding it.
            as_authors: chunk rule and hard paste of the authors' script, whose output is 3 or 4 pictures shorter.
            seed: part of the job's record; the network draws no random numbers.
            force: replace an existing output.

        Raises:
            UsageError: an argument is out of its range.
            MissingError: the weights are not installed.
            InputError: an input is not what it should be, or shows no face.
            Refused: consent or policy forbids it; nothing was written.
        """
        _check_arguments(face, sync_offset, sync_mode)
        inputs = (media_input("target", video, MediaKind.VIDEO), media_input("voice", audio, MediaKind.AUDIO))
        self.require()
        params: dict[str, Json] = {
            "seed": seed,
            "face": face,
            "sync_offset": sync_offset,
            "sync_mode": sync_mode,
            "box": list(box) if box is not None else None,
            "as_authors": as_authors,
            "precision": self._precision,
            **self._weights_facts(),
        }
        return self.run(Task.LIPSYNC, inputs, params, output_path, force=force)

    def require(self) -> None:
        """Check the weights and their licence.

        Raises:
            MissingError: ``model.missing``.
            UsageError: ``model.licence``: nobody has accepted it on this machine.
            PolicyRefused: ``model.purpose``: the purpose is a commercial one and the weights are not.
        """
        require_licensed(find_card(self._model), self._home or Home.default(), purpose=self._purpose)

    def check(self) -> None:
        """Also read the weights: the cards pin no content, so that they could be another network's.

        Raises:
            InputError: ``model.other-network``, ``model.not-weights`` or ``model.unreadable``.
        """
        self.require()
        self._network(exact=True)

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Frames and sound of a permitted request."""
        del permit  # its obligations are the publishing loop's; that one exists is all that is asked here
        from generators.wav2lip.detection import FaceFinder
        from generators.wav2lip.pipeline import Manner, render
        from thsafe.core.version import __version__

        target, voice = request.input("target").path, request.input("voice").path
        if target is None or voice is None:
            raise UsageError("Video and voice must be files.", code="engine.inputs", next_step="give --video, --audio")
        params = request.params
        top_to_right = params.get("box")
        manner = Manner(
            face=params.get("face"),
            sync_offset=int(params.get("sync_offset", 0)),
            sync_mode=SyncMode(params.get("sync_mode", "loop")),
            box=None if top_to_right is None else tuple(top_to_right),
            as_authors=bool(params.get("as_authors")),
        )
        card = find_card(self._model)
        progress.start("loading weights", None)
        network = self._network(exact=manner.as_authors)
        return render(
            target,
            voice,
            network,
            manner,
            find=None if manner.box is not None else FaceFinder(device=str(network.device)).find,
            facts={
                "digital_source_type": _COMPOSITE,
                "software_agent": {"name": "thsafe Wav2Lip engine", "version": __version__},
                "model_name": f"{card.title}, weights for non-commercial use only",
                "model_licence": card.licence,
                "non_commercial": not card.commercial_use,
                "voice": "recorded",
                "seed": params.get("seed", 0),
                "arithmetic": str(network.arithmetic),
            },
            progress=progress,
        )

    def _network(self, *, exact: bool = False) -> Network:
        import torch

        from generators.wav2lip.network import Network, suited
        from thsafe.models.checkpoint import load_tensors

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        path = require_weights(find_card(self._model), self._home or Home.default())
        weights = load_tensors(path)
        try:
            precision = "float32" if exact else self._precision
            if precision == "auto":
                precision = suited(weights, device=device)
            chosen = Arithmetic(device=device, precision=precision, compiled=self._compiled)
            return Network(weights, arithmetic=chosen)
        except (RuntimeError, AssertionError) as problem:  # torch's own ways to say that there is no such device
            raise EngineError(
                f'The weights cannot be put on the device "{device}".',
                code="engine.device",
                found=(str(problem).splitlines() or ["unknown reason"])[0],
                next_step="choose --device cpu",
            ) from problem

    def _weights_facts(self) -> dict[str, Json]:
        card, home = find_card(self._model), self._home or Home.default()
        noted = receipt(card, home)
        return {
            "model": card.name,
            "weights_sha256": noted.get("sha256", ""),
            "accepted_noncommercial": bool(noted.get("accepted")),
        }


def _check_arguments(face: int | None, sync_offset: int, sync_mode: str) -> None:
    modes = [str(mode) for mode in SyncMode]
    for wrong, name, found, rule in (
        (face is not None and face < 1, "face", face, "1 or more, counted from the left"),
        (abs(sync_offset) > _MOST_OFFSET, "sync_offset", sync_offset, f"-{_MOST_OFFSET} to {_MOST_OFFSET}"),
        (sync_mode not in modes, "sync_mode", sync_mode, "one of " + ", ".join(modes)),
    ):
        if wrong:
            raise UsageError(
                f"{name} is out of its range.",
                code="engine.parameter",
                found=str(found),
                rule=rule,
                next_step="thsafe generate lipsync --help",
            )
