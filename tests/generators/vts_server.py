"""A local stand-in for VTube Studio that speaks its public API 1.0, with its error numbers, and misbehaves when told."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

DEFAULTS = (
    ("FaceAngleX", -30, 30), ("FaceAngleY", -30, 30), ("FaceAngleZ", -90, 90), ("MouthOpen", 0, 1), ("MouthSmile", 0, 1),
    ("EyeOpenLeft", 0, 1), ("EyeOpenRight", 0, 1), ("EyeLeftX", -1, 1), ("EyeLeftY", -1, 1), ("EyeRightX", -1, 1),
    ("EyeRightY", -1, 1), ("Brows", 0, 1), ("VoiceA", 0, 1), ("VoiceI", 0, 1),
)  # fmt: skip
TOKEN = "5f2c8d70a1b3e49c"


class Studio:
    """Serves on a free port until the block ends.

    ``behaviour``: ``deny``, ``ongoing``, ``off`` (for the token or at all), ``mute`` (never answers an injection),
    ``slow`` (answers after 0.4 s), ``garbage``, ``list``, ``types`` (changed field types), ``no-data``, ``other-kind``,
    ``close-at-N`` (hangs up at the Nth injection, once), ``forget`` (no longer knows tokens), ``taken``, ``unknown``,
    ``events`` (sends events of its own in between), ``huge``.
    """

    def __init__(self, behaviour: str = "", port: int = 0) -> None:
        self.behaviour = behaviour
        self.known: set[str] = set()
        self.injected: list[dict[str, float]] = []
        self.times: list[float] = []
        self.asked: list[str] = []
        self.connections = 0
        self._closed_once = False
        self._server = serve(self._talk, "127.0.0.1", port)
        self.address = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(timeout=5)

    def _talk(self, line: ServerConnection) -> None:
        self.connections += 1
        session = {"authenticated": False}
        try:
            for said in line:
                for answer in self._answers(said, session, line):
                    line.send(answer)
        except ConnectionClosed:
            return

    def _answers(self, said: str | bytes, session: dict[str, bool], line: ServerConnection) -> list[str]:
        try:
            request = json.loads(said)
        except ValueError:
            return [self._error("", 2, "JSON invalid")]
        name, kind, data = request.get("requestID"), request.get("messageType"), request.get("data", {})
        self.asked.append(str(kind))
        if request.get("apiName") != "VTubeStudioPublicAPI":
            return [self._error(name, 3, "API name invalid")]
        if request.get("apiVersion") != "1.0":
            return [self._error(name, 4, "API version invalid")]
        if not isinstance(name, str) or not re.fullmatch(r"[\x20-\x7e]{1,64}", name):
            return [self._error(name, 5, "request ID invalid")]
        if self.behaviour == "off":
            return [self._error(name, 1, "API access has been deactivated by the user")]
        if self.behaviour == "garbage":
            return ["this is a web page"]
        if self.behaviour == "list":
            return ["[1, 2]"]
        if self.behaviour == "no-data":
            return [json.dumps({"requestID": name, "messageType": "X"})]
        if self.behaviour == "other-kind":
            return [self._answer(name, "StatisticsResponse", {})]
        if self.behaviour == "huge":
            return [json.dumps({"requestID": name, "data": "x" * (5 << 20)})]
        if kind == "AuthenticationTokenRequest":
            return [self._token(name, data)]
        if kind == "AuthenticationRequest":
            good = data.get("authenticationToken") in self.known and data.get("pluginName") == "thsafe"
            session["authenticated"] = good
            reason = "Token valid." if good else "Token invalid or revoked."
            return [self._answer(name, "AuthenticationResponse", {"authenticated": good, "reason": reason})]
        if not session["authenticated"]:
            return [self._error(name, 8, "This request requires authentication.")]
        if kind == "InputParameterListRequest":
            return [self._answer(name, "InputParameterListResponse", self._parameters())]
        if kind == "InjectParameterDataRequest":
            return self._inject(name, data, line)
        return [self._error(name, 7, f"unknown request type {kind}")]

    def _token(self, name: str, data: dict[str, Any]) -> str:
        if not 3 <= len(str(data.get("pluginName", ""))) <= 32:
            return self._error(name, 52, "plugin name invalid")
        if not 3 <= len(str(data.get("pluginDeveloper", ""))) <= 32:
            return self._error(name, 53, "developer name invalid")
        if self.behaviour == "deny":
            return self._error(name, 50, "User has denied API access for your plugin.")
        if self.behaviour == "ongoing":
            return self._error(name, 51, "A token request is currently ongoing.")
        self.known.add(TOKEN)
        token: Any = 12 if self.behaviour == "types" else TOKEN
        return self._answer(name, "AuthenticationTokenResponse", {"authenticationToken": token})

    def _parameters(self) -> dict[str, Any]:
        listed = [
            {"name": name, "addedBy": "VTube Studio", "value": 0.0, "min": low, "max": high, "defaultValue": 0}
            for name, low, high in DEFAULTS
        ]
        listed.append({"name": "Odd", "min": "none", "max": None})
        return {"modelLoaded": True, "customParameters": [], "defaultParameters": listed}

    def _inject(self, name: str, data: dict[str, Any], line: ServerConnection) -> list[str]:
        number = len(self.injected) + 1
        if self.behaviour == f"close-at-{number}" and not self._closed_once:
            self._closed_once = True
            line.socket.shutdown(socket.SHUT_RDWR)
            return []
        if self.behaviour == "mute":
            return []
        if self.behaviour == "slow":
            time.sleep(0.4)
        values = {}
        for item in data["parameterValues"]:
            limits = {known: (low, high) for known, low, high in DEFAULTS}
            if item["id"] not in limits:
                return [self._error(name, 453, f"Parameter {item['id']} not found.")]
            if self.behaviour == "unknown" and item["id"] == "Brows":
                return [self._error(name, 453, "Parameter Brows not found.")]
            if self.behaviour == "taken" and item["id"] == "MouthOpen":
                return [self._error(name, 454, "Parameter MouthOpen is controlled by another plugin.")]
            low, high = limits[item["id"]]
            if not low <= item["value"] <= high:
                return [self._error(name, 450, f"value of {item['id']} out of range")]
            values[item["id"]] = item["value"]
        self.injected.append(values)
        self.times.append(time.monotonic())
        done = self._answer(name, "InjectParameterDataResponse", {})
        event = self._answer("other", "ModelLoadedEvent", {"modelLoaded": True})
        return [event, done] if self.behaviour == "events" else [done]

    @staticmethod
    def _answer(name: object, kind: str, data: dict[str, Any]) -> str:
        whole = {"apiName": "VTubeStudioPublicAPI", "apiVersion": "1.0", "timestamp": 0, "requestID": name}
        return json.dumps({**whole, "messageType": kind, "data": data})

    def _error(self, name: object, number: int, message: str) -> str:
        return self._answer(name, "APIError", {"errorID": number, "message": message})
