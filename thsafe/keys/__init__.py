"""Keys and certificates: made, kept, opened by URI."""

from thsafe.keys.ring import KeyFacts, KeyRing

__all__ = ["KeyFacts", "KeyRing"]
