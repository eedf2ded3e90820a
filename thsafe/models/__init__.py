"""Model cards, fetching and safe loading."""

from thsafe.models.card import ModelCard, all_cards, find_card
from thsafe.models.fetch import installed_path, pull

__all__ = ["ModelCard", "all_cards", "find_card", "installed_path", "pull"]
