"""The manifest's pointers: to its log entry, bound by hash, and to the detector of its marks."""

import json

import pytest

from thsafe.core.errors import InputError, UsageError
from thsafe.home import Home
from thsafe.provenance.manifest import build_manifest
from thsafe.provenance.read import read_credentials
from thsafe.provenance.references import (
    LABEL,
    THIS_SOFTWARE,
    LogReference,
    log_reference_of,
    set_signpost,
    signpost_of,
    signpost_of_home,
)
from thsafe.provenance.rubric import check_manifest
from thsafe.provenance.sign import sign

from .conftest import facts


def test_both_are_read_back_gathered_and_meet_the_rubric(signed, trust):
    path, _ = signed
    found = read_credentials(path, trust=trust)
    assert log_reference_of(found) == LogReference(origin="thsafe.test/log", index=7, leaf_sha256="c" * 64)
    assert signpost_of(found) == "https://example.org/detector"
    claim = found.crjson["manifests"][0]["claim.v2"]
    assert sum(LABEL in item["url"] for item in claim["gathered_assertions"]) == 2
    assert all(LABEL not in item["url"] for item in claim["created_assertions"])
    # A byte string in CBOR, as the clause wants, not a list of numbers.
    location = found.crjson["manifests"][0]["assertions"][LABEL]["location"]
    assert isinstance(location["hash"], str)
    assert location["url"] == "https://log.thsafe.test.alt/entry/7"
    assert all(result.ok for result in check_manifest(path))


def test_without_a_digest_only_the_signpost():
    labels = [item["label"] for item in build_manifest(facts(log_digest=""))["assertions"]]
    assert labels.count(LABEL) == 1


def test_a_damaged_digest_is_refused():
    with pytest.raises(UsageError) as caught:
        build_manifest(facts(log_digest="cc"))
    assert caught.value.code == "provenance.digest"


def test_an_address_that_does_not_fit_the_gate_is_no_reference(clip, ring, trust, tmp_path, monkeypatch):
    """A manifest whose two ways of naming the entry differ names none."""
    monkeypatch.setattr("thsafe.provenance.references._host", lambda _: "elsewhere.alt")
    sign(clip, tmp_path / "x.mp4", facts=facts(), ring=ring, timestamp="off")
    monkeypatch.undo()
    assert log_reference_of(read_credentials(tmp_path / "x.mp4", trust=trust)) is None


def test_the_signpost_is_set_and_kept(tmp_path):
    home = Home(tmp_path / "home")
    assert signpost_of_home(home) == THIS_SOFTWARE
    set_signpost(home, "https://newsroom.example/detector")
    assert signpost_of_home(home) == "https://newsroom.example/detector"
    set_signpost(home, THIS_SOFTWARE)
    assert signpost_of_home(home) == THIS_SOFTWARE


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://plain.example/",
        "https://user:secret@x.example/",
        "https://no-dot/",
        "https://x.example/a b",
        "ftp:x",
    ],
)
def test_addresses_that_people_cannot_open(tmp_path, address):
    with pytest.raises(UsageError):
        set_signpost(Home(tmp_path), address)
    assert not (tmp_path / "signpost.json").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "other", "detector": "https://x.example"}', "{}"])
def test_a_damaged_setting_is_said(tmp_path, text):
    (tmp_path / "signpost.json").write_text(text)
    with pytest.raises(InputError) as caught:
        signpost_of_home(Home(tmp_path))
    assert caught.value.code == "provenance.signpost"


def test_the_setting_is_plain_json(tmp_path):
    set_signpost(Home(tmp_path), "https://x.example/")
    assert json.loads((tmp_path / "signpost.json").read_text())["detector"] == "https://x.example/"
