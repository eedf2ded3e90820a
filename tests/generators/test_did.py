"""D-ID's service against a local server that speaks its documented words, and one that misbehaves."""

from __future__ import annotations

import functools
import gc
import importlib.util
import io
import json
import logging
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar

import av
import cv2
import numpy as np
import pytest
import soundfile

from generators.did import client as client_module
from generators.did import key as key_module
from generators.did.answers import pause_of
from generators.did.client import Client
from generators.did.doorbell import Doorbell
from generators.did.key import Key, find_key
from thsafe import DId
from thsafe.cli.main import run
from thsafe.consent.grant import create_self_consent
from thsafe.core.errors import (
    ConsentRefused,
    EngineError,
    InputError,
    MissingError,
    StoreError,
    ThsafeError,
    UsageError,
)
from thsafe.core.types import MediaKind, Request, Silent, Task
from thsafe.generation import media_input, text_input
from thsafe.home import Home
from thsafe.keys.ring import KeyRing
from thsafe.registry import draw_person
from thsafe.remote import RemoteRules
from thsafe.testing import generator_contract

_found = importlib.util.spec_from_file_location("did_server", Path(__file__).with_name("did_server.py"))
assert _found is not None
assert _found.loader is not None
did_server = importlib.util.module_from_spec(_found)
_found.loader.exec_module(did_server)
KEY = did_server.KEY
SECRET = "s3cr3t-of-the-account"
FROM_KEYRING = key_module._from_keyring


@functools.cache
def _drawn() -> Any:
    return draw_person("ada", 256)


