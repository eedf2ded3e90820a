"""What a permitted request of the embedded engine becomes: frames and sound, by task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from generators.embedded.aside import Aside
from generators.embedded.direction import Direction
from generators.embedded.parameters import frame_rate, framed, whole
from generators.embedded.track import parse
from generators.pictures import Pictures
from generators.speech.utterance import Utterance
from thsafe.core.errors import UsageError
from thsafe.core.types import Draft, Json, Progress, Request

if TYPE_CHECKING:
    from generators.embedded.pose import Pose
    from generators.embedded.soundtrack import Soundtrack
    from thsafe.home import Home

_SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def render_say(request: Request, progress: Progress, *, home: Home | None = None, aside: Aside | None = None) -> Draft:
    """A portrait that speaks the request's text.

    Inputs: ``portrait`` and ``text``. Parameters: ``voice``, ``rate``, ``pitch``, and those of :func:`render_animate`.
    ``home`` keeps drawn people for the next time; ``aside`` writes down what is performed.
    """
    from generators.embedded.soundtrack import Manner, Spoken

    params = request.params
    manner = Manner(
        voice=str(params.get("voice", "en-us")),
        rate=whole(params, "rate", 165),
        pitch=whole(params, "pitch", 50),
    )
    text = request.input("text").text or ""
    base = Utterance(text=text, voice=manner.voice, rate=manner.rate, pitch=manner.pitch)
    track = Spoken(pieces(text, params.get("ssml") is True, base), manner, progress, home)
    named = manner.voice if manner.voice.startswith("piper:") else f"espeak-ng {manner.voice}"
    return _draft(request, track, {"voice": named}, home, aside or Aside())


def render_animate(
    request: Request, progress: Progress, *, home: Home | None = None, aside: Aside | None = None
) -> Draft:
    """A portrait that speaks the request's recording.

    Inputs: ``portrait``, ``voice``, perhaps a performance track as ``driver``. Parameters: ``person`` for a drawn
    portrait, ``short_side`` (pixels), ``fps``, ``seed``, and those of a ``Direction``.
    """
    from generators.embedded.soundtrack import Recorded

    path = request.input("voice").path
    if path is None:
        raise UsageError("The voice must be a file.", code="engine.voice", next_step="give --audio FILE")
    progress.start("listening", None)
    return _draft(request, Recorded(path), {"voice": "recorded"}, home, aside or Aside())


def render_drive(request: Request, progress: Progress, *, home: Home | None = None) -> Draft:
    """A portrait that moves as the request's driver does.

    Inputs: ``portrait`` and ``driver``. Parameters: ``face``, ``fps`` (the film's own by default), and ``person``,
    ``short_side``, ``seed`` as in :func:`render_animate`.
    """
    from generators.embedded.drive import RATE, Driven
    from generators.embedded.puppet import Puppet
    from thsafe.core.version import __version__

    path = request.input("driver").path
    if path is None:
        raise UsageError("The driver must be a file.", code="engine.driver", next_step="give --driver FILE")
    fps = frame_rate(request.params) if "fps" in request.params else None
    driven = Driven(path, progress, face=whole(request.params, "face", 1), fps=fps)
    bust = framed(request, home)
    puppet = Puppet(bust.picture, bust.landmarks, matte=bust.matte)
    sound = driven.sound()
    height, width = bust.picture.shape[:2]
    drawn = request.input("portrait").performer == "synthetic"
    pictures = Pictures(driven.poses(), puppet.render)
    return Draft(
        width=width,
        height=height,
        fps=driven.fps,
        frames=pictures,
        skip=pictures.skip,
        sound=None if sound is None else sound[0],
        sample_rate=RATE,
        channels=1 if sound is None else sound[1],
        frame_count=driven.frames,
        face_box=puppet.face_box,
        facts={
            "digital_source_type": _SOURCE_TYPES + ("digitalCreation" if drawn else "trainedAlgorithmicMedia"),
            "software_agent": {"name": "thsafe embedded engine", "version": __version__},
            "seed": whole(request.params, "seed", 0),
            "voice": "the driver's",
        },
    )


def render_lipsync(request: Request, progress: Progress) -> Draft:
    """A film in which somebody says something else.

    Inputs: ``target`` and ``voice``. Parameters: ``face``, ``sync_mode``, ``bed`` (dB; absent: none), ``seed``.
    """
    from generators.embedded import dub
    from generators.embedded.filmed import watch
    from generators.embedded.performance import Performance
    from generators.embedded.soundtrack import RATE, Recorded, frame_count
    from thsafe.core.version import __version__
    from thsafe.media.sound import iter_sound

    params = request.params
    video, audio = request.input("target").path, request.input("voice").path
    if video is None or audio is None:
        raise UsageError("Film and speech must be files.", code="engine.voice", next_step="give --video and --audio")
    mode, bed = str(params.get("sync_mode", "loop")), params.get("bed")
    dub.check(mode, bed)
    face, seed = whole(params, "face", 1), whole(params, "seed", 0)
    progress.start("listening", None)
    track = Recorded(audio)
    film = watch(video, progress, max_faces=max(face, 4))
    person = film.person(face)
    shown = dub.even_pictures(film)
    frames = dub.output_length(mode, len(shown), frame_count(track, film.fps))
    poses = Performance(track.posteriors(), track.survey.level, fps=film.fps, frames=frames, seed=seed)
    sound = dub.fitted(track.sound(), round(frames / film.fps * RATE), track.channels)
    if bed is not None and film.has_sound:
        sound = dub.mixed(sound, iter_sound(video, rate=RATE, mono=False), float(bed))
    pictures = dub.Dub(film, person).frames((shown[n] for n in dub.order(mode, len(shown), frames)), poses)
    return Draft(
        width=film.width & ~1,
        height=film.height & ~1,
        fps=film.fps,
        frames=pictures,
        skip=pictures.skip,
        sound=sound,
        sample_rate=RATE,
        channels=track.channels,
        frame_count=frames,
        facts={
            "digital_source_type": _SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia",
            "software_agent": {"name": "thsafe embedded engine", "version": __version__},
            "seed": seed,
            "voice": "recorded",
        },
    )


def _draft(request: Request, track: Soundtrack, facts: Mapping[str, Json], home: Home | None, aside: Aside) -> Draft:
    from generators.embedded.performance import Performance
    from generators.embedded.puppet import Puppet
    from generators.embedded.soundtrack import RATE, fitted_sound, frame_count
    from thsafe.core.version import __version__

    seed = whole(request.params, "seed", 0)
    fps = frame_rate(request.params)
    frames = frame_count(track, fps)
    direction = Direction.from_params(request.params)
    poses: Iterator[Pose] = Performance(
        track.posteriors(), track.survey.level, fps=fps, frames=frames, seed=seed, blink_rate=direction.blink_rate
    )
    played = next((ref.text for ref in request.inputs if ref.role == "driver"), None)
    if played:
        poses = parse(played).poses(fps, frames)
    acted = aside.record(direction.direct(poses, fps), fps=fps, seed=seed, engine=f"embedded {__version__}")
    bust = framed(request, home)  # last: what can be wrong with sound and numbers is known by now
    puppet = Puppet(bust.picture, bust.landmarks, matte=bust.matte)
    height, width = bust.picture.shape[:2]
    drawn = request.input("portrait").performer == "synthetic"
    pictures = Pictures(acted, puppet.render)
    return Draft(
        width=width,
        height=height,
        fps=fps,
        frames=pictures,
        skip=pictures.skip,
        sound=fitted_sound(track, fps),
        sample_rate=RATE,
        channels=track.channels,
        frame_count=frames,
        face_box=puppet.face_box,
        captions=track.captions,
        facts={
            "digital_source_type": _SOURCE_TYPES + ("digitalCreation" if drawn else "trainedAlgorithmicMedia"),
            "software_agent": {"name": "thsafe embedded engine", "version": __version__},
            "seed": seed,
            **facts,
        },
    )


def pieces(text: str, marked_up: bool, base: Utterance) -> tuple[Utterance, ...]:
    """The text as pieces."""
    if not marked_up:
        return (base,)
    from generators.speech.ssml import utterances

    return utterances(text, base)


def check_voices(said: Sequence[Utterance], home: Home | None) -> None:
    """Tell what is wrong with words and voices, before the gate is asked and anything is drawn."""
    from generators.speech.voices import Voices

    voices = Voices(home)
    for piece in said:
        voices[piece.voice].iter_speech(piece.text, voice=piece.voice, rate=piece.rate, pitch=piece.pitch, range=50)
