"""A screenshot or portrait of another person is offered under somebody's consent."""

from __future__ import annotations

import pytest

from thsafe.core.errors import ConsentRefused


def test_other_bytes_are_another_picture(world):
    record = world.consent()
    other = world.file("screenshot.png", b"a screenshot of a public person")
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(inputs=(world.ref(other),)), [record])
    assert caught.value.code == "consent.subject-match"
    assert "screenshot.png" in caught.value.message


class Matcher:
    """Stands where face weights are installed."""

    name = "test-matcher"
    enough = 0.7

    def __init__(self, same: bool) -> None:
        self.same = same

    def same_person(self, ref, record):
        return self.same, 0.9 if self.same else 0.1


@pytest.mark.parametrize("same", [True, False])
def test_a_face_matcher_may_only_widen_to_the_same_face(world, same):
    record = world.consent()
    other = world.file("other-day.png", b"the colleague on another day")
    gate = world.new_gate(face_matcher=Matcher(same))
    request = world.request(inputs=(world.ref(other),))
    if same:
        assert gate.ask(request, [record]).decision.allowed
    else:
        with pytest.raises(ConsentRefused):
            gate.ask(request, [record])
    assert world.last_event()["consents"][0]["match"] == "test-matcher"
