"""A model made of one named person, named where a first look would not see it."""

from __future__ import annotations

import pytest

from thsafe.core.errors import PolicyRefused
from thsafe.core.types import Task


@pytest.mark.parametrize(
    "changes",
    [
        {"params": {"deep_swapper_model": "author/person_320"}},
        {"params": {"processors": ["face_enhancer", "deep_swapper"]}},
        {"params": {"options": {"steps": [{"name": "deep-swapper"}]}}},
        {"params": {"model": "Deep_Swapper/author/person"}},
        {"engine": "deep_swapper"},
    ],
)
def test_it_is_refused_whoever_consents(world, changes):
    world.consent()
    with pytest.raises(PolicyRefused) as caught:
        world.ask(world.request(task=Task.SWAP, **changes))
    assert caught.value.code == "use.celebrity"


def test_its_letters_in_other_words_are_not_it(world):
    world.consent()
    world.ask(world.request(params={"model": "deep-learning swapper of colours"}))
