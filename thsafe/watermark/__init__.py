"""Invisible marks in picture and sound."""
