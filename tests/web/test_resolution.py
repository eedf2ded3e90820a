"""The Soft Binding Resolution API over a store with one published video."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("starlette")

from thsafe.home import Home  # noqa: E402 - after the packages that may be absent
from thsafe.installation import Installation  # noqa: E402
from thsafe.keys import KeyRing  # noqa: E402
from thsafe.media.image import write_png  # noqa: E402
from thsafe.provenance.prints import Prints  # noqa: E402
from thsafe.web.resolution import resolution_app  # noqa: E402

TINY = Path(__file__).parent.parent / "publishing" / "tiny.py"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("tiny_engine_of_web", TINY)
    tiny = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tiny
    spec.loader.exec_module(tiny)
    tiny.WIDTH, tiny.HEIGHT = 640, 512
    folder = tmp_path_factory.mktemp("web")
    home = Home(folder / "home")
    home.prepare()
    KeyRing.create(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THSAFE_HOME", str(home.path))
        patch.delenv("THSAFE_DB", raising=False)
        output = tiny.Tiny(frames=100).say(folder / "out.mp4")
    return home, output, Installation.open(home).ledger.outputs.by_sha256(output.sha256)


@pytest.fixture
def ask(published):
    def send(method, url, *, most_bytes=8 << 20, base="http://127.0.0.1", **options):
        async def once():
            transport = httpx.ASGITransport(app=resolution_app(published[0], most_bytes=most_bytes))
            async with httpx.AsyncClient(transport=transport, base_url=base) as client:
                return await client.request(method, url, **options)

        return asyncio.run(once())

    return send


PICTURE, SOUND = "io.github.thsafe.fingerprint.1", "io.github.thsafe.soundprint.1"
WATERMARK = "io.github.thsafe.watermark.1"
TEXT = {"content-type": "text/plain"}


def b64(value):
    return base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()


def test_algorithms(ask):
    answer = ask("GET", "/services/supportedAlgorithms").json()
    assert answer["watermarks"][0]["alg"].startswith("io.github.thsafe.watermark")
    assert [item["alg"] for item in answer["fingerprints"]] == [PICTURE, SOUND]


@pytest.mark.parametrize("form", [b64, lambda mark: b64(bytes.fromhex(mark))], ids=["digits", "bytes"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_by_watermark(ask, published, method, form):
    asked = {"alg": "io.github.thsafe.watermark.1", "value": form(published[1].watermark_id)}
    how = {"params": asked} if method == "GET" else {"json": asked}
    answer = ask(method, "/matches/byBinding", **how)
    assert answer.json() == {"matches": [{"manifestId": published[1].manifest_id, "similarityScore": 100}]}


@pytest.mark.parametrize("form", [b64, lambda text: text], ids=["text", "bytes"])
@pytest.mark.parametrize("alg", [PICTURE, SOUND])
def test_by_fingerprint(ask, published, form, alg):
    prints = Prints.of_text(published[2].fingerprint)
    asked = {"alg": alg, "value": form(prints.picture if alg == PICTURE else prints.sound)}
    answer = ask("POST", "/matches/byBinding", json=asked)
    assert answer.json() == {"matches": [{"manifestId": published[1].manifest_id, "similarityScore": 99}]}


def test_the_active_manifest_alone(ask, published):
    url = f"/manifests/{published[1].manifest_id}"
    answer = ask("GET", url, params={"returnActiveManifest": "true"})
    # A made video has no signed ingredient: its store holds the active manifest and nothing else.
    assert answer.content == published[2].manifest
    assert ask("GET", url, params={"returnActiveManifest": "maybe"}).status_code == 400


def test_unknown_watermark_is_no_error(ask):
    asked = {"alg": "io.github.thsafe.watermark.1", "value": b64("0" * 16)}
    assert ask("GET", "/matches/byBinding", params=asked).json() == {"matches": []}


def test_manifest_is_the_signed_store(ask, published):
    answer = ask("GET", f"/manifests/{published[1].manifest_id}")
    assert answer.headers["content-type"] == "application/c2pa"
    assert answer.content == published[2].manifest
    assert ask("GET", "/manifests/urn:c2pa:nothing").status_code == 404


def test_by_content(ask, published, attacks, tmp_path):
    attacks.remux(published[1].path, tmp_path / "x.mp4")
    answer = ask("POST", "/matches/byContent", content=(tmp_path / "x.mp4").read_bytes())
    assert answer.json()["matches"] == [{"manifestId": published[1].manifest_id, "similarityScore": 100}]
    assert set(json.dumps(answer.json())) & {"/"} == set()  # no path


@pytest.mark.parametrize(("alg", "score"), [(WATERMARK, 100), (PICTURE, 99), (SOUND, 99)])
def test_by_content_under_one_algorithm(ask, published, alg, score):
    data = published[1].path.read_bytes()
    alike = ask("POST", "/matches/byContent", params={"alg": alg}, content=data)
    assert alike.json()["matches"] == [{"manifestId": published[1].manifest_id, "similarityScore": score}]


def test_a_hint_adds_nothing_that_the_content_does_not_say(ask, published, tmp_path):
    hint = {"hintAlg": WATERMARK, "hintValue": b64(published[1].watermark_id)}
    data = published[1].path.read_bytes()
    answer = ask("POST", "/matches/byContent", params=hint, content=data)
    assert [item["manifestId"] for item in answer.json()["matches"]] == [published[1].manifest_id]
    write_png(tmp_path / "other.png", np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    other = (tmp_path / "other.png").read_bytes()
    assert ask("POST", "/matches/byContent", params=hint, content=other).json() == {"matches": []}


def test_an_erased_manifest_is_gone_and_leads_nowhere(ask, published, monkeypatch):
    erased = dataclasses.replace(published[2], manifest=b"", fingerprint=None)
    monkeypatch.setattr("thsafe.store.outputs.Outputs.by_manifest", lambda *_: erased)
    monkeypatch.setattr("thsafe.store.outputs.Outputs.by_watermark", lambda *_: erased)
    answer = ask("GET", f"/manifests/{published[1].manifest_id}")
    assert (answer.status_code, answer.json()["code"]) == (410, "manifest.erased")
    asked = {"alg": WATERMARK, "value": b64(published[1].watermark_id)}
    assert ask("GET", "/matches/byBinding", params=asked).json() == {"matches": []}


@pytest.mark.parametrize(
    ("method", "url", "options", "status", "code"),
    [
        ("GET", "/matches/byBinding", {}, 400, "binding.missing"),
        ("GET", "/matches/byBinding?alg=x&value=QUFB", {}, 400, "binding.algorithm"),
        ("GET", "/matches/byBinding?alg=io.github.thsafe.watermark.1&value=%21", {}, 400, "binding.value"),
        ("GET", "/matches/byBinding?alg=io.github.thsafe.watermark.1&value=QUFB", {}, 400, "binding.value"),
        ("GET", "/matches/byBinding?alg=io.github.thsafe.fingerprint.1&value=QUFB", {}, 400, "binding.value"),
        ("GET", "/matches/byBinding?alg=x&value=QUFB&maxResults=0", {}, 400, "binding.results"),
        ("POST", "/matches/byBinding", {"content": b"[" * 5000}, 400, "binding.json"),
        ("POST", "/matches/byBinding", {"content": b"[]"}, 400, "binding.json"),
        ("POST", "/matches/byBinding", {"content": bytes(2 << 20)}, 413, "binding.size"),
        ("POST", "/matches/byContent", {}, 400, "content.missing"),
        ("POST", "/matches/byContent?alg=x", {"content": b"x"}, 400, "binding.algorithm"),
        ("POST", "/matches/byContent", {"content": b"no media at all" * 50}, 422, "input."),
        ("POST", "/matches/byContent?hintAlg=x&hintValue=QUFB", {"content": b"x"}, 400, "binding.hint"),
        ("POST", f"/matches/byContent?hintAlg={WATERMARK}", {"content": b"x"}, 400, "binding.hint"),
        ("POST", "/matches/byContent", {"content": b"x", "headers": TEXT}, 415, "content.type"),
        ("POST", "/matches/byReference", {"json": {"referenceUrl": "https://x.example/a.mp4"}}, 403, "reference."),
        ("POST", "/manifests", {"content": b"x"}, 403, "store."),
        ("PUT", "/bindings", {"json": {}}, 403, "store."),
        ("GET", "/elsewhere", {}, 404, "route."),
        ("PUT", "/matches/byBinding", {}, 405, "route."),
    ],
)
def test_refusals_are_said_in_words(ask, method, url, options, status, code):
    answer = ask(method, url, **options)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"].startswith(code)
    assert problem["type"] == f"urn:thsafe:problem:{problem['code']}"
    assert (problem["status"], bool(problem["title"])) == (status, True)


def test_a_large_upload_stops_at_the_limit_and_leaves_nothing(ask, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer = ask("POST", "/matches/byContent", most_bytes=1000, content=bytes(5000))
    assert (answer.status_code, answer.json()["code"]) == (413, "content.size")
    assert list(tmp_path.iterdir()) == []


def test_other_names_for_this_machine_are_refused(ask):
    assert ask("GET", "/services/supportedAlgorithms", base="http://evil.example").status_code == 400


def test_nothing_can_be_written(ask, published):
    assert ask("DELETE", f"/manifests/{published[1].manifest_id}").status_code == 403
    assert ask("GET", f"/manifests/{published[1].manifest_id}").content == published[2].manifest
