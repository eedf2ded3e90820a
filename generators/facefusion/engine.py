"""The FaceFusion engine's public verb: one person's face in another person's film, with the consent of both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from generators.facefusion.checkout import Checkout, Manner
from generators.facefusion.models import CODE_LICENCE, DEFAULT, ENHANCER, ENHANCERS, MODELS
from thsafe.core.errors import UsageError
from thsafe.core.types import Draft, Json, MediaKind, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.models.licence import require_purpose

if TYPE_CHECKING:
    from thsafe.gate import Permit

_CHECKOUT: Final = "THSAFE_FACEFUSION"
"""The variable that names a checkout."""
_SELECTORS: Final = ("one", "many", "reference")
_SWAPPER: Final = "face_swapper"
_ENHANCER: Final = "face_enhancer"
_DEVICES: Final = ("cpu", "cuda")
_DISTANCES: Final = frozenset(round(step / 20, 2) for step in range(21))
_COMPOSITE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


class FaceFusion(Generator):
    """One person's face in another person's film.

    Args:
        checkout: folder of the user's own FaceFusion; without it the one that ``THSAFE_FACEFUSION`` names.
        checkout_python: its interpreter; its own environment's by default.
        device: ``cpu`` or ``cuda``.
        timeout: seconds after which it is stopped.
        options: as :class:`thsafe.generation.Generator`.
    """

    info: ClassVar[EngineInfo] = EngineInfo(
        name="facefusion",
        title="FaceFusion",
        tasks=(Task.SWAP,),
        licence=f"{CODE_LICENCE} code; models: "
        + ", ".join(f"{name} {model.licence}" for name, model in {**MODELS, **ENHANCERS}.items()),
        commercial_use=MODELS[DEFAULT].commercial_use,
        needs="a checkout of FaceFusion 3.8: --checkout DIR, or THSAFE_FACEFUSION",
        speed="not measured",
        pace="slow",
        vram="not measured",
    )

    def __init__(
        self,
        *,
        checkout: str | os.PathLike[str] | None = None,
        checkout_python: str | os.PathLike[str] | None = None,
        device: str = "cpu",
        timeout: float = 24 * 3600.0,
        **options: object,
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # passed on as they came; Generator names them
        _one_of("device", device, _DEVICES)
        named = checkout or os.environ.get(_CHECKOUT) or None
        self._folder = None if named is None else Path(named)
        self._python = None if checkout_python is None else Path(checkout_python)
        self._device, self._timeout = device, timeout

    def swap(
        self,
        *,
        image: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        video: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        model: str = DEFAULT,
        processors: Sequence[str] = (_SWAPPER,),
        faces: str = "one",
        reference_position: int = 0,
        reference_frame: int = 0,
        reference_distance: float = 0.3,
        accept_noncommercial: bool = False,
        force: bool = False,
    ) -> Output:
        """Put the face of ``image`` into ``video``. Both people must have agreed to the mode ``swap``.

        Args:
            image: one or more pictures of the person whose face is put in.
            video: the film; its sound is kept.
            output_path: where the finished MP4 goes.
            model: a name of ``generators.facefusion.models.MODELS``.
            processors: ``face_swapper``, and ``face_enhancer`` if wanted; policy refuses models of named persons.
            faces: ``one`` (the largest), ``many`` (all), or ``reference`` (the one that is like the face
                at ``reference_position`` in frame ``reference_frame``).
            reference_position: from 0, counted as FaceFusion counts.
            reference_frame: from 0.
            reference_distance: 0 to 1 in steps of 0.05; how unlike the reference a face may be.
            accept_noncommercial: that the licence of a model which allows no commercial use, or whose licence is
                unknown, is accepted; recorded in the log.
            force: replace an existing output.

        Raises:
            UsageError: an argument is out of its range; ``model.licence``.
            MissingError: ``engine.checkout``, ``engine.checkout-unnamed`` or ``facefusion.models``.
            InputError: an input is not what it should be, or FaceFusion finds no face in it.
            EngineError: FaceFusion failed or refused; see :func:`generators.facefusion.checkout.render`.
            Refused: consent or policy forbids it; nothing was written.
        """
        _one_of("model", model, tuple(MODELS))
        _one_of("faces", faces, _SELECTORS)
        for name, value in (("reference_position", reference_position), ("reference_frame", reference_frame)):
            if value < 0:
                raise _wrong(name, value, "0 or more")
        if round(reference_distance, 6) not in _DISTANCES:
            raise _wrong("reference_distance", reference_distance, "0 to 1 in steps of 0.05, as FaceFusion takes it")
        licence = MODELS[model]
        if not licence.commercial_use:
            if not accept_noncommercial:
                raise UsageError(
                    f"Nobody has accepted the licence of {model}.",
                    code="model.licence",
                    found=f"{model}: {licence.licence}",
                    rule="commercial use is not allowed, or nobody has said that it is",
                    next_step=f"use --model {DEFAULT} (Apache-2.0), or add --accept-noncommercial",
                    log="nothing was written",
                )
            require_purpose(model, licence.licence, self._purpose, next_step=f"use --model {DEFAULT} (Apache-2.0)")
        checkout = self._checkout()
        checkout.require()
        pictures = [image] if isinstance(image, (str, os.PathLike)) else list(image)
        if not pictures:
            raise UsageError("There is no picture of a face.", code="engine.inputs", next_step="give --image FILE")
        inputs = [media_input("portrait", picture, MediaKind.IMAGE) for picture in pictures]
        inputs.append(media_input("target", video, MediaKind.VIDEO))
        params: dict[str, Json] = {
            "backend": "checkout",
            "version": checkout.version,
            "model": model,
            "model_licence": licence.licence,
            "weights_sha256": _digest(checkout.weights(model)),
            "accepted_noncommercial": bool(accept_noncommercial and not licence.commercial_use),
            "processors": [str(name) for name in processors],
            "faces": faces,
            "reference": [reference_position, reference_frame, float(reference_distance)],
        }
        return self.run(Task.SWAP, inputs, params, output_path, force=force)

    def require(self) -> None:
        """Check that there is a checkout; raises MissingError ``engine.checkout`` and its like."""
        self._checkout().require()

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Frames and sound of a permitted request."""
        del permit  # its obligations are the publishing loop's; that one exists is all that is asked here
        from generators.facefusion import checkout as driver
        from thsafe.core.version import __version__

        params = request.params
        model, processors = str(params["model"]), list(params["processors"])
        # Asked after the gate: a processor of named persons is to be refused by policy, on record, not by a spelling.
        if _SWAPPER not in processors or set(processors) - {_SWAPPER, _ENHANCER}:
            raise _wrong("processors", ", ".join(processors), f"{_SWAPPER}, and {_ENHANCER} if wanted")
        position, frame, distance = params["reference"]
        checkout, enhance = self._checkout(), _ENHANCER in processors
        licence = MODELS[model]
        progress.note(f"{model}: licence {licence.licence}; FaceFusion itself: {CODE_LICENCE}")
        version = checkout.version or "of unknown version"
        drawn = f"{model} ({licence.licence})" + (f", {ENHANCER} ({ENHANCERS[ENHANCER].licence})" if enhance else "")
        return driver.render(
            [ref for ref in request.inputs if ref.role == "portrait"],
            request.input("target"),
            checkout,
            Manner(
                model=model,
                enhance=enhance,
                faces=str(params["faces"]),
                reference_position=int(position),
                reference_frame=int(frame),
                reference_distance=float(distance),
            ),
            facts={
                "digital_source_type": _COMPOSITE,
                "software_agent": {"name": "thsafe FaceFusion engine", "version": __version__},
                "model_name": f"FaceFusion {version}, the user's own checkout: {drawn}",
                "model_licence": licence.licence,
                "non_commercial": not licence.commercial_use,
                "voice": "recorded",
            },
            progress=progress,
        )

    def _checkout(self) -> Checkout:
        from thsafe.core.errors import MissingError

        if self._folder is None:
            raise MissingError(
                "No checkout of FaceFusion is named.",
                code="engine.checkout-unnamed",
                next_step=f"give --checkout DIR, or set {_CHECKOUT}",
            )
        return Checkout(folder=self._folder, python=self._python, device=self._device, timeout=self._timeout)


def _digest(path: Path) -> str:
    """SHA-256 of the weights that will draw; empty where FaceFusion has still to fetch them."""
    from thsafe.media.digest import hash_file

    return hash_file(path) if path.is_file() else ""


def _one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed:
        raise _wrong(name, value, "one of " + ", ".join(str(item) for item in allowed))


def _wrong(name: str, value: object, rule: str) -> UsageError:
    return UsageError(
        f"{name} is out of its range.",
        code="engine.parameter",
        found=str(value),
        rule=rule,
        next_step="thsafe generate swap --help",
    )
