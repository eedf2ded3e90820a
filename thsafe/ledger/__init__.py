"""The append-only log that can be proven."""
