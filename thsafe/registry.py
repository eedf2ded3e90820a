"""Engines and checks by name; the only place where thsafe reaches them, and only when one is asked for."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from thsafe.core.canonical import canonical_digest
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from thsafe.core.types import Evidence, Frame, Json, Progress, Request
    from thsafe.generation import Generator
    from thsafe.home import Home
    from thsafe.workshop import Workshop

_ENGINES: Mapping[str, str] = {
    "embedded": "generators.embedded.engine:Portrait",
    "wav2lip": "generators.wav2lip.engine:Wav2Lip",
    "sadtalker": "generators.sadtalker.engine:SadTalker",
    "liveportrait": "generators.liveportrait.engine:LivePortrait",
    "facefusion": "generators.facefusion.engine:FaceFusion",
    "did": "generators.did.engine:DId",
    "live2d": "generators.live2d.engine:Live2D",
}
_PLUGIN = "thsafe.plugins:load"
_CAST = "generators.embedded.cast:CAST"
_VOICE = "generators.speech.espeak:Espeak"
_DRAW = "generators.embedded.cast:draw"
_PUBLISHED = "detectors.faceforensics.check:PUBLISHED"
_EXAMINE = "detectors.faceforensics.check:examine_faces"
_OWN = "detectors.faceforensics.default:examine"
_OWN_WEIGHTS = "detectors.faceforensics.default:weights_digest"
_TRAINERS: Mapping[str, str] = {
    "phones": "generators.embedded.training.phones:retrain",
    "lipsync": "detectors.lipsync.learn:retrain",
    "voice": "detectors.voice.learn:retrain",
}
_WITH_MATERIAL = frozenset({"lipsync", "voice"})
_LIPS = "detectors.lipsync.check:examine"
_LIPS_WEIGHTS = "detectors.lipsync.check:SHIPPED"
_VOICE_CHECK = "detectors.voice.check:examine"
_VOICE_WEIGHTS = "detectors.voice.check:SHIPPED"


def engine_names() -> tuple[str, ...]:
    """Names of all engines that come with thsafe."""
    return tuple(_ENGINES)


def engine(name: str) -> type[Generator]:
    """The class of the named engine, built in or an allowed plug-in; importing it loads no weights.

    Raises:
        UsageError: ``engine.unknown`` or ``engine.not-allowed``.
        EngineError: ``engine.plugin``: a plug-in that cannot be used.
    """
    if name not in _ENGINES:
        from thsafe.home import Home

        plugin: type[Generator] | None = _load(_PLUGIN)(name, Home.default(), engine_names())
        if plugin is not None:
            return plugin
        raise UsageError(
            f'There is no engine called "{name}".',
            code="engine.unknown",
            found=name,
            next_step="choose one of: " + ", ".join(_ENGINES),
        )
    found: type[Generator] = _load(_ENGINES[name])
    return found


def drawn_person_digests() -> Mapping[str, str]:
    """For each person drawn by thsafe's own code: name to SHA-256 over the drawing's parameters."""
    return {name: canonical_digest(dataclasses.asdict(person)) for name, person in _load(_CAST).items()}


def figure_digests() -> Mapping[str, str]:
    """For each figure drawn by thsafe's own code: name to SHA-256 over what it is drawn from."""
    found: Mapping[str, str] = _load("generators.live2d.puppet:figure_digests")()
    return found


def live2d_lacks() -> tuple[str, str] | None:
    """What is not installed for drawing Live2D models, and how to install it; None where all is there."""
    found: tuple[str, str] | None = _load("generators.live2d.cubism:lacks")()
    return found


class PuppetWorkbench(Protocol):
    """What can be done with a Live2D model besides films; see ``generators.live2d.workbench``."""

    def describe(self, model: Path) -> dict[str, Json]:
        """Parameters, groups, expressions and motions of a model."""

    def export_motion(self, path: Path, source: Mapping[str, Json], progress: Progress) -> dict[str, Json]:
        """Write what a recording or film makes of a figure as ``motion3.json``."""

    def export_expression(self, path: Path, mood: str, model: Path | None, fade: float) -> dict[str, Json]:
        """Write a mood as ``exp3.json``."""

    def perform(self, source: Mapping[str, Json], home: Home, progress: Progress) -> dict[str, Json]:
        """Move the figure that VTube Studio shows, in real time."""


def puppet_workbench() -> PuppetWorkbench:
    """Files and streams of a figure's movement; importing it loads no model."""
    found: PuppetWorkbench = importlib.import_module("generators.live2d.workbench")
    return found


def draw_person(name: str, size: int) -> Frame:
    """The named person of the cast, drawn ``size`` pixels square, BGR."""
    picture: Frame = _load(_DRAW)(_load(_CAST)[name], size=size).picture
    return picture


