"""The LivePortrait engine's public verb: a still picture that moves as somebody in a film does."""

from __future__ import annotations

import hashlib
import os
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final

from generators.arithmetic import Arithmetic, check_precision
from thsafe.core.errors import UsageError
from thsafe.core.types import Draft, Json, MediaKind, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.home import Home
from thsafe.models import find_card
from thsafe.models.fetch import receipt
from thsafe.models.licence import require_licensed

if TYPE_CHECKING:
    from generators.liveportrait.networks import Networks
    from generators.liveportrait.pipeline import Manner
    from thsafe.gate import Permit

_FILES: Final = ("appearance", "motion", "warping", "generator", "stitching")
_MODELS: Final = tuple(f"liveportrait-{file}" for file in _FILES)
_MADE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


class LivePortrait(Generator):
    """A still picture that moves as somebody in a film does.

    Args:
        device: ``cpu``, ``cuda``, or None for the best there is.
        precision: ``float32`` or ``bfloat16``: faster and half the memory, but pictures move by up to 16 grey levels.
        compiled: let torch's compiler fuse the operations.
        options: as :class:`thsafe.generation.Generator`.
    """

    info: ClassVar[EngineInfo] = EngineInfo(
        name="liveportrait",
        title="LivePortrait",
        tasks=(Task.DRIVE,),
        licence="MIT (code and weights)",
        commercial_use=True,
        needs="weights: thsafe models pull liveportrait",
        models=_MODELS,
        sets=(_MODELS,),
        speed="some 19 s of CPU time a picture; not measured on a GPU",
        pace="slow",
        vram="0.5 GB of weights in float32; what running takes is not measured",
    )

    def __init__(
        self,
        *,
        device: str | None = None,
        precision: str = "float32",
        compiled: bool = False,
        **options: object,
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # passed on as they came; Generator names them
        check_precision(precision)
        self._device, self._precision, self._compiled = device, precision, compiled

    def drive(
        self,
        *,
        image: str | os.PathLike[str],
        driver: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        face: int = 1,
        mode: str = "full",
        absolute: bool = False,
        stitched: bool = True,
        only_eyes: bool = False,
        only_lips: bool = False,
        multiplier: float = 1.0,
        fps: int | None = None,
        seed: int = 0,
        force: bool = False,
    ) -> Output:
        """Let the portrait move as somebody in a film does; the output keeps the film's sound.

        The driver lends movement and is not seen.

        Args:
            image: a picture of one face.
            driver: the film.
            output_path: where the finished MP4 goes.
            face: who drives, where the film shows several people: 1 is the one seen most.
            mode: ``full`` (the face moves inside its picture) or ``crop`` (512 x 512 pixels around the face).
            absolute: take the driver's pose and expression as they are, instead of their change since the beginning.
            stitched: fit the head to its shoulders.
            only_eyes: move nothing but the eyes, open as far as the driver's; with ``only_lips``, both.
            only_lips: move nothing but the lips.
            multiplier: how strongly the movement is followed, 0 to 2.
            fps: frames per second, 1 to 60; the film's own by default.
            seed: part of the job's record; nothing is random here.
            force: replace an existing output.

        Raises:
            UsageError: an argument is out of its range.
            MissingError: the weights are not installed.
            InputError: an input is not what it should be, or does not show the face.
            Refused: consent or policy forbids it; nothing was written.
        """
        for wrong, name, found, rule in (
            (mode not in {"full", "crop"}, "mode", mode, "full or crop"),
            (face < 1, "face", face, "1 or more"),
            (not 0 <= multiplier <= 2, "multiplier", multiplier, "0 to 2"),
            (fps is not None and not 1 <= fps <= 60, "fps", fps, "1 to 60"),
        ):
            if wrong:
                raise UsageError(
                    f"{name} is out of its range.",
                    code="engine.parameter",
                    found=str(found),
                    rule=rule,
                    next_step="thsafe generate drive --help",
                )
        inputs = (media_input("portrait", image, MediaKind.IMAGE), media_input("driver", driver, MediaKind.VIDEO))
        self.require()
        params: dict[str, Json] = {
            "face": face,
            "mode": mode,
            "absolute": absolute,
            "stitched": stitched,
            "only_eyes": only_eyes,
            "only_lips": only_lips,
            "multiplier": float(multiplier),
            "seed": seed,
            **self._weights_facts(),
        }
        if fps is not None:
            params["fps"] = fps
        return self.run(Task.DRIVE, inputs, params, output_path, force=force)

    def require(self) -> None:
        """Check the weights.

        Raises:
            MissingError: ``model.missing``.
        """
        for model in _MODELS:
            require_licensed(find_card(model), self._home or Home.default(), purpose=self._purpose)

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Frames and sound of a permitted request."""
        del permit  # its obligations are the publishing loop's; that one exists is all that is asked here
        from generators.liveportrait.pipeline import render
        from thsafe.core.version import __version__

        portrait, driver = request.input("portrait").path, request.input("driver").path
        if portrait is None or driver is None:
            raise UsageError(
                "Portrait and driver must be files.", code="engine.inputs", next_step="give --image, --driver"
            )
        progress.start("loading weights", None)
        networks = self._networks()
        return render(
            portrait,
            driver,
            networks,
            _manner(request),
            facts={
                "digital_source_type": _MADE,
                "software_agent": {"name": "thsafe LivePortrait engine", "version": __version__},
                "model_name": "LivePortrait",
                "model_licence": find_card(_MODELS[0]).licence,
                "non_commercial": False,
                "voice": "the driver's",
                "seed": request.params.get("seed", 0),
                "arithmetic": str(networks.arithmetic),
            },
            progress=progress,
        )

    def _networks(self) -> Networks:
        import torch

        from generators.liveportrait.networks import Networks
        from thsafe.models.checkpoint import load_tensors

        home = self._home or Home.default()
        files = {
            file: load_tensors(require_licensed(find_card(model), home, purpose=self._purpose))
            for file, model in zip(_FILES, _MODELS, strict=True)
        }
        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        return Networks.of(
            files, arithmetic=Arithmetic(device=device, precision=self._precision, compiled=self._compiled)
        )

    def _weights_facts(self) -> dict[str, Json]:
        home = self._home or Home.default()
        digests = [str(receipt(find_card(model), home).get("sha256", "")) for model in _MODELS]
        return {
            "model": "liveportrait",
            "weights": digests,
            "weights_sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
            "accepted_noncommercial": False,
        }


def _manner(request: Request) -> Manner:
    from generators.liveportrait.pipeline import Manner

    params = request.params
    return Manner(
        face=int(params.get("face", 1)),
        whole=params.get("mode", "full") == "full",
        absolute=bool(params.get("absolute")),
        stitched=bool(params.get("stitched", True)),
        eyes=bool(params.get("only_eyes")),
        lips=bool(params.get("only_lips")),
        multiplier=float(params.get("multiplier", 1.0)),
        fps=Fraction(int(params["fps"])) if "fps" in params else None,
    )
