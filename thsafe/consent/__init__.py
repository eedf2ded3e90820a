"""Consent as signed, scoped, revocable records."""
