"""Fakes made by ourselves from faces that may be used: what the shipped detector is trained and measured on."""
