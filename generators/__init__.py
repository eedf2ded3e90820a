"""Engines that render talking heads; each sits behind the gate of thsafe."""

__distribution__ = "thsafe"
