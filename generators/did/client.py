"""D-ID's REST interface (docs.d-id.com): upload, create, wait, bring here.

The key goes into one header, to one address, and nowhere else: results are fetched without it. A request that may have
been charged is never sent twice; only answers that say "not now" are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from generators.did.answers import (
    WAITING,
    changed,
    failed_job,
    failure,
    id_of,
    is_id,
    number_of,
    parsed,
    pause_of,
    text_of,
)
from generators.did.key import Key
from thsafe.core.errors import EngineError, InputError, MissingError, StoreError, ThsafeError, UsageError
from thsafe.core.types import Json, Progress
from thsafe.remote import RemoteRules, fetch

if TYPE_CHECKING:
    import threading
    from types import ModuleType

BASE: Final = "https://api.d-id.com"
KINDS: Final = ("talks", "clips", "animations", "translations")
_TRIES: Final = 5
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 15.0
_GROWTH: Final = 1.5
_MOST_ANSWER: Final = 1 << 20
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class Client:
    """One account.

    Args:
        key: of the account.
        base: where the service is; https, or a server on this machine.
        seconds: for one request.
        results: which addresses a result may be fetched from.
        sleep: for tests.
    """

    def __init__(
        self,
        key: Key,
        *,
        base: str = BASE,
        seconds: float = 60.0,
        results: RemoteRules | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(base)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise UsageError("D-ID is only asked over https.", code="did.address", found=base)
        self._key, self._base, self._seconds, self._sleep = key, base.rstrip("/"), seconds, sleep
        self._results = results or RemoteRules(seconds=600)

    def upload(self, kind: str, path: Path) -> str:
        """Hand over a picture (``images``) or a sound file (``audios``); returns its address there."""
        field = kind.removesuffix("s")
        return text_of(self._call("POST", kind, file=(field, path)), "url")

    def create(self, kind: str, body: Mapping[str, Json]) -> str:
        """Start a job of one of ``KINDS``; returns its id. It may be charged from now on."""
        _check_kind(kind)
        return id_of(self._call("POST", kind, body=body))

    def get(self, kind: str, name: str) -> Json:
        """How a job stands."""
        _check_kind(kind)
        return self._call("GET", f"{kind}/{_checked(name)}")

    def delete(self, kind: str, name: str) -> None:
        """Have the vendor forget a job and its files."""
        _check_kind(kind)
        self._call("DELETE", f"{kind}/{_checked(name)}")

    def credits(self) -> tuple[float, float]:
        """Credits that remain, and all that were bought."""
        answer = self._call("GET", "credits")
        return number_of(answer, "remaining"), number_of(answer, "total")

    def new_consent(self, language: str) -> tuple[str, str]:
        """Ask for a text that a person reads on camera within 30 minutes; its id and the words."""
        answer = self._call("POST", "consents", body={"language": language})
        return id_of(answer), text_of(answer, "text")

    def give_consent(self, name: str, *, person: str, source_url: str) -> None:
        """Hand over the film of a person who reads the text of a consent."""
        self._call("POST", f"consents/{_checked(name)}", body={"name": person, "source_url": source_url})

    def consent_state(self, name: str) -> str:
        """How a consent stands: ``done`` once it is verified."""
        return text_of(self._call("GET", f"consents/{_checked(name)}"), "status")

    def wait(
        self,
        kind: str,
        name: str,
        *,
        timeout: float,
        progress: Progress,
        rung: threading.Event | None = None,
    ) -> Json:
        """Ask until a job is done, more and more seldom.

        Args:
            kind: of ``KINDS``.
            name: its id.
            timeout: seconds.
            progress: told the state.
            rung: set by a webhook: ask at once.

        Returns:
            The finished job, with ``result_url``.

        Raises:
            EngineError: ``did.failed``, ``did.rejected`` or ``did.timeout``.
            ThsafeError: as every request.
        """
        latest, pause, told = time.monotonic() + timeout, _FIRST_PAUSE, ""
        while True:
            answer = self.get(kind, name)
            state = text_of(answer, "status")
            if state == "done":
                return answer
            if state in {"error", "rejected"}:
                raise failed_job(state, answer)
            if state not in WAITING:
                raise changed(f'the state "{state[:40]}"', answer)
            if state != told:
                progress.start(f"D-ID: {state}", None)
                told = state
            if time.monotonic() + pause > latest:
                raise EngineError(
                    "D-ID's job takes longer than it may.",
                    code="did.timeout",
                    found=f"still {state} after {timeout:.0f} s",
                    next_step="go on waiting later: --resume ID",
                )
            if rung is not None:
                rung.wait(pause)
                rung.clear()
            else:
                self._sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * _GROWTH)

    def bring(self, kind: str, answer: Json, target: Path, *, progress: Progress) -> Path:
        """Fetch the result of a finished job, without the key; an expired link is asked for anew.

        Raises:
            StoreError: ``did.result``: it cannot be had.
        """
        name, problem = id_of(answer), None
        for attempt in range(3):
            try:
                fetch(text_of(answer, "result_url"), target, rules=self._results, progress=progress)
            except (InputError, StoreError) as failed:
                if failed.code.startswith(("store.", "did.")):  # our disk, or an answer without a link
                    raise
                problem = failed
                if attempt < 2:
                    self._sleep(_FIRST_PAUSE)
                    answer = self.get(kind, name)
            else:
                return target
        raise StoreError(
            "The video that D-ID made cannot be fetched.",
            code="did.result",
            found="" if problem is None else f"{problem.message} {problem.found}"[:300],
            next_step=f"try again: --resume {name}",
        ) from problem

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Json] | None = None,
        file: tuple[str, Path] | None = None,
    ) -> Json:
        httpx = _httpx()
        pause = _FIRST_PAUSE
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                status, headers, answer = self._ask(method, path, body, file)
            except httpx.HTTPError as problem:
                # A request that broke off may have arrived: only those that change nothing are sent again.
                if last or method != "GET":
                    raise self._unreachable(problem) from None
                self._sleep(pause)
            else:
                if 200 <= status < 300:
                    return answer
                again = status == 429 or (status >= 500 and method == "GET")
                if last or not again:
                    raise self._silenced(failure(status, answer))
                asked = pause_of(headers, datetime.now(UTC))
                self._sleep(pause if asked is None else asked)
            pause = min(_LONGEST_PAUSE, pause * 2)
        raise AssertionError  # the last round returns or raises

    def _ask(
        self, method: str, path: str, body: Mapping[str, Json] | None, file: tuple[str, Path] | None
    ) -> tuple[int, Mapping[str, str], Json]:
        httpx = _httpx()
        headers = {"Authorization": f"Basic {self._key.secret}", "Accept": "application/json"}
        deadline, held = time.monotonic() + self._seconds, bytearray()
        with httpx.Client(timeout=self._seconds, follow_redirects=False, headers=headers) as client:
            given: dict[str, Json] = {} if body is None else {"json": dict(body)}
            if file is not None:
                given["files"] = {file[0]: (file[1].name, file[1].read_bytes())}
            with client.stream(method, f"{self._base}/{path}", **given) as response:
                for piece in response.iter_bytes():
                    held += piece
                    if len(held) > _MOST_ANSWER:
                        raise changed("more than a megabyte", "")
                    if time.monotonic() > deadline:
                        raise httpx.ReadTimeout("the answer drips")
                return response.status_code, response.headers, parsed(bytes(held))

    def _unreachable(self, problem: Exception) -> StoreError:
        return StoreError(
            "D-ID cannot be reached.",
            code="did.unreachable",
            found=self._key.redact(f"{type(problem).__name__}: {problem}")[:300],
            next_step="check the network; what was sent may have arrived: thsafe did credits",
        )

    def _silenced(self, problem: ThsafeError) -> ThsafeError:
        """A server may send back what it was sent."""
        problem.found = self._key.redact(problem.found)
        return problem


def require_client() -> None:
    """Raise MissingError ``did.extra`` where the optional package is not installed."""
    _httpx()


def _httpx() -> ModuleType:
    try:
        import httpx
    except ImportError as problem:
        raise MissingError(
            "D-ID's service needs an optional package.",
            code="did.extra",
            found="httpx is not installed",
            next_step='pip install "thsafe[did]"',
        ) from problem
    return httpx


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise UsageError("D-ID has no such kind of job.", code="did.kind", found=kind, rule=", ".join(KINDS))


def _checked(name: str) -> str:
    if not is_id(name):
        raise UsageError("This is no id of D-ID's.", code="did.id", found=name[:100], next_step="such as tlk_AbC123")
    return name
