"""Whether lips and voice move together: SyncNet's distance and confidence (LSE-D, LSE-C)."""
