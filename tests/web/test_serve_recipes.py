"""The recipes: what the Dockerfile and the systemd unit start exists, and they keep what they promise."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def _options(words):
    from thsafe.cli.serve import serve

    assert words[0] == "serve"
    context = click.Context(serve, info_name="serve")
    return serve.make_parser(context).parse_args(list(words[1:]))


def test_the_container_starts_what_exists_as_nobody():
    text = (ROOT / "Dockerfile").read_text()
    command = json.loads(re.search(r"^CMD (\[.*\])$", text, re.MULTILINE)[1])
    values, rest, _ = _options(command)
    assert values == {"public": True, "host": "0.0.0.0"}
    assert rest == []
    lines = text.splitlines()
    assert lines.index("USER thsafe") < lines.index('ENTRYPOINT ["thsafe"]')
    assert "HEALTHCHECK" in text
    assert "/v1/health" in text
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_unit_starts_what_exists_and_shuts_the_rest():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(ROOT / "deploy" / "thsafe.service")
    words = shlex.split(unit["Service"]["ExecStart"])
    values, rest, _ = _options(words[1:])
    assert values["public"] is True
    assert rest == []
    for wanted in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "ProtectHome"):
        assert unit["Service"][wanted] == "yes"
    assert unit["Service"]["ProtectSystem"] == "strict"
    assert unit["Service"]["CapabilityBoundingSet"] == ""


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/thsafe.service"])
def test_no_secret_is_in_a_recipe(name):
    assert not re.search(r"(?i)(password|secret|token)\s*=", (ROOT / name).read_text())