def detectors() -> Mapping[str, tuple[str, ...]]:
    """Names of the forensic detectors, each with the model cards of its weights; importing them loads no torch."""
    return {name: published.cards for name, published in _load(_PUBLISHED).items()}


def run_detector(name: str, weights: Sequence[Path], frames: Sequence[tuple[float, Frame]]) -> Evidence:
    """Let one detector look at frames given as (seconds, BGR)."""
    found: Evidence = _load(_EXAMINE)(name, weights, frames)
    return found


def run_own_detector(stretches: Iterable[Sequence[tuple[float, Frame]]], *, moving: bool) -> Evidence:
    """Let the detector that comes with thsafe look at stretches of frames (seconds, BGR), or at one picture."""
    found: Evidence = _load(_OWN)(stretches, moving=moving)
    return found


def own_detector_weights() -> str:
    """SHA-256 of the weights of the detector that comes with thsafe."""
    found: str = _load(_OWN_WEIGHTS)()
    return found


def lip_and_voice_weights() -> dict[str, str]:
    """SHA-256 of the weights of our own lip-sync and voice models, by check."""
    return {"lip-sync": _load(_LIPS_WEIGHTS).digest(), "voice.spectral": _load(_VOICE_WEIGHTS).digest()}


def trainable() -> tuple[str, ...]:
    """Names of the models that thsafe makes itself."""
    return tuple(_TRAINERS)


def train_model(
    name: str, folder: Path, *, rounds: int, seed: int, progress: Progress, material: Sequence[Path] = ()
) -> Mapping[str, Json]:
    """Make one of thsafe's own models anew and write weights and card into ``folder``; returns what was measured.

    Args:
        name: one of :func:`trainable`.
        folder: where weights and card go.
        rounds: how much work.
        seed: of all that is drawn by lot.
        progress: told how far it is.
        material: folders of pictures, films or recordings that may be learnt from.

    Raises:
        UsageError: ``model.material``: this model is made of synthetic speech alone.
    """
    more = {"material": material} if name in _WITH_MATERIAL else {}
    if material and not more:
        raise UsageError(
            f'The model "{name}" is made of synthetic speech alone.',
            code="model.material",
            next_step="leave out --material",
        )
    report: Mapping[str, Json] = _load(_TRAINERS[name])(folder, rounds=rounds, seed=seed, progress=progress, **more)
    return report


def check_lip_sync(frames: Iterable[tuple[float, Frame]], sound: NDArray[np.float32]) -> Evidence:
    """Whether lips and sound (mono, 16 kHz) go together; frames are (seconds, BGR), all of them."""
    found: Evidence = _load(_LIPS)(frames, sound)
    return found


def check_voices(sound: NDArray[np.float32], weights: Mapping[str, Path]) -> list[Evidence]:
    """Whether a voice (mono, 16 kHz) sounds synthetic: by our small model, and by published ones that are there."""
    found: list[Evidence] = _load(_VOICE_CHECK)(sound, weights)
    return found


class LivePictures(Protocol):
    """Pictures that are drawn one by one."""

    def __iter__(self) -> Iterator[Frame]:
        """The next ones."""

    def skip(self, count: int) -> None:
        """Leave the next ``count`` out."""


class LiveHead(Protocol):
    """A portrait drawn for a stream."""

    fps: Fraction
    width: int
    height: int
    face_box: tuple[float, float, float, float]
    delay: float

    def frames(self, blocks: Iterator[NDArray[np.float32]]) -> LivePictures:
        """Pictures, each as soon as the sound for it has come."""

    def following(self, pictures: Iterator[tuple[float, Frame]]) -> LivePictures:
        """Pictures, each doing what the face in one of (seconds, picture) does."""


def live_head(request: Request, home: Home | None) -> LiveHead:
    """The portrait of a permitted job, ready to follow a stream."""
    found: LiveHead = _load("generators.embedded.live:LiveHead")(request, home)
    return found


class FilmAnalysis(Protocol):
    """What is measured of one person in a film."""

    def summary(self) -> dict[str, Json]:
        """The film in a few numbers."""

    def as_json(self) -> dict[str, Json]:
        """Everything."""

    def as_csv(self) -> str:
        """One line per frame."""

    def as_svg(self) -> str:
        """Curves over time."""


def analyse_film(path: Path, progress: Progress, *, face: int) -> FilmAnalysis:
    """Measure pose, expression, gaze, blinks and speech of one person, frame by frame."""
    found: FilmAnalysis = _load("generators.embedded.analysis:analyse")(path, progress, face=face)
    return found