@functools.cache
def _video() -> bytes:
    """What the vendor made: 20 pictures of 256 pixels, with a tone."""
    held = io.BytesIO()
    with av.open(held, "w", format="mp4") as container:
        picture = container.add_stream("libx264", rate=25)
        picture.width, picture.height, picture.pix_fmt = 256, 256, "yuv420p"
        sound = container.add_stream("aac", rate=48000, layout="mono")
        for _ in range(20):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(_drawn(), "bgr24")))
        tone = (0.3 * np.sin(np.arange(38400) / 20)).astype(np.float32)[None]
        for start in range(0, 38400, 960):
            frame = av.AudioFrame.from_ndarray(tone[:, start : start + 960], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
        container.mux(picture.encode())
    return held.getvalue()


@pytest.fixture
def service() -> Iterator[Any]:
    with did_server.Served(did_server.Service(_video())) as served:
        yield served


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def account(service, pauses) -> Client:
    return _account(service, pauses)


def _account(service: Any, pauses: list[float], *, key: str = KEY, seconds: float = 20) -> Client:
    port = int(service.url.rpartition(":")[2])
    rules = RemoteRules(schemes=("http",), ports=(port,), networks=("127.0.0.0/8",), seconds=20)
    return Client(Key(secret=key), base=service.url, results=rules, seconds=seconds, sleep=pauses.append)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.delenv(key_module.VARIABLE, raising=False)
    monkeypatch.setattr(key_module, "_from_keyring", lambda: "")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def face(tmp_path: Path) -> Path:
    path = tmp_path / "a face.png"
    cv2.imwrite(str(path), _drawn())
    return path


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "a voice.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(12800) / 20), 16000)
    return path


def _wait(account: Client, *, timeout: float = 60) -> Any:
    return account.wait("talks", "tlk_1", timeout=timeout, progress=Silent())


def test_every_resource_is_spoken(account, service, tmp_path, voice) -> None:
    assert account.credits() == (17, 20)
    assert account.upload("audios", voice).endswith("voice.wav")
    assert account.create("animations", {"source_url": "s3://x"}) == "anm_1"
    assert account.create("translations", {"source_url": "https://x", "languages": ["de"]}) == "trs_1"
    name, words = account.new_consent("en")
    assert (name, "lake" in words) == ("cst_1", True)
    account.give_consent(name, person="x", source_url="https://x/film.mp4")
    assert account.consent_state(name) == "done"
    account.delete("talks", "tlk_1")
    assert service.asked[-1][:2] == ("DELETE", "/talks/tlk_1")
    with pytest.raises(UsageError):
        account.get("talks", "../credits")
    with pytest.raises(UsageError):
        account.get("agents", "x")


def test_it_is_asked_more_and_more_seldom(account, service, pauses) -> None:
    service.states = ["created"] * 4 + ["started"] * 6 + ["done"]
    assert _wait(account, timeout=1e6)["status"] == "done"
    assert pauses == sorted(pauses)
    assert len(pauses) == 10
    assert pauses[-1] == 15


@pytest.mark.parametrize(
    ("answer", "code", "kind"),
    [
        ((400, {"kind": "BadRequestError", "description": "Failed to validate script"}, {}), "did.request", InputError),
        ((400, {"kind": "ValidationError", "details": {"body.script": {"message": "'script' is required"}}}, {}), "did.request", InputError),
        ((400, {"kind": "InvalidFaceError", "description": "no face"}, {}), "did.face", InputError),
        ((401, {"kind": "AuthorizationError", "description": f"Basic {KEY}"}, {}), "did.key", MissingError),
        ((402, {"kind": "InsufficientCreditsError", "description": "not enough credits"}, {}), "did.credits", EngineError),
        ((403, {"message": "Forbidden"}, {}), "did.forbidden", EngineError),
        ((404, {"kind": "NotFoundError"}, {}), "did.unknown", UsageError),
        ((451, {"kind": "LegalError", "description": "celebrity recognised"}, {}), "did.refused", EngineError),
        ((500, {"kind": "InternalServerError", "description": "x"}, {}), "did.server", StoreError),
        ((504, {"message": "Endpoint request timed out"}, {}), "did.server", StoreError),
        ((302, b"", {"Location": "https://elsewhere.example/"}), "did.answer", StoreError),
        ((201, b"<html>hello</html>", {"Content-Type": "text/html"}), "did.answer", StoreError),
        ((201, {"id": 12345}, {}), "did.answer", StoreError),
        ((201, {"id": "../../etc/passwd"}, {}), "did.answer", StoreError),
        ((201, ["tlk_1"], {}), "did.answer", StoreError),
        ((201, b"x" * ((1 << 20) + 1), {}), "did.answer", StoreError),
    ],
)  # fmt: skip
def test_errors_are_told_apart_and_what_costs_is_sent_once(account, service, pauses, answer, code, kind) -> None:
    service.answers["POST /talks"] = [answer]
    with pytest.raises(kind) as caught:
        account.create("talks", {"script": {}})
    assert caught.value.code == code
    assert SECRET not in caught.value.explain()
    assert "\x1b" not in caught.value.explain()
    assert [path for _, path, _, _ in service.asked] == ["/talks"]
    assert pauses == []


def test_a_busy_service_is_given_the_time_it_asks_for(account, service, pauses) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    busy = {"kind": "TooManyRequestsError", "description": "slow down"}
    service.answers["POST /talks"] = [
        (429, busy, {"Retry-After": "7"}),
        (429, busy, {"Retry-After": soon}),
        (429, busy, {}),
        None,
    ]
    assert account.create("talks", {"script": {}}) == "tlk_1"
    assert pauses[0] == 7
    assert 20 < pauses[1] <= 30
    assert pauses[2] == 4
    service.answers["POST /talks"] = [(429, busy, {"Retry-After": "soon"})] * 9
    with pytest.raises(StoreError) as caught:
        account.create("talks", {"script": {}})
    assert caught.value.code == "did.busy"
    assert pause_of({"retry-after": "99999999999999"}, datetime.now(UTC)) == 120
    assert pause_of({"retry-after": "Mon, 99 Foo"}, datetime.now(UTC)) is None


def test_trouble_while_waiting_is_outlived(account, service, pauses) -> None:
    service.answers["GET /talks/"] = [(500, {}, {}), (504, b"<html>", {}), (429, {}, {"Retry-After": "1"}), None]
    assert _wait(account, timeout=1e6)["status"] == "done"
    service.answers["GET /talks/"] = [(500, {}, {})] * 9
    with pytest.raises(StoreError) as caught:
        _wait(account)
    assert caught.value.code == "did.server"


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (
            {"id": "tlk_1", "status": "error", "error": {"kind": "FaceError", "description": "face not detected"}},
            "did.failed",
        ),
        ({"id": "tlk_1", "status": "error", "error": ["\x1b[2Jgone"]}, "did.failed"),
        ({"id": "tlk_1", "status": "rejected"}, "did.rejected"),
        ({"id": "tlk_1", "status": 3}, "did.answer"),
        ({"id": "tlk_1", "status": "exploded"}, "did.answer"),
        ("done", "did.answer"),
        ({"id": "tlk_1", "status": "started"}, "did.timeout"),
    ],
)
def test_jobs_that_do_not_get_done(account, service, job, code) -> None:
    service.answers["GET /talks/"] = [(200, job, {})] * 3
    with pytest.raises(ThsafeError) as caught:
        _wait(account, timeout=0.5)
    assert caught.value.code == code
    assert "\x1b" not in caught.value.explain()


