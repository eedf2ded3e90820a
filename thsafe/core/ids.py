"""Identifiers: manifest labels, watermark ids, job ids. Random, never derived from a person or a counter."""

from __future__ import annotations

import secrets
import uuid


def new_manifest_label() -> str:
    """A C2PA manifest label, ``urn:c2pa:`` and a random UUID (C2PA 2.4 §8.1), chosen before signing."""
    return f"urn:c2pa:{uuid.uuid4()}"


def new_watermark_id() -> str:
    """64 random bits as 16 hexadecimal digits: what the picture and sound marks carry."""
    return secrets.token_hex(8)


def new_job_id() -> str:
    """A random UUID for one generation job."""
    return str(uuid.uuid4())
