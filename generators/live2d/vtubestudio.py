"""A plug-in for VTube Studio: the movement that thsafe makes, given to a figure that VTube Studio shows.

No picture is made here, so none can be labelled or marked: what VTube Studio shows, and of whom, is the affair of
whoever runs it. The protocol is VTube Studio's public API 1.0 over a local WebSocket: ask for a token once
(a person allows it in VTube Studio), authenticate with it at each connection, then send parameter values at least once
a second.
"""

from __future__ import annotations

import json
import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self
from urllib.parse import urlsplit

from generators.embedded.pose import MAX_GAZE
from generators.live2d.rig import opening, vowel_amounts
from generators.live2d.token_store import TokenStore
from thsafe.core.errors import EngineError, MissingError, StoreError, ThsafeError, UsageError
from thsafe.core.types import Progress, Silent

if TYPE_CHECKING:
    from fractions import Fraction

    from websockets.sync.client import ClientConnection

    from generators.embedded.pose import Pose

ADDRESS: Final = "ws://127.0.0.1:8001"
PLUGIN: Final = {"pluginName": "thsafe", "pluginDeveloper": "The thsafe authors"}
_API: Final = {"apiName": "VTubeStudioPublicAPI", "apiVersion": "1.0"}
_MOST_ANSWER: Final = 4 << 20
_WAITS: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each new attempt; the last is repeated."""
_MOST_VALUE: Final = 1e6
_MOST_TOKEN: Final = 500

_DEACTIVATED, _NOT_AUTHENTICATED, _DENIED, _ONGOING, _NO_PARAMETER, _TAKEN = 1, 8, 50, 51, 453, 454
"""Of VTube Studio's error numbers those that need an answer of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for what; seconds."""

    answer: float = 5.0
    person: float = 120.0
    """For a person to allow the plug-in in VTube Studio."""
    back: float = 30.0
    """For VTube Studio to come back once a connection was lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performed:
    """What a session came to."""

    sent: int
    reconnected: int
    left_out: tuple[str, ...]
    """Parameters that VTube Studio does not have, or another plug-in holds."""


class ApiError(Exception):
    """VTube Studio's own answer that something is wrong."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number, self.message = number, message