def test_a_dripping_answer_ends(service, pauses) -> None:
    slow = _account(service, pauses, seconds=0.5)
    service.answers["POST /talks"] = [(201, {"id": "tlk_1", "pad": "x" * 200}, {"X-Slow": "0.05"})]
    with pytest.raises(StoreError) as caught:
        slow.create("talks", {"script": {}})
    assert caught.value.code == "did.unreachable"
    assert len(service.asked) == 1, "what may be charged is not sent twice"


def test_an_expired_link_is_asked_for_anew_and_half_a_file_is_none(account, service, tmp_path, pauses) -> None:
    service.states = ["done"]
    done = _wait(account)
    service.answers["GET /result/"] = [
        (403, did_server.EXPIRED, {"Content-Type": "application/xml"}),
        (200, _video(), {"X-Half": "1"}),
        None,
    ]
    path = account.bring("talks", done, tmp_path / "got.mp4", progress=Silent())
    assert path.read_bytes() == _video()
    service.answers["GET /result/"] = [(403, did_server.EXPIRED, {})] * 9
    with pytest.raises(StoreError) as caught:
        account.bring("talks", done, tmp_path / "more.mp4", progress=Silent())
    assert caught.value.code == "did.result"
    assert "--resume tlk_1" in caught.value.next_step
    assert not (tmp_path / "more.mp4").exists()
    with pytest.raises(StoreError) as odd:
        account.bring("talks", {"id": "tlk_1", "result_url": ["x"]}, tmp_path / "odd.mp4", progress=Silent())
    assert odd.value.code == "did.answer"


def test_results_come_from_public_addresses_alone(service, pauses, tmp_path) -> None:
    """A vendor whose answer was changed must not have us ask machines of this network."""
    strict = Client(Key(secret=KEY), base=service.url, sleep=pauses.append)
    for url in ("https://127.0.0.1/x", "file:///etc/passwd", "http://169.254.169.254/latest"):
        with pytest.raises(ThsafeError):
            strict.bring("talks", {"id": "tlk_1", "result_url": url}, tmp_path / "x.mp4", progress=Silent())
    with pytest.raises(UsageError):
        Client(Key(secret=KEY), base="http://api.example")


def test_a_bell_makes_it_ask_at_once(account, service) -> None:
    service.states = ["created", "done"]
    with Doorbell("https://me.example/hooks/", 0) as bell:
        path = bell.address.removeprefix("https://me.example/hooks")
        here = f"http://127.0.0.1:{bell.port}"

        def ring() -> None:
            urllib.request.urlopen(
                f"{here}{path}", data=b'{"status": "rejected", "result_url": "http://evil"}', timeout=5
            ).close()

        timer = threading.Timer(0.1, ring)
        timer.start()
        answer = account.wait("talks", "tlk_1", timeout=30, progress=Silent(), rung=bell.rung)
        timer.join()
        assert answer["status"] == "done", "what the bell says is not believed"
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{here}/guess", data=b"{}", timeout=5)
        caught.value.close()
    with pytest.raises(UsageError):
        Doorbell("http://me.example", 0)


