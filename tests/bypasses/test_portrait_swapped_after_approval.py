"""The file is exchanged between the description and the question, or between the permit and the reading."""

from __future__ import annotations

import pytest

from thsafe.core.errors import InputError, PolicyRefused


def test_swapped_before_the_question(world):
    world.consent()
    request = world.request()
    world.portrait.write_bytes(b"someone else")
    with pytest.raises(PolicyRefused) as caught:
        world.ask(request)
    assert caught.value.code == "media.job-digest"


def test_swapped_after_the_permit(world):
    world.consent()
    request = world.request()
    permit = world.ask(request)
    world.portrait.write_bytes(b"someone else")
    with pytest.raises(PolicyRefused) as caught:
        permit.verify_inputs(request, now=world.now)
    assert caught.value.code == "media.job-digest"


def test_swapped_through_a_link(world):
    world.consent()
    link = world.folder / "link.png"
    link.symlink_to(world.portrait)
    request = world.request(inputs=(world.ref(link),))
    permit = world.ask(request)
    link.unlink()
    link.symlink_to(world.file("other.png", b"someone else"))
    with pytest.raises(PolicyRefused):
        permit.verify_inputs(request, now=world.now)


def test_gone(world):
    world.consent()
    request = world.request()
    permit = world.ask(request)
    world.portrait.unlink()
    with pytest.raises(InputError):
        permit.verify_inputs(request, now=world.now)
