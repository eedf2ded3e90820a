"""Talking-head video that can prove what it is, and checks for video that can't."""

__distribution__ = "thsafe"
__version__ = "0.1.0"
