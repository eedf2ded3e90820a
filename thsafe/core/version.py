"""The version of this program, for whoever writes it down."""

__version__ = "0.1.0"
