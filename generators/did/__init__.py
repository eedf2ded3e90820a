"""D-ID's service: a picture speaks on the vendor's machines; what comes back is marked, signed and logged here."""
