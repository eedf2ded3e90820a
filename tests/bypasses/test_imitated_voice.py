"""A recording of somebody's voice given to be imitated, under a consent that never spoke of the voice."""

from __future__ import annotations

import pytest

from thsafe.core.errors import ConsentRefused
from thsafe.core.types import LENT_VOICE, MediaKind, Task


@pytest.fixture
def sample(world):
    return world.ref(world.file("sample.wav", b"somebody speaking"), role=LENT_VOICE, kind=MediaKind.AUDIO)


def _agree(world, sample, modes, **changes):
    from thsafe.consent.record import Reference

    return world.consent(
        scope={"modes": modes},
        references=(
            Reference(role="portrait", sha256=world.ref().sha256),
            Reference(role="voice", sha256=sample.sha256),
        ),
        **changes,
    )


def test_nobody_agreed(world, sample):
    world.own_consent()
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(inputs=(world.ref(), sample)))
    assert "@id consent.voice" in caught.value.rule
    assert "--mode voice" in caught.value.next_step
    assert "sample.wav" in caught.value.message + caught.value.rule


def test_a_consent_for_the_face_alone_does_not_lend_the_voice(world, sample):
    _agree(world, sample, ("say",))
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(inputs=(world.ref(), sample)))
    assert caught.value.code == "consent.voice"
    assert caught.value.message == "Nobody has agreed that the voice in sample.wav be imitated."


def test_a_consent_for_the_voice_alone_does_not_animate(world, sample):
    _agree(world, sample, ("voice",))
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(inputs=(world.ref(), sample)))
    assert caught.value.code == "consent.modes"


def test_self_assurance_never_lends_a_voice(world, sample):
    world.own_consent(modes=["say", "voice"], media=[sample.path])
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(inputs=(world.ref(), sample)))
    assert caught.value.code == "consent.voice"


def test_a_drawn_performer_excuses_no_borrowed_voice(world, sample):
    import dataclasses

    gate = world.new_gate(synthetic_proof=lambda _: True)
    drawn = (world.ref(performer="synthetic"), dataclasses.replace(sample, performer="synthetic"))
    with pytest.raises(ConsentRefused) as caught:
        gate.ask(world.request(inputs=drawn))
    assert caught.value.code == "consent.voice"


def test_a_collected_consent_that_names_the_voice_opens_it(world, sample):
    record = _agree(world, sample, ("say", "voice"))
    permit = world.ask(world.request(inputs=(world.ref(), sample)))
    assert set(permit.decision.consent_ids) == {record.id}
    with pytest.raises(ConsentRefused):
        world.ask(world.request(task=Task.SWAP, inputs=(world.ref(), sample)))
