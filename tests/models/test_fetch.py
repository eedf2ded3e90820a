"""Pulling weights from servers that behave badly, from folders and from files."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest

from thsafe.cli.main import run
from thsafe.core.errors import InputError, StoreError, ThsafeError, UsageError
from thsafe.core.types import Silent
from thsafe.home import Home
from thsafe.models import all_cards
from thsafe.models.card import ModelCard
from thsafe.models.fetch import as_published, installed_path, pull, receipt, verify

CONTENT = bytes(range(256)) * 8192
"""2 MB that no format claims."""


class _Server(http.server.BaseHTTPRequestHandler):
    behaviour: ClassVar[str] = "well"
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        content, status, start = CONTENT, 200, 0
        if wanted and self.behaviour != "no ranges":
            status, start = 206, int(wanted.removeprefix("bytes=").removesuffix("-"))
        match self.behaviour:
            case "html":
                content = b"<!DOCTYPE html>" + b"<p>sign in</p>" * 100_000
            case "wrong":
                content = CONTENT[:-1] + b"x"
            case "gone":
                self.send_error(404)
                return
        if start >= len(content):
            self.send_error(416)
            return
        rest = content[start:]
        self.send_response(status)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: len(rest) // 2] if self.behaviour == "short" else rest)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[type[_Server]]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    _Server.asked.clear()
    _Server.behaviour = "well"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        _Server.address = f"http://127.0.0.1:{served.server_port}/weights"
        yield _Server
        served.shutdown()
        thread.join()


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        name="tiny",
        title="Tiny",
        engine="wav2lip",
        file="tiny.bin",
        licence="research only",
        commercial_use=False,
        trained_on="nothing",
        page="https://example.org",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        smallest_bytes=1000,
    )


class _Noted(Silent):
    def __init__(self) -> None:
        self.totals: list[int | None] = []
        self.done = 0

    def start(self, stage: str, total: int | None) -> None:
        assert stage == "tiny"
        self.totals.append(total)

    def advance(self, steps: int = 1) -> None:
        self.done += steps


def test_a_download_is_checked_noted_and_verified(server, card, home) -> None:
    progress = _Noted()
    path = pull(replace(card, url=server.address), Home(home), accept_licence=True, progress=progress)
    assert path.read_bytes() == CONTENT
    assert (progress.totals, progress.done) == ([len(CONTENT)], len(CONTENT))
    noted = receipt(card, Home(home))
    assert noted["accepted"] == "research only"
    assert noted["sha256"] == card.sha256
    assert verify(card, Home(home), progress=Silent())["as_pulled"] is True
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(InputError) as caught:
        verify(replace(card, sha256=""), Home(home), progress=Silent())
    assert caught.value.code == "model.changed"


def test_a_download_goes_on_where_it_broke_off(server, card, home) -> None:
    pinned = replace(card, url=server.address)
    server.behaviour = "short"
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            pull(pinned, Home(home), accept_licence=True, progress=Silent())
        assert caught.value.code == "network.broke-off"
    assert installed_path(card, Home(home)) is None
    server.behaviour = "well"
    progress = _Noted()
    path = pull(pinned, Home(home), accept_licence=True, progress=progress)
    assert path.read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert server.asked == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]
    assert progress.totals == [len(CONTENT)]
    assert progress.done == len(CONTENT)


def test_a_server_without_ranges_starts_again(server, card, home) -> None:
    pinned = replace(card, url=server.address)
    server.behaviour = "short"
    with pytest.raises(StoreError):
        pull(pinned, Home(home), accept_licence=True, progress=Silent())
    server.behaviour = "no ranges"
    assert pull(pinned, Home(home), accept_licence=True, progress=Silent()).read_bytes() == CONTENT


def test_a_whole_part_needs_no_more_bytes(server, card, home) -> None:
    part = Home(home).models / "tiny" / ".tiny.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    pinned = replace(card, url=server.address)
    assert pull(pinned, Home(home), accept_licence=True, progress=Silent()).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [("html", "model.not-weights"), ("wrong", "model.digest"), ("gone", "network.unreachable")],
)
def test_a_bad_server_leaves_nothing_behind(server, card, home, behaviour: str, code: str) -> None:
    server.behaviour = behaviour
    with pytest.raises(ThsafeError) as caught:
        pull(replace(card, url=server.address), Home(home), accept_licence=True, progress=Silent())
    assert caught.value.code == code
    assert list((Home(home).models / "tiny").iterdir()) == []


def test_nobody_answers(card, home) -> None:
    with pytest.raises(StoreError) as caught:
        pull(replace(card, url="http://127.0.0.1:9/x"), Home(home), accept_licence=True, progress=Silent())
    assert caught.value.code == "network.unreachable"


def test_a_proxy_from_the_environment_is_used(server, card, home, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", server.address.removesuffix("/weights"))
    monkeypatch.setenv("no_proxy", "")
    path = pull(replace(card, url="http://weights.invalid/x"), Home(home), accept_licence=True, progress=Silent())
    assert path.read_bytes() == CONTENT


def test_a_mirror_folder(card, home, tmp_path) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "tiny").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        pull(card, Home(home), mirror=mirror, accept_licence=True, progress=Silent())
    assert caught.value.code == "model.not-in-mirror"
    (mirror / "tiny" / "tiny.bin").write_bytes(CONTENT)
    assert pull(card, Home(home), mirror=mirror, accept_licence=True, progress=Silent()).read_bytes() == CONTENT


def test_the_licence_must_be_accepted(card, home, tmp_path) -> None:
    (tmp_path / "tiny.bin").write_bytes(CONTENT)
    with pytest.raises(UsageError) as caught:
        pull(card, Home(home), file=tmp_path / "tiny.bin", progress=Silent())
    assert caught.value.code == "model.licence"


@pytest.mark.parametrize(
    ("content", "code"), [(b"%PDF-1.7" + CONTENT, "model.not-weights"), ("torchscript", "model.torchscript")]
)
def test_a_file_of_another_format_is_refused_where_no_content_is_pinned(card, home, tmp_path, content, code) -> None:
    path = tmp_path / "tiny.bin"
    if content == "torchscript":
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("tiny/data.pkl", "tiny/constants.pkl", "tiny/code/__torch__.py"):
                archive.writestr(name, CONTENT[:1000])
    else:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        pull(replace(card, sha256=""), Home(home), file=path, accept_licence=True, progress=Silent())
    assert caught.value.code == code
    assert list((Home(home).models / "tiny").iterdir()) == []


def test_a_disk_without_room_is_said_before_anything_is_fetched(server, card, home) -> None:
    huge = replace(card, url=server.address, size=1 << 60)
    with pytest.raises(StoreError) as caught:
        pull(huge, Home(home), accept_licence=True, progress=Silent())
    assert caught.value.code == "store.models"
    assert server.asked == []


def test_the_authors_own_file_is_told_from_others(card) -> None:
    own = replace(card, sha256="", published_sha256="ab")
    assert [as_published(own, digest) for digest in ("ab", "cd")] == [True, False]
    assert as_published(replace(card, sha256=""), "cd") is None


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 2)])
def test_a_terminal_is_asked_about_the_licence(home, tmp_path, monkeypatch, capsys, answer, code) -> None:
    import sys

    import click
    import torch
    from safetensors.torch import save_file

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    asked: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr(click, "confirm", confirm)
    weights = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(25_000_100)}, weights)
    assert run(["models", "pull", "wav2lip-gan", "--file", str(weights)]) == code
    said = capsys.readouterr()
    assert asked == ["Do you use these weights only as their licence allows?"]
    assert "personal, research and non-commercial use only" in said.err
    assert ("not the file that the authors publish" in said.out) == answer
    assert run(["engines", "check", "wav2lip"]) == (30 if answer else 31)
    assert ("model.other-network" in capsys.readouterr().err) == answer


def test_a_card_with_an_address_pins_its_content() -> None:
    for known in all_cards():
        assert bool(known.url) == bool(known.sha256), known.name
        assert known.url.startswith("https://") or not known.url, known.name


def test_the_commands(home, tmp_path, capsys) -> None:
    import torch
    from safetensors.torch import save_file

    small = tmp_path / "small.safetensors"
    save_file({"module.a": torch.zeros(3)}, small)
    assert run(["models", "pull", "wav2lip-gan", "--file", str(small)]) == 2
    assert run(["models", "pull", "wav2lip-gan", "--file", str(small), "--accept-noncommercial"]) == 30
    assert run(["models", "verify", "wav2lip-gan"]) == 31
    assert run(["models", "verify"]) == 0
    assert run(["models", "convert", "wav2lip-gan", "-o", str(tmp_path / "x.safetensors")]) == 31
    assert run(["models", "convert", str(small), "-o", str(small)]) == 2
    assert run(["models", "convert", str(small), "-o", str(tmp_path / "x.safetensors")]) == 0
    capsys.readouterr()
    assert run(["models", "list", "--json"]) == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} >= {"wav2lip", "wav2lip-gan"}
