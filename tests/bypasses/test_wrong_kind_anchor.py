"""A certificate that was let in for time stamps is used to sign claims."""

from __future__ import annotations

import pytest

from thsafe.home import Home
from thsafe.provenance.sign import sign
from thsafe.provenance.trust import TrustKind, add_list


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (TrustKind.TSA, "INTACT-UNKNOWN-SIGNER"),
        (TrustKind.CAWG, "INTACT-UNKNOWN-SIGNER"),
        (TrustKind.LEGACY, "INTACT-LEGACY-LIST"),
        (TrustKind.C2PA, "INTACT-TRUSTED"),
    ],
)
def test_an_anchor_vouches_for_its_own_kind(scene, judged, attacks, tmp_path, kind, code):
    home = Home(tmp_path / "home")
    add_list(home, scene.stranger.folder / "root.pem", kind=kind, name="stranger")
    attacks.remux(scene.path, tmp_path / "plain.mp4")
    sign(tmp_path / "plain.mp4", tmp_path / "signed.mp4", facts=scene.facts(), ring=scene.stranger)
    verdict, credentials, _, _ = judged(tmp_path / "signed.mp4", home)
    assert (verdict, credentials) == ("disclosed", code)
