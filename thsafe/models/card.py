"""What is known of a set of weights: where from, whose, under which licence. One TOML file each in ``cards/``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib import resources

from thsafe.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A model card; the fields are those of the TOML file."""

    name: str
    title: str
    engine: str
    file: str
    """Name under which the weights are kept."""
    licence: str
    commercial_use: bool
    trained_on: str
    page: str
    """Where the authors publish the weights."""
    url: str = ""
    """A direct address; empty where the authors offer none that a program may use."""
    sha256: str = ""
    """Of the file behind ``url``; empty together with it."""
    published_sha256: str = ""
    """Of the authors' own file, where that has no ``url`` and its weights also come in other files."""
    size: int = 0
    """Bytes of the authors' file, as public projects name it; 0 where they do not."""
    smallest_bytes: int = 0
    """Anything smaller is not these weights but, say, a web page saved under their name."""


def all_cards() -> tuple[ModelCard, ...]:
    """Every card that comes with thsafe, by name."""
    folder = resources.files("thsafe.models") / "cards"
    cards = [
        ModelCard(**tomllib.loads(item.read_text(encoding="utf-8")))
        for item in folder.iterdir()
        if item.name.endswith(".toml")
    ]
    return tuple(sorted(cards, key=lambda card: card.name))


def find_card(name: str) -> ModelCard:
    """The card of that name; raises UsageError ``model.unknown``."""
    cards = {card.name: card for card in all_cards()}
    if name not in cards:
        raise UsageError(
            f'There is no model called "{name}".',
            code="model.unknown",
            found=name,
            next_step="choose one of: " + ", ".join(cards),
        )
    return cards[name]
