"""Policy as data (Cedar) and the pure engine that asks it."""

__distribution__ = "thsafe"
