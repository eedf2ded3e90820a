import dataclasses

from thsafe.provenance.ladder import Ladder
from thsafe.provenance.manifest import Ingredient
from thsafe.provenance.read import read_credentials
from thsafe.provenance.recover import Recovery
from thsafe.provenance.sign import sign
from thsafe.provenance.tree import tree_lines

from .conftest import facts


def test_tree_of_a_nested_file(signed, ring, trust, tmp_path):
    parent = Ingredient(path=signed[0], relationship="parentOf", title="footage", media_type="video/mp4")
    script = Ingredient(path=None, relationship="inputTo", title="script", media_type="text/plain")
    target = tmp_path / "out.mp4"
    sign(signed[0], target, facts=facts(), ingredients=(parent, script), ring=ring)
    lines = tree_lines(read_credentials(target, trust=trust))
    text = "\n".join(lines)
    assert lines[0] == "INTACT-DEVELOPMENT"
    assert "(development certificate)" in text
    assert 'addedText digitalCreation "AI-generated"' in text
    assert "parentOf: footage (video/mp4), signed by thsafe development claim signer" in text
    assert lines[-1].startswith("└─ ") or lines[-1].startswith("   ")


def test_tree_of_recovered_credentials_shows_what_they_are_worth(clip, signed, trust):
    found = read_credentials(clip, trust=trust, manifest_bytes=signed[1].manifest_bytes)
    recovery = Recovery(state=Ladder.RECOVERED_SIMILAR, reasons=("looks alike",))
    assert tree_lines(found)[0] == "BROKEN"
    assert tree_lines(found, recovery)[:2] == ("RECOVERED-SIMILAR", "  looks alike")


def test_tree_of_nothing(clip, trust):
    lines = tree_lines(read_credentials(clip, trust=trust))
    assert lines[0] == "NONE"
    assert len(lines) == 2


def test_strangers_cannot_drive_the_terminal(signed, trust):
    found = dataclasses.replace(read_credentials(signed[0], trust=trust), title="\x1b]0;owned\x07\n" + "x" * 500)
    lines = tree_lines(found)
    assert all(line.isprintable() and len(line) <= 200 for line in lines)
