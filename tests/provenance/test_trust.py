import pytest

from thsafe.core.errors import InputError, UsageError
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.read import read_credentials
from thsafe.provenance.trust import Trust, TrustKind, TrustList, add_list, trust_folder


def test_without_keys_and_lists(tmp_path):
    assert Trust.of_home(Home(tmp_path)).lists == ()
    assert Trust().sdk_anchors() == []


def test_added_lists_are_read_back(tmp_path, ring, signed):
    home = Home(tmp_path / "home")
    source = tmp_path / "studio.pem"
    source.write_bytes(ring.root_pem)
    add_list(home, source, kind=TrustKind.C2PA, name="studio")
    add_list(home, source, kind=TrustKind.TSA, name="stamps")
    trust = Trust.of_home(home)
    assert [(item.name, item.kind) for item in trust.lists] == [("stamps", TrustKind.TSA), ("studio", TrustKind.C2PA)]
    found = read_credentials(signed[0], trust=trust)
    assert found.state is Ladder.INTACT_TRUSTED
    assert found.signer.trust_list == "studio"


def test_each_certificate_is_given_once(ring, tmp_path):
    other = KeyRing.create(Home(tmp_path / "other"))
    both = ring.root_pem + other.root_pem
    trust = Trust(
        (
            TrustList(name="a", kind=TrustKind.C2PA, pem=both),
            TrustList(name="b", kind=TrustKind.TSA, pem=ring.root_pem),
            TrustList(name="c", kind=TrustKind.CAWG, pem=other.root_pem),
        )
    )
    anchors = trust.sdk_anchors()
    assert len(anchors) == 2
    assert "".join(anchor["trust_anchors"] for anchor in anchors).count("BEGIN CERTIFICATE") == 2
    assert len({anchor["trust_uri"] for anchor in anchors}) == 2
    assert trust.claim_list("urn:elsewhere") is None
    assert trust.claim_list(None) is None


@pytest.mark.parametrize(
    ("kind", "name"), [(TrustKind.C2PA, "../x"), (TrustKind.C2PA, ""), (TrustKind.DEVELOPMENT, "x")]
)
def test_refused_names(tmp_path, ring, kind, name):
    source = tmp_path / "x.pem"
    source.write_bytes(ring.root_pem)
    with pytest.raises(UsageError):
        add_list(Home(tmp_path / "home"), source, kind=kind, name=name)


def test_refused_contents(tmp_path):
    home = Home(tmp_path / "home")
    (tmp_path / "x.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    for name in ("x.pem", "absent.pem"):
        with pytest.raises(InputError):
            add_list(home, tmp_path / name, kind=TrustKind.C2PA, name="x")
    assert not trust_folder(home).exists()


def test_files_must_say_what_they_are_for(tmp_path, ring):
    home = Home(tmp_path)
    trust_folder(home).mkdir()
    (trust_folder(home) / "mystery.pem").write_bytes(ring.root_pem)
    with pytest.raises(UsageError) as caught:
        Trust.of_home(home)
    assert "mystery.c2pa.pem" in caught.value.next_step
    (trust_folder(home) / "mystery.pem").rename(trust_folder(home) / "mystery.development.pem")
    with pytest.raises(UsageError):
        Trust.of_home(home)


@pytest.mark.shared
def test_official_lists_load_and_vouch_for_nothing_of_ours(shared_data, signed):
    folder = shared_data / "c2pa" / "trust-list"
    trust = Trust(
        (
            TrustList(name="c2pa", kind=TrustKind.C2PA, pem=(folder / "C2PA-TRUST-LIST.pem").read_bytes()),
            TrustList(name="tsa", kind=TrustKind.TSA, pem=(folder / "C2PA-TSA-TRUST-LIST.pem").read_bytes()),
        )
    )
    assert sum(len(item.certificates()) for item in trust.lists) > 40
    found = read_credentials(signed[0], trust=trust)
    assert found.state is Ladder.INTACT_UNKNOWN_SIGNER
    assert not found.time_stamped
