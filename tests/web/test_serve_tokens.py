"""Tokens and what they open: a server with published videos that is not open to all."""

from __future__ import annotations

import base64
import importlib.util
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

TINY = Path(__file__).parent.parent / "publishing" / "tiny.py"


@pytest.fixture(scope="module")
def house(tmp_path_factory, closed_server):
    """An installation that has published one video, behind a server that asks for tokens."""
    from thsafe.home import Home
    from thsafe.keys import KeyRing

    spec = importlib.util.spec_from_file_location("tiny_engine_of_tokens", TINY)
    tiny = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = tiny
    spec.loader.exec_module(tiny)
    tiny.WIDTH, tiny.HEIGHT = 640, 512
    folder = tmp_path_factory.mktemp("house")
    home = Home(folder / "home")
    home.prepare()
    KeyRing.create(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THSAFE_HOME", str(home.path))
        patch.delenv("THSAFE_DB", raising=False)
        output = tiny.Tiny(frames=40).say(folder / "out.mp4")
    with closed_server(folder) as server:
        yield server, output


@pytest.fixture(scope="module")
def bearer(house):
    from thsafe.web.tokens import Scope, Tokens

    tokens = Tokens(house[0].settings.tokens)
    made = {scope: tokens.new(str(scope), [scope], days=None)[1] for scope in Scope}
    return {scope: {"authorization": f"Bearer {secret}"} for scope, secret in made.items()}


def test_without_a_token_only_health_answers(house):
    server, output = house
    for path in ("/v1/verifications/" + "A" * 24, f"/v1/manifests/{output.manifest_id}", "/metrics"):
        answer = server.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (401, "service.token")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert server.client.post("/v1/verifications", content=b"x").status_code == 401
    assert server.client.get("/sbr/services/supportedAlgorithms").status_code == 401
    assert server.client.get("/v1/health").status_code == 200
    assert server.left() == []


@pytest.mark.parametrize(
    "word", ["", "Bearer", "Bearer x", "Bearer thsafe_", "Basic dGhzYWZl", "Bearer " + "a" * 5000, "Bearer ü"]
)
def test_no_word_but_a_token_opens(house, word):
    answer = house[0].client.get("/metrics", headers={"authorization": word.encode()})
    assert answer.status_code == 401


def test_a_token_opens_its_own_scope_only(house, bearer):
    from thsafe.web.tokens import Scope

    server, output = house
    places = {
        Scope.METRICS: "/metrics",
        Scope.MANIFESTS: f"/v1/manifests/{output.manifest_id}",
        Scope.VERIFY: "/v1/verifications/" + "A" * 24,
    }
    for scope, path in places.items():
        for holder, headers in bearer.items():
            answer = server.client.get(path, headers=headers)
            if holder is scope:
                assert answer.status_code in {200, 404}
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "service.scope")


def test_only_hashes_are_stored(house, bearer):
    kept = house[0].settings.tokens.read_text()
    for headers in bearer.values():
        assert headers["authorization"].split()[1] not in kept
    assert house[0].settings.tokens.stat().st_mode & 0o077 == 0


def test_a_revoked_token_stops_at_once(house):
    from thsafe.web.tokens import Scope, Tokens

    server, _ = house
    tokens = Tokens(server.settings.tokens)
    made, secret = tokens.new("guest", [Scope.METRICS], days=1)
    headers = {"authorization": f"Bearer {secret}"}
    assert server.client.get("/metrics", headers=headers).status_code == 200
    tokens.revoke(made.id)
    assert server.client.get("/metrics", headers=headers).status_code == 401


def test_an_expired_token_is_none(tmp_path):
    from thsafe.web.tokens import Scope, Tokens

    now = datetime(2026, 1, 1, tzinfo=UTC)
    tokens = Tokens(tmp_path / "tokens.json", clock=lambda: now)
    _, secret = tokens.new("guest", [Scope.VERIFY], days=1)
    assert tokens.holder(secret) is not None
    later = Tokens(tmp_path / "tokens.json", clock=lambda: now + timedelta(days=1, seconds=1))
    assert later.holder(secret) is None


def test_damaged_tokens_open_nothing(tmp_path):
    from thsafe.core.errors import StoreError
    from thsafe.web.tokens import Tokens

    (tmp_path / "tokens.json").write_text('{"tokens": [{"id": 1}]}')
    with pytest.raises(StoreError, match="cannot be read"):
        Tokens(tmp_path / "tokens.json").holder("x")


