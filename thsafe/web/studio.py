"""The studio page: a portrait, words or a recording, a consent; then a film with every mark, made behind the gate.

The pages are plain forms; one ES module adds live progress. What is made comes from ``thsafe.web.rendering`` in a
process of its own, through the same engine, gate and marks as ``thsafe generate``.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated

from fastapi import Path, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from thsafe.catalogue import LANGUAGES
from thsafe.consent.grant import SELF_PURPOSES, create_self_consent
from thsafe.consent.vocabulary import PURPOSES
from thsafe.core.errors import UsageError
from thsafe.core.types import Json
from thsafe.generation import drawn_portrait, text_input
from thsafe.registry import drawn_person_digests
from thsafe.web import pages
from thsafe.web.forms import form_of, stored, stored_picture, text_of
from thsafe.web.jobs import State
from thsafe.web.problems import problem_of, status_of, unknown
from thsafe.web.productions import Production, Productions
from thsafe.web.stagedoor import door, guarded

if TYPE_CHECKING:
    from thsafe.web.service import Service
    from thsafe.web.settings import Settings

OWN = "own"
"""What the form says for a picture of the user's own."""
MOST_TEXT = 4000
"""Characters: some five minutes."""
SIZES = (256, 384, 512, 720)
VOICES = {
    "en-us": "English (US)", "en-gb": "English (GB)", "de": "Deutsch", "fr-fr": "Français", "es": "Español",
    "it": "Italiano", "nl": "Nederlands", "pl": "Polski", "pt": "Português", "tr": "Türkçe", "cmn": "中文",
}  # fmt: skip
DECLARABLE = ("nothing", "sexual", "fraud", "election", "celebrity")
_WORD = re.compile(r"[A-Za-z0-9-]{1,40}")
_MOST_CONSENT = 1 << 20
_ASSETS = {
    "studio.css": "text/css; charset=utf-8",
    "studio.js": "text/javascript; charset=utf-8",
    "capture.js": "text/javascript; charset=utf-8",
}

router = guarded("/studio")
FilmId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{24}$")]


def productions(settings: Settings) -> Productions:
    """The films of a studio with these settings."""
    return Productions(settings.data / "films")


@router.get("")
async def start(request: Request) -> Response:
    """The form, and what was made here."""
    films: Productions = request.app.state.productions
    return pages.render_form(
        request,
        "studio.html",
        cast=tuple(drawn_person_digests()),
        own=OWN,
        voices=VOICES,
        spoken=_voice_for(pages.language_of(request)),
        purposes=PURPOSES,
        self_purposes=SELF_PURPOSES,
        sizes=SIZES,
        declarable=DECLARABLE,
        most=MOST_TEXT,
        films=films.all(),
    )


@router.post("/films")
async def create(request: Request) -> Response:
    """The form: puts a film into the line."""
    films: Productions = request.app.state.productions
    service: Service = request.app.state.service
    fields = await form_of(request)
    person = text_of(fields, "portrait")
    if person != OWN:
        drawn_portrait(person)  # no other name goes any further
    film = films.new("" if person == OWN else person)
    try:
        job = await run_in_threadpool(_job, fields, films, film, service.settings)
        films.submit(film, job)
    except BaseException:
        films.discard(film)
        raise
    finally:
        await fields.close()
    return RedirectResponse(f"/studio/films/{film.id}{_more(fields)}", status_code=303)


@router.get("/films/{number}")
async def show(request: Request, number: FilmId) -> Response:
    """Progress, and at the end the film, or why there is none."""
    films: Productions = request.app.state.productions
    film = films.find(number)
    if film.state is State.DONE:
        return pages.render_form(request, "studio_film.html", film=film, captions=films.captions(film).is_file())
    if film.state is State.FAILED:
        problem = film.error
        return pages.render_form(
            request, "studio_failed.html", status=status_of(problem), problem=problem, refused=True, film=film
        )
    return pages.render_form(request, "studio_progress.html", film=film, share=_share(film))


@router.get("/films/{number}/state")
async def state(request: Request, number: FilmId) -> dict[str, Json]:
    """How far it is, for the page's script."""
    films: Productions = request.app.state.productions
    film = films.find(number)
    problem = problem_of(film.error).model_dump() if film.problem else None
    return {**film.facts(), "problem": problem}


@router.get("/films/{number}/film.mp4")
async def video(request: Request, number: FilmId) -> Response:
    """The film, in ranges as players ask; with ``download`` as a file to keep."""
    films: Productions = request.app.state.productions
    film = _finished(films, number)
    name = film.file_name if "download" in request.query_params else None
    return FileResponse(films.video(film), media_type="video/mp4", filename=name)


@router.get("/films/{number}/film.vtt")
async def captions(request: Request, number: FilmId) -> Response:
    """Its captions."""
    films: Productions = request.app.state.productions
    path = films.captions(_finished(films, number))
    if not path.is_file():
        raise unknown("film")
    return FileResponse(path, media_type="text/vtt; charset=utf-8")


@router.post("/films/{number}/delete")
async def delete(request: Request, number: FilmId) -> Response:
    """The button that stops a film or deletes it."""
    films: Productions = request.app.state.productions
    fields = await form_of(request)
    await films.delete(films.find(number))
    return RedirectResponse(f"/studio{_more(fields)}", status_code=303)


@door.get("/static/{name}")
async def static(name: str) -> Response:
    """The studio's style sheet and modules."""
    if name not in _ASSETS:
        raise unknown("page")
    return Response(_asset(name), media_type=_ASSETS[name])


