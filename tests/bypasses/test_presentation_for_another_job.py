"""A recorded presentation is used with other audio, other words, another purpose."""

from __future__ import annotations

import dataclasses

import pytest

from thsafe.consent.files import write_json
from thsafe.consent.present import present
from thsafe.core.errors import ConsentRefused
from thsafe.core.types import MediaKind


def test_a_presentation_is_for_one_job(world):
    record = world.consent(keep=False)
    voice = world.ref(world.file("voice.wav", b"what was agreed"), role="voice", kind=MediaKind.AUDIO)
    request = world.request(inputs=(world.ref(), voice))
    shown = world.folder / "shown.json"
    key = world.ring.gate_key()
    write_json(shown, present(record, key, job=request.digest(), gate=world.gate.did, created=world.now))
    other = world.ref(world.file("other.wav", b"what was not"), role="voice", kind=MediaKind.AUDIO)
    with pytest.raises(ConsentRefused) as caught:
        world.ask(dataclasses.replace(request, inputs=(world.ref(), other)), [shown])
    assert "consent.holder-proof" in caught.value.rule
    with pytest.raises(ConsentRefused):
        world.ask(dataclasses.replace(request, purpose="advertising"), [shown])
    assert world.ask(request, [shown]).decision.allowed