def test_the_command_makes_lists_and_revokes(home, capsys):
    from thsafe.cli.main import run

    assert run(["serve", "token", "new", "--name", "desk", "--scope", "verify", "--days", "3", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert run(["serve", "token", "list"]) == 0
    shown = capsys.readouterr().out
    assert made["id"] in shown
    assert made["token"] not in shown
    assert run(["serve", "token", "revoke", made["id"]]) == 0
    assert run(["serve", "token", "revoke", made["id"]]) == 2


def test_a_person_gives_the_token_on_a_page(house, bearer):
    from thsafe.web.tokens import Scope

    server, _ = house
    server.client.cookies.clear()
    page = server.client.get("/", headers={"accept": "text/html"})
    assert page.status_code == 401
    assert 'name="token"' in page.text
    word = server.form("/login")
    wrong = server.client.post("/login", data={"word": word, "token": "nonsense"})
    assert wrong.status_code == 403
    assert 'aria-invalid="true"' in wrong.text
    secret = bearer[Scope.VERIFY]["authorization"].split()[1]
    inside = server.client.post("/login", data={"word": word, "token": secret})
    assert inside.status_code == 303
    cookie = next(value for value in inside.headers.get_list("set-cookie") if value.startswith("thsafe_token"))
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert 'type="file"' in server.client.get("/", headers={"accept": "text/html"}).text
    assert server.client.post("/logout", data={"word": server.form()}).status_code == 303
    assert server.client.get("/", headers={"accept": "text/html"}).status_code == 401


def test_published_manifests_are_found_by_mark_and_digest(house, bearer):
    from thsafe.web.tokens import Scope

    server, output = house
    headers = bearer[Scope.MANIFESTS]
    for asked in ({"watermark": output.watermark_id}, {"sha256": output.sha256}):
        (found,) = server.client.get("/v1/manifests", params=asked, headers=headers).json()["manifests"]
        assert found["id"] == output.manifest_id
        manifest = server.client.get(found["href"], headers=headers)
        assert manifest.headers["content-type"] == "application/c2pa"
        assert b"jumb" in manifest.content[:64]
    both = {"watermark": "0" * 16, "sha256": output.sha256}
    assert server.client.get("/v1/manifests", params=both, headers=headers).json() == {"manifests": []}
    assert server.client.get("/v1/manifests", headers=headers).json() == {"manifests": []}


def test_the_resolution_api_is_there(house, bearer, attacks, tmp_path):
    from thsafe.web.tokens import Scope

    server, output = house
    headers = bearer[Scope.MANIFESTS]
    value = base64.b64encode(output.watermark_id.encode()).decode()
    asked = {"alg": "io.github.thsafe.watermark.1", "value": value}
    match = {"matches": [{"manifestId": output.manifest_id, "similarityScore": 100}]}
    assert server.client.get("/sbr/matches/byBinding", params=asked, headers=headers).json() == match
    attacks.remux(output.path, tmp_path / "x.mp4")
    content = (tmp_path / "x.mp4").read_bytes()
    more = {**headers, "content-type": "video/mp4"}
    assert server.client.post("/sbr/matches/byContent", content=content, headers=more).json() == match
    assert server.left() == []


def test_a_published_video_is_reported_as_disclosed_and_logged(house, bearer):
    from thsafe.installation import Installation
    from thsafe.web.tokens import Scope

    server, output = house
    before = Installation.open(server.settings.home).ledger.size
    headers = bearer[Scope.VERIFY]
    done = server.verify(output.path.read_bytes(), headers)
    assert done["report"]["verdict"] == "disclosed"
    assert Installation.open(server.settings.home).ledger.size == before + 1


def test_the_public_report_of_the_same_video_names_no_signer_and_no_title(house, tmp_path):
    """What a server with --public answers: the same verdict, nothing that may be a person's."""
    from thsafe.report.data import report_as_json

    server, output = house
    told = []
    full = server.sandbox.examine(output.path, name="a.mp4", folder=tmp_path).view
    shown = server.sandbox.examine(output.path, name="", folder=tmp_path, impersonal=True, tell=told.append).view
    signer = full.report.finding("credentials").detail["signer"]
    title = full.trees[0].text.splitlines()[2].partition("  ")[2]
    assert signer in json.dumps(report_as_json(full.report))
    assert title
    everything = json.dumps([report_as_json(shown.report), [tree.text for tree in shown.trees], told])
    assert signer not in everything
    assert title not in everything
    assert shown.report.verdict == full.report.verdict == "disclosed"
    assert full.report.finding("credentials").detail["manifest"] in everything
    assert all(tree.pictures == () for tree in shown.trees)
