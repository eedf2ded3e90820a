import dataclasses
import json

import pytest

from thsafe.core.errors import InputError
from thsafe.provenance.isolated import credentials_from_json, credentials_to_json, read_credentials_isolated
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.manifest import Ingredient
from thsafe.provenance.read import read_credentials
from thsafe.provenance.sign import sign

from .conftest import facts

WHEN_READ = {"raw": {}, "crjson": {}}


def test_same_answer_as_in_process(signed, ring, trust, tmp_path):
    parent = Ingredient(path=signed[0], relationship="parentOf", title="footage", media_type="video/mp4")
    child = tmp_path / "child.mp4"
    sign(signed[0], child, facts=facts(), ingredients=(parent,), ring=ring)
    there, here = read_credentials_isolated(child, trust=trust), read_credentials(child, trust=trust)
    assert there.state is Ladder.INTACT_DEVELOPMENT
    assert dataclasses.replace(there, **WHEN_READ) == dataclasses.replace(here, **WHEN_READ)
    assert there.raw["manifests"] == here.raw["manifests"]


def test_json_round_trip(signed, trust):
    found = read_credentials(signed[0], trust=trust)
    assert credentials_from_json(json.loads(json.dumps(credentials_to_json(found)))) == found


def test_stored_manifest(clip, signed, trust):
    found = read_credentials_isolated(clip, trust=trust, manifest_bytes=signed[1].manifest_bytes)
    assert found.state is Ladder.BROKEN


def test_time_limit(signed, trust):
    found = read_credentials_isolated(signed[0], trust=trust, seconds=1e-6)
    assert found.state is Ladder.NOT_EVALUATED
    assert "longer than" in found.reasons[0]


def test_memory_limit(signed, trust):
    found = read_credentials_isolated(signed[0], trust=trust, manifest_bytes=bytes(30 << 20), megabytes=96)
    assert found.state is Ladder.NOT_EVALUATED
    assert "limit" in found.reasons[0]
    enough = read_credentials_isolated(signed[0], trust=trust, manifest_bytes=bytes(30 << 20))
    assert enough.state is Ladder.BROKEN


def test_missing(trust, tmp_path):
    with pytest.raises(InputError):
        read_credentials_isolated(tmp_path / "absent.mp4", trust=trust)


def test_every_file_gets_a_process_of_its_own_from_one_template(signed, clip, trust):
    from thsafe.provenance import isolated

    read_credentials_isolated(signed[0], trust=trust)
    template = isolated._FORK._process.pid
    assert read_credentials_isolated(clip, trust=trust).state is Ladder.NONE
    assert read_credentials_isolated(signed[0], trust=trust, megabytes=64).state is Ladder.NOT_EVALUATED
    assert read_credentials_isolated(signed[0], trust=trust).state is Ladder.INTACT_DEVELOPMENT
    assert isolated._FORK._process.pid == template


def test_a_template_that_dies_is_replaced(signed, trust):
    import os
    import signal

    from thsafe.provenance import isolated

    read_credentials_isolated(signed[0], trust=trust)
    os.kill(isolated._FORK._process.pid, signal.SIGKILL)
    isolated._FORK._process.wait()
    assert read_credentials_isolated(signed[0], trust=trust).state is Ladder.INTACT_DEVELOPMENT