@router.get("/cast/{name}.jpg")
async def thumbnail(name: str) -> Response:
    """A small picture of a drawn person."""
    digest = drawn_person_digests().get(name)
    if digest is None:
        raise unknown("person")
    headers = {"Cache-Control": "private, max-age=86400"}
    return Response(_asset(f"cast/{name}-{digest[:12]}.jpg"), media_type="image/jpeg", headers=headers)


# ---- the form


def _job(fields: FormData, films: Productions, film: Production, settings: Settings) -> dict[str, Json]:
    """What the worker is told, with its files in the film's folder; raises UsageError or InputError."""
    folder = films.folder(film)
    words: dict[str, Json] = {"short_side": _size(text_of(fields, "size"))}
    if film.title:
        words["person"] = film.title
    else:
        words["image"] = str(stored_picture(fields, "picture", folder / "portrait"))
    voice = text_of(fields, "voice") or "en-us"
    if text_of(fields, "speech") == "audio":
        words["audio"] = str(stored(fields, "audio", folder / "audio"))
    else:
        text = text_of(fields, "text").replace("\r\n", "\n")  # as browsers send what they count as one character
        _check_text(text)
        if voice not in VOICES:
            raise _wrong("voice", voice, VOICES)
        words |= {"text": text, "voice": voice, "captions": str(films.captions(film))}
    return {
        "home": str(settings.home.path.absolute()),
        "output": str(films.video(film).absolute()),
        "words": words,
        "options": _options(fields, film, folder, settings, voice if "text" in words else "und"),
    }


def _options(fields: FormData, film: Production, folder: FilePath, settings: Settings, spoken: str) -> dict[str, Json]:
    """What every engine is told of a job: what for, where, under which consent."""
    purpose = text_of(fields, "purpose") or "demonstration"
    if purpose not in PURPOSES:
        raise _wrong("purpose", purpose, PURPOSES)
    territories = [_word("territory", code) for code in re.split(r"[\s,;]+", text_of(fields, "territories")) if code]
    declared = [word for word in fields.getlist("declares") if isinstance(word, str)]
    if wrong := next((word for word in declared if word not in DECLARABLE), None):
        raise _wrong("declaration", wrong, DECLARABLE)
    options: dict[str, Json] = {
        "purpose": purpose,
        "territories": territories,
        "channel": _word("channel", text_of(fields, "channel").strip() or "any"),
        "language": _word("language", text_of(fields, "language").strip() or spoken),
        "declares": [word for word in declared if word != "nothing"] if declared else None,
    }
    kind = text_of(fields, "consent")
    if not film.title and kind == "self":
        _agree(folder / "portrait", purpose, text_of(fields, "speech"), territories, settings)
    elif not film.title and kind == "record":
        record = stored(fields, "record", folder / "consent.json")
        if record.stat().st_size > _MOST_CONSENT:
            raise UsageError("This is no consent record: it is too large.", code="consent.malformed")
        options["consent"] = [str(record)]
    return options


def _agree(picture: FilePath, purpose: str, speech: str, territories: list[str], settings: Settings) -> None:
    """The user's own consent to this one film of their own picture, as ``thsafe consent new --self`` gives it."""
    from thsafe.consent.vocabulary import check_scope, check_self_reach
    from thsafe.desk import Desk

    mode = "animate" if speech == "audio" else "say"
    where = territories or ["WORLD"]
    check_self_reach(modes=[mode], purposes=[purpose])
    check_scope(modes=[mode], purposes=[purpose], territories=where, prohibited=())
    desk = Desk(home=settings.home)
    record = create_self_consent(
        settings.home, portrait=picture, purposes=[purpose], modes=[mode], territories=where, days=1, max_uses=1
    )
    desk.log_created(record)


def _check_text(text: str) -> None:
    text_input(text)
    if len(text) > MOST_TEXT:
        raise UsageError(
            "The text is too long for one film.",
            code="studio.text",
            found=f"{len(text)} characters",
            rule=f"at most {MOST_TEXT}",
            next_step="make several films, or use the command line: thsafe generate say --text -",
        )


def _size(given: str) -> int:
    if given not in {"", *map(str, SIZES)}:
        raise _wrong("size", given, [str(size) for size in SIZES])
    return int(given or 512)


def _word(what: str, given: str) -> str:
    if _WORD.fullmatch(given) is None:
        raise UsageError(
            f"This is no {what}.", code="studio.word", found=given[:80], rule="letters, digits and -, 40 at most"
        )
    return given


def _wrong(what: str, given: str, choices: object) -> UsageError:
    names = ", ".join(str(name) for name in choices) if isinstance(choices, (tuple, list, dict)) else ""
    return UsageError(f"There is no such {what}.", code="studio.choice", found=given[:80], next_step=f"one of {names}")


def _finished(films: Productions, number: str) -> Production:
    film = films.find(number)
    if film.state is not State.DONE:
        raise unknown("film")
    return film


def _share(film: Production) -> int | None:
    """Per cent of the stage, where its length is known."""
    return None if not film.total else min(100, 100 * film.done // film.total)


def _voice_for(language: str) -> str:
    return language if language in VOICES else "en-us"


def _more(fields: FormData) -> str:
    language = text_of(fields, "lang")
    return f"?lang={language}" if language in LANGUAGES else ""


@cache
def _asset(name: str) -> bytes:
    return resources.files("thsafe.web").joinpath("static", name).read_bytes()
