"""Whether installed weights may be used for a job: their licence must have been accepted, and the purpose must fit."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from thsafe.core.errors import PolicyRefused, UsageError
from thsafe.home import Home
from thsafe.models.card import ModelCard
from thsafe.models.fetch import receipt, require_weights

_COMMERCIAL: Final = frozenset({"advertising", "marketing", "customer-service"})
"""Of the purposes that a consent may name."""


def require_licensed(card: ModelCard, home: Home, *, purpose: str) -> Path:
    """Where the weights are, once they may be used.

    Args:
        card: which weights.
        home: where they were pulled to.
        purpose: what the output is for.

    Raises:
        MissingError: ``model.missing``.
        UsageError: ``model.licence``: nobody has accepted a licence that asks for it.
        PolicyRefused: ``model.purpose``: the purpose is a commercial one and the weights are not.
    """
    path = require_weights(card, home)
    if card.commercial_use:
        return path
    if not receipt(card, home).get("accepted"):
        raise UsageError(
            f"Nobody has accepted the licence of {card.title} here.",
            code="model.licence",
            found="the weights are there, the receipt of thsafe models pull is not",
            rule=card.licence,
            next_step=f"thsafe models pull {card.name} --file PATH --accept-noncommercial",
            log="nothing was written",
        )
    require_purpose(
        card.title,
        card.licence,
        purpose,
        next_step="use the embedded engine, whose licence allows it: add --engine embedded",
    )
    return path


def require_purpose(title: str, licence: str, purpose: str, *, next_step: str) -> None:
    """Raise PolicyRefused ``model.purpose`` where weights that forbid commercial use are asked for a commercial one."""
    if purpose in _COMMERCIAL:
        raise PolicyRefused(
            f"{title} may not be used for this purpose.",
            code="model.purpose",
            found=f"purpose {purpose}",
            rule=licence,
            next_step=next_step,
            log="nothing was written",
        )
