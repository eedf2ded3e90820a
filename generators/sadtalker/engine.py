"""The SadTalker engine's public verb: a still picture that speaks, with the authors' weights or their own program."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from generators.arithmetic import Arithmetic, check_precision
from thsafe.core.errors import UsageError
from thsafe.core.types import Draft, Json, MediaKind, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input
from thsafe.home import Home
from thsafe.models import find_card, installed_path
from thsafe.models.fetch import receipt
from thsafe.models.licence import require_licensed

if TYPE_CHECKING:
    from generators.sadtalker.checkout import Checkout
    from generators.sadtalker.networks import Networks
    from generators.sadtalker.pipeline import Manner
    from thsafe.gate import Permit

_SIZES: Final = (256, 512)
_MODES: Final = ("crop", "extcrop", "resize", "full", "extfull")
_BACKENDS: Final = ("auto", "native", "checkout")
_STYLES: Final = 46
_CHECKOUT: Final = "THSAFE_SADTALKER"
"""The variable that names a checkout."""
_MADE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


class SadTalker(Generator):
    """A still picture that speaks.

    Args:
        backend: ``native`` draws with the authors' weights here, ``checkout`` runs the authors' program, ``auto`` takes
            a checkout that is given, else weights that are installed, else the one that ``THSAFE_SADTALKER`` names.
        checkout: folder of the user's own SadTalker.
        checkout_python: its interpreter; its own environment's by default.
        enhancer: ``gfpgan`` or ``RestoreFormer``; checkout only.
        timeout: seconds after which a checkout is stopped.
        device: ``cpu``, ``cuda``, or None for the best there is.
        precision: ``float32`` or ``bfloat16``: faster and half the memory, but pictures move by up to 16 grey levels.
        compiled: let torch's compiler fuse the operations.
        options: as :class:`thsafe.generation.Generator`.
    """

    info: ClassVar[EngineInfo] = EngineInfo(
        name="sadtalker",
        title="SadTalker",
        tasks=(Task.ANIMATE,),
        licence="Apache-2.0 code, weights of the authors' releases",
        commercial_use=True,
        needs="weights: thsafe models pull sadtalker; or a checkout: --checkout DIR",
        models=("sadtalker-256", "sadtalker-512", "sadtalker-mapping", "sadtalker-mapping-full"),
        sets=tuple(
            (f"sadtalker-{size}", mapping)
            for size in _SIZES
            for mapping in ("sadtalker-mapping", "sadtalker-mapping-full")
        ),
        speed="some 15 s of CPU time a picture at 256 pixels; not measured on a GPU",
        pace="slow",
        vram="0.8 GB of weights in float32; what running takes is not measured",
    )

    def __init__(
        self,
        *,
        backend: str = "auto",
        checkout: str | os.PathLike[str] | None = None,
        checkout_python: str | os.PathLike[str] | None = None,
        enhancer: str | None = None,
        timeout: float = 24 * 3600.0,
        device: str | None = None,
        precision: str = "float32",
        compiled: bool = False,
        **options: object,
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # passed on as they came; Generator names them
        _one_of("backend", backend, _BACKENDS)
        if enhancer is not None:
            _one_of("enhancer", enhancer, ("gfpgan", "RestoreFormer"))
        named = checkout or os.environ.get(_CHECKOUT) or None
        self._given = checkout is not None
        self._checkout = None if named is None else Path(named)
        self._python = None if checkout_python is None else Path(checkout_python)
        self._backend, self._enhancer, self._timeout, self._device = backend, enhancer, timeout, device
        check_precision(precision)
        self._precision, self._compiled = precision, compiled
        self._size, self._mode = _SIZES[0], _MODES[0]

    def animate(
        self,
        *,
        source_image: str | os.PathLike[str],
        audio_file: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        mode: str = "crop",
        size: int = 256,
        still: bool = False,
        pose_style: int = 0,
        expression_scale: float = 1.0,
        yaw: Sequence[float] = (),
        pitch: Sequence[float] = (),
        roll: Sequence[float] = (),
        blinks_from: str | os.PathLike[str] | None = None,
        pose_from: str | os.PathLike[str] | None = None,
        seed: int = 0,
        force: bool = False,
    ) -> Output:
        """Animate ``source_image`` with ``audio_file``.

        Args:
            source_image: a picture of one face.
            audio_file: speech; the output keeps its sound.
            output_path: where the finished MP4 goes.
            mode: ``crop`` (the face's square), ``extcrop`` (with a border), ``resize`` (the whole picture is animated),
                ``full`` (the square moves inside the picture) or ``extfull``.
            size: 256 or 512, pixels of the square that is drawn.
            still: the head keeps the portrait's pose; for ``full``, so that the square fits.
            pose_style: of the head's motion, 0 to 45.
            expression_scale: 1 as performed, 0 to 3.
            yaw: degrees, one or several, spread over the video, instead of the performance's own.
            pitch: the same, up and down.
            roll: the same, to the shoulders.
            blinks_from: a film whose blinks are lent; it is not seen.
            pose_from: a film whose head motion is lent; it is not seen.
            seed: the same seed gives the same blinks and head motion; a checkout knows none.
            force: replace an existing output.

        Raises:
            UsageError: an argument is out of its range.
            MissingError: neither weights nor a checkout are there.
            InputError: an input is not what it should be, or does not show one face.
            EngineError: the checkout failed.
            Refused: consent or policy forbids it; nothing was written.
        """
        _one_of("mode", mode, _MODES)
        _one_of("size", size, _SIZES)
        _between("pose_style", pose_style, 0, _STYLES - 1)
        _between("expression_scale", expression_scale, 0, 3)
        for name, stops in (("yaw", yaw), ("pitch", pitch), ("roll", roll)):
            for stop in stops:
                _between(name, stop, -90, 90)
        films = {"blinks_from": blinks_from, "pose_from": pose_from}
        inputs = [
            media_input("portrait", source_image, MediaKind.IMAGE),
            media_input("voice", audio_file, MediaKind.AUDIO),
        ]
        params: dict[str, Json] = {
            "mode": mode,
            "size": size,
            "still": still,
            "pose_style": pose_style,
            "expression_scale": float(expression_scale),
            "turns": [[float(stop) for stop in stops] for stops in (yaw, pitch, roll)],
            "seed": seed,
        }
        for name, film in films.items():
            if film is not None:
                ref = media_input("driver", film, MediaKind.VIDEO)
                params[name] = ref.sha256
                if ref.sha256 not in {other.sha256 for other in inputs}:
                    inputs.append(ref)
        self._size, self._mode = size, mode
        self.require()
        return self.run(Task.ANIMATE, inputs, params | self._weights_facts(), output_path, force=force)

    def require(self) -> None:
        """Check that there is something to draw with, and that it may be used.

        Raises:
            MissingError: ``model.missing``, ``engine.checkout`` or ``engine.checkout-python``.
            UsageError: ``model.licence`` or ``engine.enhancer``.
            PolicyRefused: ``model.purpose``.
        """
        checkout = self._chosen_checkout()
        if checkout is not None:
            checkout.require()
            return
        if self._enhancer is not None:
            raise UsageError(
                "The enhancers are programs of SadTalker's checkout.",
                code="engine.enhancer",
                found=self._enhancer,
                next_step="give --checkout DIR, or leave --enhancer out",
            )
        for name in self._cards():
            require_licensed(find_card(name), self._home or Home.default(), purpose=self._purpose)

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Frames and sound of a permitted request."""
        del permit  # its obligations are the publishing loop's; that one exists is all that is asked here
        from generators.sadtalker import checkout as driver
        from generators.sadtalker import pipeline
        from thsafe.core.version import __version__

        portrait, voice = request.input("portrait").path, request.input("voice").path
        if portrait is None or voice is None:
            raise UsageError(
                "Portrait and voice must be files.", code="engine.inputs", next_step="give --image, --audio"
            )
        manner = _manner(request)
        chosen = self._chosen_checkout()
        facts: dict[str, Json] = {
            "digital_source_type": _MADE,
            "software_agent": {"name": "thsafe SadTalker engine", "version": __version__},
            "model_name": "SadTalker 0.0.2",
            "model_licence": find_card("sadtalker-256").licence,
            "non_commercial": False,
            "voice": "recorded",
            "seed": request.params.get("seed", 0),
        }
        if chosen is not None:
            facts["model_name"] = "SadTalker, the user's own checkout"
            return driver.render(portrait, voice, chosen, manner, facts=facts, progress=progress)
        progress.start("loading weights", None)
        networks = self._networks()
        facts["arithmetic"] = str(networks.arithmetic)
        return pipeline.render(portrait, voice, networks, manner, facts=facts, progress=progress)

    def _chosen_checkout(self) -> Checkout | None:
        """The checkout that will run, or None where the weights draw."""
        from generators.sadtalker.checkout import Checkout

        if self._backend == "native":
            return None
        if self._checkout is None:
            if self._backend == "checkout":
                raise UsageError(
                    "No checkout of SadTalker is named.",
                    code="engine.checkout-unnamed",
                    next_step=f"give --checkout DIR, or set {_CHECKOUT}",
                )
            return None
        if self._backend == "auto" and not self._given and self._all_there():
            return None
        return Checkout(
            folder=self._checkout,
            python=self._python,
            enhancer=self._enhancer,
            cpu=self._device == "cpu",
            timeout=self._timeout,
        )

    def _cards(self) -> tuple[str, str]:
        whole = "full" in self._mode
        return f"sadtalker-{self._size}", "sadtalker-mapping-full" if whole else "sadtalker-mapping"

    def _all_there(self) -> bool:
        home = self._home or Home.default()
        return all(installed_path(find_card(name), home) for name in self._cards())

    def _networks(self) -> Networks:
        import torch

        from generators.sadtalker.networks import Networks
        from thsafe.models.checkpoint import load_tensors

        home = self._home or Home.default()
        main, mapping = (
            load_tensors(require_licensed(find_card(name), home, purpose=self._purpose)) for name in self._cards()
        )
        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        arithmetic = Arithmetic(device=device, precision=self._precision, compiled=self._compiled)
        return Networks.of(main, mapping, whole="full" in self._mode, arithmetic=arithmetic)

    def _weights_facts(self) -> dict[str, Json]:
        """What the log is to keep of whose weights draw; of a checkout, that it is one."""
        if self._chosen_checkout() is not None:
            return {"backend": "checkout", "model": "sadtalker-checkout", "weights_sha256": ""}
        home = self._home or Home.default()
        digests = [str(receipt(find_card(name), home).get("sha256", "")) for name in self._cards()]
        return {
            "backend": "native",
            "model": "+".join(self._cards()),
            "weights": digests,
            "weights_sha256": hashlib.sha256("".join(digests).encode()).hexdigest(),
            "accepted_noncommercial": False,
        }


def _manner(request: Request) -> Manner:
    from generators.sadtalker.framing import Mode
    from generators.sadtalker.pipeline import Manner

    params = request.params
    films = {ref.sha256: ref.path for ref in request.inputs if ref.role == "driver"}
    yaw, pitch, roll = (tuple(stops) for stops in params.get("turns", ((), (), ())))
    return Manner(
        mode=Mode(params.get("mode", "crop")),
        size=int(params.get("size", _SIZES[0])),
        still=bool(params.get("still")),
        style=int(params.get("pose_style", 0)),
        expression_scale=float(params.get("expression_scale", 1.0)),
        turns=(yaw, pitch, roll),
        seed=int(params.get("seed", 0)),
        lids=films.get(params.get("blinks_from", "")),
        head=films.get(params.get("pose_from", "")),
    )


def _one_of(name: str, value: object, allowed: Sequence[object]) -> None:
    if value not in allowed:
        raise _wrong(name, value, "one of " + ", ".join(str(item) for item in allowed))


def _between(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise _wrong(name, value, f"{least} to {most}")


def _wrong(name: str, value: object, rule: str) -> UsageError:
    return UsageError(
        f"{name} is out of its range.",
        code="engine.parameter",
        found=str(value),
        rule=rule,
        next_step="thsafe generate animate --help",
    )
