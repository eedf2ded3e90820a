"""Model cards, fetching and safe loading."""