class Studio:
    """A connection to VTube Studio; a context manager.

    Args:
        store: where the token is kept.
        address: of the API, ``ws://HOST:PORT``; another machine's sees the token, as VTube Studio has no encryption.
        patience: how long to wait.
        progress: told what a person should do.
        sleep: waits that many seconds.

    Raises:
        MissingError: ``vts.package``.
        UsageError: ``vts.address``.
    """

    def __init__(
        self,
        store: TokenStore,
        *,
        address: str = ADDRESS,
        patience: Patience | None = None,
        progress: Progress | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        _require_websockets()
        parts = urlsplit(address)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname or parts.username:
            raise UsageError(
                "This is no address of VTube Studio's API.", code="vts.address", found=address[:80],
                rule="ws://HOST:PORT", next_step=f"leave it out for {ADDRESS}",
            )  # fmt: skip
        self._store, self._address, self._sleep = store, address, sleep
        self._patience, self._progress = patience or Patience(), progress or Silent()
        self._line = ExitStack()
        self._socket: ClientConnection | None = None
        self._ranges: dict[str, tuple[float, float]] = {}

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Connect, authenticate, and ask which parameters there are.

        Raises:
            StoreError: ``vts.unreachable``, ``vts.lost``, ``vts.timeout``.
            EngineError: ``vts.denied``, ``vts.off``, ``vts.error`` or ``vts.answer``.
        """
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        self.close()
        try:
            self._socket = self._line.enter_context(
                connect(
                    self._address,
                    open_timeout=self._patience.answer,
                    close_timeout=1.0,
                    max_size=_MOST_ANSWER,
                    proxy=None,
                    logger=_unheard(),
                )
            )
        except (OSError, TimeoutError, WebSocketException) as problem:
            raise StoreError(
                "VTube Studio does not answer.",
                code="vts.unreachable",
                found=f"{self._address}: {type(problem).__name__}: {problem}"[:200],
                next_step="start VTube Studio and switch on Settings, Plugins, Start API",
            ) from problem
        try:
            self._authenticate()
            self._ranges = self._parameters()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        self._socket = None
        with suppress(Exception):  # a line that is dead cannot be closed well
            self._line.close()

    def perform(self, poses: Iterable[Pose]) -> Performed:
        """Send each pose as it comes, until there are no more; where the line is lost, connect anew and go on.

        Raises:
            As :meth:`open`: a line that stays lost, or what VTube Studio refuses.
        """
        sent = reconnected = 0
        left_out: set[str] = set()
        for pose in poses:
            try:
                self._inject(inputs_of(pose), left_out)
                sent += 1
            except StoreError as problem:
                self._return(problem)
                reconnected += 1
        return Performed(sent=sent, reconnected=reconnected, left_out=tuple(sorted(left_out)))

    def _inject(self, values: Mapping[str, float], left_out: set[str]) -> None:
        listed = []
        for name, value in values.items():
            if name in left_out:
                continue
            if name not in self._ranges:
                left_out.add(name)
                continue
            low, high = self._ranges[name]
            listed.append({"id": name, "value": round(min(max(value, low), high), 5), "weight": 1})
        if not listed:
            self._fail("it has none of the parameters that a face moves", "load a model in VTube Studio")
        try:
            self._ask("InjectParameterDataRequest", {"faceFound": True, "mode": "set", "parameterValues": listed})
        except ApiError as problem:
            if problem.number == _NOT_AUTHENTICATED:
                raise _lost("VTube Studio wants the plug-in to authenticate anew") from problem
            named = [str(item["id"]) for item in listed if str(item["id"]) in problem.message]
            if problem.number not in {_NO_PARAMETER, _TAKEN} or not named:
                raise self._refused(problem) from problem
            for name in named:
                left_out.add(name)
                self._progress.note(f"VTube Studio: {problem.message[:200]}")

    def _return(self, problem: StoreError) -> None:
        """Connect anew, for as long as patience lasts."""
        self._progress.note(f"{problem.message} {problem.found} Connecting anew.")
        latest, number = time.monotonic() + self._patience.back, 0
        while True:
            self._sleep(_WAITS[min(number, len(_WAITS) - 1)])
            number += 1
            try:
                self.open()
            except StoreError as again:
                if time.monotonic() > latest:
                    raise StoreError(
                        "The line to VTube Studio is lost, and stays so.",
                        code="vts.lost",
                        found=f"{number} attempts in {self._patience.back:.0f} s; {again.found}"[:250],
                        next_step="start VTube Studio, then run this again",
                    ) from again
            else:
                return

    def _authenticate(self) -> None:
        token = self._store.find(self._address)
        if token and self._accepted(token):
            return
        self._progress.note("VTube Studio asks whether thsafe may control the figure: allow it there")
        try:
            answer = self._ask("AuthenticationTokenRequest", PLUGIN, wait=self._patience.person)
        except ApiError as problem:
            raise self._refused(problem) from problem
        given = answer.get("authenticationToken")
        token = given if isinstance(given, str) and given.isprintable() and len(given) <= _MOST_TOKEN else ""
        if not token:
            self._fail("no token in its answer", "update VTube Studio")
        if not self._accepted(token):
            self._fail("it does not accept the token that it gave", "restart VTube Studio")
        self._store.keep(self._address, token)

    def _accepted(self, token: str) -> bool:
        try:
            answer = self._ask("AuthenticationRequest", {**PLUGIN, "authenticationToken": token})
        except ApiError as problem:
            if problem.number == _DEACTIVATED:
                raise self._refused(problem) from problem
            return False
        return answer.get("authenticated") is True

    def _parameters(self) -> dict[str, tuple[float, float]]:
        """Least and most of each input parameter, by name."""
        try:
            answer = self._ask("InputParameterListRequest", {})
        except ApiError as problem:
            raise self._refused(problem) from problem
        found: dict[str, tuple[float, float]] = {}
        for item in (*_listed(answer, "defaultParameters"), *_listed(answer, "customParameters")):
            limits = item.get("min"), item.get("max")
            if isinstance(item.get("name"), str) and all(map(_number, limits)):
                low, high = sorted(float(limit) for limit in limits if limit is not None)
                found[item["name"]] = (max(low, -_MOST_VALUE), min(high, _MOST_VALUE))
        return found

    def _ask(self, kind: str, data: Mapping[str, Any], *, wait: float | None = None) -> dict[str, Any]:
        """One question and its answer; what was answered to others, or is an event, is passed over."""
        from websockets.exceptions import WebSocketException

        if self._socket is None:
            raise _lost("no connection")
        name = secrets.token_hex(8)
        message = {**_API, "requestID": name, "messageType": kind, "data": dict(data)}
        latest = time.monotonic() + (self._patience.answer if wait is None else wait)
        try:
            self._socket.send(json.dumps(message))
            while True:
                said = self._socket.recv(timeout=max(0.0, latest - time.monotonic()))
                answer = self._understood(said)
                if answer.get("requestID") == name:
                    break
        except TimeoutError as problem:
            self.close()
            raise StoreError(
                "VTube Studio does not answer in time.", code="vts.timeout", found=f"{kind}: nothing came back.",
                next_step="look at VTube Studio: it may wait for you, or hang",
            ) from problem  # fmt: skip
        except (OSError, WebSocketException) as problem:
            self.close()
            raise _lost(f"{type(problem).__name__}: {problem}") from problem
        found = answer.get("data")
        if not isinstance(found, dict):
            self._fail(f"{kind}: its answer has no data", "update VTube Studio")
        if answer.get("messageType") == "APIError":
            number = found.get("errorID")
            whole = number if isinstance(number, int) and not isinstance(number, bool) else -1
            raise ApiError(whole, str(found.get("message", ""))[:300])
        if answer.get("messageType") != kind.removesuffix("Request") + "Response":
            self._fail(f"{kind}: answered by {str(answer.get('messageType'))[:40]}", "update VTube Studio")
        return found

    def _understood(self, said: str | bytes) -> dict[str, Any]:
        try:
            answer = json.loads(said)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            self._fail("what it says is no JSON object", "check that VTube Studio, and nothing else, has this port")
        return answer

    def _fail(self, found: str, next_step: str) -> NoReturn:
        self.close()
        raise EngineError(
            "VTube Studio answers what its API does not know.", code="vts.answer", found=found, next_step=next_step
        )

    def _refused(self, problem: ApiError) -> ThsafeError:
        """VTube Studio's error as ours."""
        self.close()
        code, next_step = {
            _DEACTIVATED: ("vts.off", "in VTube Studio: Settings, Plugins, Start API"),
            _DENIED: ("vts.denied", "run this again and allow thsafe in VTube Studio"),
            _ONGOING: ("vts.ongoing", "answer the question that VTube Studio shows, then run this again"),
            _TAKEN: ("vts.taken", "stop the other plug-in, or run one of them only"),
        }.get(problem.number, ("vts.error", "see VTube Studio's list of API errors"))
        return EngineError(
            "VTube Studio refuses.", code=code, found=f"error {problem.number}: {problem.message}"[:300],
            next_step=next_step,
        )  # fmt: skip


def inputs_of(pose: Pose) -> dict[str, float]:
    """What a pose makes of VTube Studio's input parameters, which its models are set up for."""
    smile = pose.channel("smile") / 0.055 - pose.channel("frown") / 0.045
    brows = 0.5 + 0.5 * (pose.channel("browup") / 0.05 - pose.channel("browdn") / 0.045)
    gaze = (pose.gaze_x / MAX_GAZE, -pose.gaze_y / MAX_GAZE)
    found = {
        "FaceAngleX": 1.6 * pose.yaw,
        "FaceAngleY": -1.6 * pose.pitch,
        "FaceAngleZ": 1.6 * pose.roll,
        "MouthOpen": opening(pose),
        "MouthSmile": 0.5 + 0.5 * smile,
        "EyeOpenLeft": 1.0 - pose.blink_left,
        "EyeOpenRight": 1.0 - pose.blink_right,
        "EyeLeftX": gaze[0],
        "EyeLeftY": gaze[1],
        "EyeRightX": gaze[0],
        "EyeRightY": gaze[1],
        "Brows": brows,
        "BrowLeftY": brows,
        "BrowRightY": brows,
        "VoiceVolume": opening(pose),
    }
    found |= {f"Voice{vowel}": amount for vowel, amount in vowel_amounts(pose).items()}
    return {name: value if math.isfinite(value) else 0.0 for name, value in found.items()}


def in_time(
    poses: Iterable[Pose],
    fps: Fraction,
    *,
    rate: float = 30.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Pose]:
    """The poses of a recording in its own time, at most ``rate`` a second; those that come too late are left out."""
    start, shown = clock(), -1.0 / rate
    for number, pose in enumerate(poses):
        if number == 0:
            start = clock()  # the first may have taken a while to be made
        due = float(number / fps)
        if due - shown < 1.0 / rate - 1e-6:
            continue
        wait = start + due - clock()
        if wait < -1.0 / rate:
            continue
        if wait > 0:
            sleep(wait)
        shown = due
        yield pose


def _unheard() -> logging.Logger:
    """A logger that says nothing: at its lowest level websockets logs every message, and one holds the token."""
    quiet = logging.Logger("thsafe.vtubestudio", logging.CRITICAL)  # noqa: LOG001 - in no hierarchy, so nobody can ask it to speak
    quiet.addHandler(logging.NullHandler())
    return quiet


def _require_websockets() -> None:
    import importlib.util

    if importlib.util.find_spec("websockets") is None:
        raise MissingError(
            "VTube Studio is spoken to over a WebSocket.", code="vts.package", found="websockets is not installed",
            next_step='pip install "thsafe[vtubestudio]"',
        )  # fmt: skip


def _lost(found: str) -> StoreError:
    return StoreError(
        "The line to VTube Studio is lost.", code="vts.lost", found=found[:200], next_step="start VTube Studio"
    )


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _listed(answer: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name, [])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