def workshop() -> Workshop:
    """Where detectors are trained and measured; importing it loads no torch."""
    found: Workshop = importlib.import_module("detectors.faceforensics.workshop")
    return found


class LipsyncMeter(Protocol):
    """What measures how lips and voice go together; see ``detectors.lipsync.evaluate``."""

    published_anchor: Mapping[str, Json]

    def measure(
        self, path: Path, *, progress: Progress, face: int | None = None, voice: Path | None = None
    ) -> dict[str, Json]:
        """LSE-D, LSE-C and offset of the faces of a film; ``voice`` where its sound is in a file of its own."""


def lipsync_meter(home: Home, *, device: str) -> LipsyncMeter:
    """SyncNet with the weights that the user has pulled."""
    found: LipsyncMeter = _load("detectors.lipsync.evaluate:LipsyncMeter")(home, device=device)
    return found


class LikenessMeter(Protocol):
    """What measures whether a film keeps person and expression; see ``detectors.likeness.meter``."""

    def identity(
        self, files: Sequence[Path], reference: Path, *, home: Home, measure: str, progress: Progress
    ) -> Iterator[dict[str, Json]]:
        """First what measured, then each file's similarity to the reference."""

    def people(
        self, index: Path, *, home: Home, measure: str, split: str | None, limit: int | None, progress: Progress
    ) -> dict[str, Json]:
        """How well the measure tells the people of an index apart."""

    def emotion(self, path: Path, *, neutral: Path | None, driver: Path | None, progress: Progress) -> dict[str, Json]:
        """What a film's face does, and how it follows a driver."""

    def emotions(self, index: Path, *, split: str | None, limit: int | None, progress: Progress) -> dict[str, Json]:
        """How far the measures tell an index's labelled emotions apart."""


def likeness_meter() -> LikenessMeter:
    """Measures of person and expression; importing it loads no torch."""
    found: LikenessMeter = importlib.import_module("detectors.likeness.meter")
    return found


class VendorAccount(Protocol):
    """An account at D-ID; see ``generators.did.account``."""

    def keep(self, secret: str) -> None:
        """Keep a key in the system's keyring."""

    def credits(self) -> tuple[float, float]:
        """Credits that remain, and all that were bought."""

    def forget(self, kind: str, name: str) -> None:
        """Have the vendor delete a job and its files."""


def vendor_account() -> VendorAccount:
    """The account whose key is found on this machine."""
    found: VendorAccount = _load("generators.did.account:Account")()
    return found


class Rehearsal(Protocol):
    """Frames that our own engine draws for a detector to learn from; see ``generators.embedded.rehearsal``."""

    def speaking(
        self,
        picture: Frame,
        landmarks: NDArray[np.float32],
        *,
        runs: int,
        length: int,
        seed: int,
        short_side: int,
        still: bool = False,
    ) -> tuple[Frame, NDArray[np.float32], list[list[Frame]]]:
        """A portrait as it is framed, its landmarks there, and stretches of it speaking."""

    def dubbed(
        self, film: Path, *, runs: int, length: int, seed: int
    ) -> Iterator[list[tuple[Frame, NDArray[np.float32], Frame]]]:
        """Stretches of a film: frames, their landmarks, and the same frames with another mouth."""


def rehearsal() -> Rehearsal:
    """Our engine as a maker of training pictures; nothing it draws here is published."""
    found: Rehearsal = importlib.import_module("generators.embedded.rehearsal")
    return found


def speak(words: str) -> tuple[NDArray[np.float32], int]:
    """Words in the synthetic voice: samples in [-1, 1] and their rate in Hz.

    Raises:
        MissingError: ``speech.espeak``: the optional voice is not installed.
    """
    speech = _load(_VOICE)().speak(words)
    return speech.samples, speech.sample_rate


class Reciter(Protocol):
    """Speeches of our own engine with exact labels; see ``generators.embedded.recital``."""

    def recitals(self, count: int, *, seed: int, held_out: bool = False) -> Iterator[Any]:
        """What to say, by which voice, and how; for ``recited`` and ``mouthed``."""

    def recited(
        self, picture: Frame, landmarks: NDArray[np.float32], recital: Any, *, short_side: int
    ) -> tuple[Iterator[Frame], NDArray[np.float32]]:
        """A portrait that says something: frames, and the sound at 16 kHz that they move to."""

    def mouthed(self, landmarks: NDArray[np.float32], recital: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The same without a picture: (frames, 478, 3) landmarks, and the sound."""

    def voiced(self, recital: Any) -> NDArray[np.float32]:
        """What it sounds like: mono at 16 kHz."""


def reciter() -> Reciter:
    """Our engine as a maker of speeches for models to learn from; nothing of them is published."""
    found: Reciter = importlib.import_module("generators.embedded.recital")
    return found


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