def test_the_key_is_found_and_never_shown(monkeypatch, caplog, account) -> None:
    with pytest.raises(MissingError) as caught:
        find_key()
    assert caught.value.code == "did.key-missing"
    monkeypatch.setattr(key_module, "_from_keyring", lambda: KEY)
    assert find_key().secret == KEY
    monkeypatch.setenv(key_module.VARIABLE, "another:key-of-mine")
    assert find_key().secret == "another:key-of-mine"
    assert "key-of-mine" not in f"{find_key()!r} {find_key()}"
    for bad in ("short", "two words here", "line\nInjected: header", "ümlaut-key-here"):
        with pytest.raises(UsageError) as wrong:
            Key(secret=bad)
        assert bad not in wrong.value.explain()
    with caplog.at_level(logging.DEBUG):
        account.credits()
    assert SECRET not in caplog.text


def test_a_machine_without_a_keyring_says_so(monkeypatch) -> None:
    import keyring
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())
    try:
        with pytest.raises(MissingError) as caught:
            key_module.keep_key(Key(secret=KEY))
    finally:
        keyring.set_keyring(before)
    assert caught.value.code == "did.keyring"
    assert SECRET not in caught.value.explain()


def test_the_key_is_asked_for_and_kept_in_the_keyring(monkeypatch) -> None:
    import keyring
    from click.testing import CliRunner
    from keyring.backend import KeyringBackend

    from thsafe.cli.did import did

    class Memory(KeyringBackend):
        priority = 1
        kept: ClassVar[dict[tuple[str, str], str]] = {}

        def get_password(self, service, username):
            return self.kept.get((service, username))

        def set_password(self, service, username, password):
            self.kept[service, username] = password

    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        result = CliRunner().invoke(did, ["key"], input=f"{KEY}\n")
        assert result.exit_code == 0, result.output
        assert SECRET not in result.output
        assert FROM_KEYRING() == KEY
    finally:
        keyring.set_keyring(before)
    assert not [option for command in did.commands.values() for option in command.params if "key" in option.name]


def _agreed(home: Path, face: Path) -> None:
    create_self_consent(Home(home), portrait=face)


def _left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "tmp").iterdir())


def test_a_talk_is_made_disclosed_and_the_vendor_named(account, service, home, face, voice, tmp_path, capsys) -> None:
    _agreed(home, face)
    out = tmp_path / "out.mp4"
    with pytest.raises(UsageError) as caught:
        DId(client=account, home=Home(home)).animate(image=face, audio=voice, output_path=out)
    assert caught.value.code == "did.cost"
    assert "17 of 20 credits remain" in caught.value.found
    assert [path for _, path, _, _ in service.asked] == ["/credits"], "nothing was sent"
    output = DId(client=account, home=Home(home), accept_cost=True).animate(image=face, audio=voice, output_path=out)
    assert output.engine == "did"
    sent = next(body for _, path, _, body in service.asked if path == "/images")
    assert b"a face" not in sent, "names of files stay here"
    assert service.last["script"]["type"] == "audio"
    assert service.last["source_url"].endswith("portrait.png")
    from thsafe.verification import verify

    assert verify(out, home=Home(home)).verdict == "disclosed"
    assert run(["manifest", "show", str(out), "--as", "json"]) == 0
    shown = capsys.readouterr().out
    assert '"vendor"' in shown
    assert "D-ID talks" in shown
    for path in [item for item in Path(home).rglob("*") if item.is_file()]:
        assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET.encode() not in out.read_bytes()
    del output
    assert _left(tmp_path) == []


def test_what_it_yields_is_a_draft(account, face, home, tmp_path) -> None:
    request = Request(
        task=Task.SAY,
        engine="did",
        inputs=(media_input("portrait", face, MediaKind.IMAGE), text_input("Hello.")),
        params={"kind": "talks", "voice": "x", "provider": "microsoft"},
        purpose="testing",
        job_id="j",
        nonce="n",
    )
    permit: Any = None
    draft = DId(client=account, home=Home(home)).render(request, permit, Silent())
    generator_contract.check_draft(draft)
    assert _left(tmp_path)
    del draft
    gc.collect()
    assert _left(tmp_path) == []


