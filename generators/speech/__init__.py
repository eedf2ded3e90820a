"""Voices that speak text and say when each sound begins."""
