"""A certificate that ended yesterday signs, or signed, with and without somebody who saw when."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.provenance.sign import sign
from thsafe.provenance.trust import TrustKind, add_list


@pytest.fixture(scope="module")
def expired(scene, attacks, tmp_path_factory):
    """A home whose certificate has ended since it signed ``stamped`` and ``off``."""
    folder = tmp_path_factory.mktemp("expired")
    home = Home(folder / "home")
    ring = KeyRing.create(Home(folder / "signer"), leaf_validity=timedelta(seconds=3))
    for kind in (TrustKind.C2PA, TrustKind.TSA):
        add_list(home, ring.folder / "root.pem", kind=kind, name="signer")
    attacks.remux(scene.path, folder / "plain.mp4")
    for policy in ("required", "off"):
        sign(folder / "plain.mp4", folder / f"{policy}.mp4", facts=scene.facts(), ring=ring, timestamp=policy)
    time.sleep(3.2)
    return folder, home


@pytest.mark.parametrize(("policy", "code"), [("required", "INTACT-TRUSTED"), ("off", "INTACT-UNKNOWN-SIGNER")])
def test_only_a_time_stamp_outlives_it(expired, judged, policy, code):
    folder, home = expired
    verdict, credentials, _, _ = judged(folder / f"{policy}.mp4", home)
    assert (verdict, credentials) == ("disclosed", code)
