"""Checks that look for traces of manipulation; none of them decides alone."""

__distribution__ = "thsafe"