def test_nobody_is_sent_without_consent(account, service, home, face, tmp_path) -> None:
    KeyRing.create(Home(home))
    with pytest.raises(ConsentRefused):
        DId(client=account, home=Home(home), accept_cost=True).say(
            image=face, text="Hello.", output_path=tmp_path / "o.mp4"
        )
    assert {path for _, path, _, _ in service.asked} == {"/credits"}


def test_a_job_that_broke_off_is_gone_on_with_and_no_other(account, service, home, face, tmp_path) -> None:
    _agreed(home, face)
    out = tmp_path / "out.mp4"
    engine = DId(client=account, home=Home(home), accept_cost=True, timeout=0.2)
    service.states = ["started"]
    with pytest.raises(EngineError) as caught:
        engine.say(image=face, text="Hello.", output_path=out)
    assert caught.value.code == "did.timeout"
    assert "--resume tlk_1" in caught.value.next_step
    assert service.last["script"]["provider"] == {"type": "microsoft", "voice_id": "en-US-JennyNeural"}
    service.states, before = ["done"], len(service.bodies("/talks"))
    for other in ({"text": "Something else."}, {"text": "Hello.", "resume": "tlk_2"}):
        with pytest.raises(UsageError) as refused:
            engine.say(**{"image": face, "output_path": out, "resume": "tlk_1", **other})
        assert refused.value.code == "did.resume"
        assert not out.exists()
    service.answers["GET /result/"] = [(200, b"<html>not a video</html>", {"Content-Type": "text/html"})]
    with pytest.raises(EngineError) as unreadable:
        engine.say(image=face, text="Hello.", output_path=out, resume="tlk_1")
    assert unreadable.value.code == "engine.output-unreadable"
    assert _left(tmp_path) == []
    assert engine.say(image=face, text="Hello.", output_path=out, resume="tlk_1").path == out
    assert len(service.bodies("/talks")) == before, "nothing was ordered again"


def test_other_orders_say_what_they_are(account, service, home, face, tmp_path) -> None:
    _agreed(home, face)
    service.states = ["rejected"]
    engine = DId(client=account, home=Home(home), accept_cost=True)
    with pytest.raises(EngineError) as caught:
        engine.say(image=face, text="Hello.", presenter="amy-1", output_path=tmp_path / "o.mp4")
    assert caught.value.code == "did.rejected"
    assert service.last["presenter_id"] == "amy-1"
    assert "source_url" not in service.last
    with pytest.raises(UsageError):
        engine.say(image=face, text="Hello.", provider="elevenlabs", output_path=tmp_path / "o.mp4")
    assert not (tmp_path / "o.mp4").exists()


def test_the_command_line(home, face, tmp_path, capsys, monkeypatch, service, pauses) -> None:
    call = ["generate", "talk", "--image", str(face), "--text", "Hello.", "-o", str(tmp_path / "o.mp4"), "--json"]
    assert run(call) == 31
    assert json.loads(capsys.readouterr().out)["error"] == "did.key-missing"
    monkeypatch.setenv(key_module.VARIABLE, KEY)
    monkeypatch.setattr(
        client_module.Client.__init__,
        "__kwdefaults__",
        {**client_module.Client.__init__.__kwdefaults__, "base": service.url},
    )
    assert run(["did", "credits"]) == 0
    assert "17 of 20" in capsys.readouterr().out
    assert run(call) == 2
    assert json.loads(capsys.readouterr().out)["error"] == "did.cost"
    assert run([*call, "--audio", "x.wav"]) == 2
    assert run(["did", "forget", "talks", "tlk_1"]) == 0
    assert run(["did", "forget", "talks", "../x"]) == 2
    assert SECRET not in "".join(capsys.readouterr())
