"""The official lists: from a file, from the network as a function, recorded, watched for age."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from thsafe.core.errors import InputError, StoreError, UsageError
from thsafe.home import Home
from thsafe.provenance.trust import Trust, TrustKind, add_list
from thsafe.provenance.trustlists import (
    OFFICIAL,
    describe_lists,
    fetch_https,
    read_limited,
    stale_words,
    update_from_file,
    update_from_network,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def lote(ring, title="C2PA Trust List", issued="2026-08-05T00:11:39Z", status="trusted"):
    der = x509.load_pem_x509_certificate(ring.root_pem).public_bytes(Encoding.DER)
    service = {
        "ServiceName": [{"lang": "en", "value": "x"}],
        "ServiceDigitalIdentity": {"X509Certificates": [{"val": base64.b64encode(der).decode()}]},
        "ServiceStatus": f"http://c2pa.org/conformance/trust-list/{status}",
    }
    information = {
        "SchemeName": [{"lang": "en", "value": title}],
        "ListIssueDateTime": issued,
        "NextUpdate": "2027-08-05T00:11:39Z",
    }
    entities = [{"TrustedEntityServices": [{"ServiceInformation": service}]}]
    return json.dumps({"LoTE": {"ListAndSchemeInformation": information, "TrustedEntitiesList": entities}}).encode()


def taken(home, data, kind=None):
    path = home.path.parent / "list"
    path.write_bytes(data)
    return update_from_file(home, path, kind=kind, clock=lambda: NOW)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def test_json_says_what_it_is(home, ring):
    found = taken(home, lote(ring))
    assert (found.kind, found.certificates, found.stale) == ("c2pa", 1, False)
    assert (found.origin.source, found.origin.issued) == ("file", "2026-08-05T00:11:39Z")
    assert taken(home, lote(ring, "C2PA TSA Trust List")).kind == "tsa"
    assert {item.kind for item in Trust.of_home(home).lists} == {TrustKind.C2PA, TrustKind.TSA}


def test_pem_needs_a_kind(home, ring):
    with pytest.raises(UsageError):
        taken(home, ring.root_pem)
    assert taken(home, ring.root_pem, TrustKind.TSA).kind == "tsa"


def test_the_network_is_asked_for_both_or_nothing_is_kept(home, ring):
    asked = []

    def fetch(url):
        asked.append(url)
        return lote(ring, "C2PA TSA Trust List" if "TSA" in url else "C2PA Trust List")

    found = update_from_network(home, fetch=fetch, clock=lambda: NOW)
    assert asked == [item.url for item in OFFICIAL]
    assert [item.origin.source for item in found] == asked

    other = Home(home.path.parent / "other")
    with pytest.raises(UsageError):
        update_from_network(other, fetch=lambda _: lote(ring), clock=lambda: NOW)
    assert describe_lists(other, NOW) == []


def test_stale_lists_warn(home, ring):
    taken(home, lote(ring))
    assert list(stale_words(home, NOW)) == []
    assert "was due for renewal on 2027-08-05" in next(stale_words(home, NOW + timedelta(days=300)))
    taken(home, ring.root_pem, TrustKind.TSA)
    assert len(list(stale_words(home, NOW + timedelta(days=370)))) == 2


def test_an_older_list_does_not_replace_a_newer_one(home, ring):
    taken(home, lote(ring))
    with pytest.raises(InputError, match="older"):
        taken(home, lote(ring, issued="2025-08-05T00:11:39Z"))


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"LoTE": 3}', b"[" * 100_000, b"x" * ((4 << 20) + 1)])
def test_what_is_no_list(home, data):
    with pytest.raises(InputError) as caught:
        taken(home, data)
    assert caught.value.code == "trust.list"


def test_other_schemes_and_services_that_lost_trust(home, ring):
    with pytest.raises(InputError, match="no official"):
        taken(home, lote(ring, "My own list"))
    with pytest.raises(InputError):
        taken(home, lote(ring, status="withdrawn"))


def test_limits_of_the_network():
    with pytest.raises(StoreError, match="cannot be fetched"):
        fetch_https("http://127.0.0.1:9/list.json")
    with pytest.raises(ValueError, match="MiB"):
        read_limited(bytes)
    with pytest.raises(ValueError, match="longer"):
        read_limited(lambda _: b"x", seconds=0)
    pieces = [b"ab", b"c", b""]
    assert read_limited(lambda _: pieces.pop(0)) == b"abc"


def test_a_list_added_by_hand_drops_the_record_of_another(home, ring, tmp_path):
    taken(home, lote(ring))
    (tmp_path / "x.pem").write_bytes(ring.root_pem)
    add_list(home, tmp_path / "x.pem", kind=TrustKind.C2PA, name="official")
    assert describe_lists(home, NOW)[0].origin is None


def test_damaged_record(home, ring):
    taken(home, lote(ring))
    (home.path / "trust" / "official.c2pa.json").write_text("[]")
    with pytest.raises(InputError, match="damaged"):
        describe_lists(home, NOW)


def test_commands(home, ring, tmp_path, monkeypatch):
    from thsafe.cli.trust import trust

    monkeypatch.setenv("THSAFE_HOME", str(home.path))
    run = CliRunner().invoke
    assert "every signer is unknown" in run(trust, ["list"]).output
    (tmp_path / "list.json").write_bytes(lote(ring))
    assert "official (c2pa): 1 certificates" in run(trust, ["update", "--from", str(tmp_path / "list.json")]).output
    (tmp_path / "x.pem").write_bytes(ring.root_pem)
    assert run(trust, ["add", str(tmp_path / "x.pem"), "--kind", "tsa", "--name", "mine"]).exit_code == 0
    rows = json.loads(run(trust, ["list", "--json"]).output)
    assert {(row["name"], row["kind"]) for row in rows} == {("official", "c2pa"), ("mine", "tsa")}


def test_the_lists_as_published(home, shared_data):
    for name, kind, count in (("C2PA-TRUST-LIST", "c2pa", 30), ("C2PA-TSA-TRUST-LIST", "tsa", 22)):
        found = update_from_file(home, shared_data / "c2pa" / "trust-list" / f"{name}.json", kind=None)
        assert (found.kind, found.certificates) == (kind, count)
