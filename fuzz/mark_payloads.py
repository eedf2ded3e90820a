"""Fuzz the reading of watermark payloads: ``python fuzz/mark_payloads.py CORPUS [libFuzzer options]``.

Whatever a channel delivers, decoding answers with an id whose keyed check holds, or with nothing; and every id that can
be written is read again from its own clean code.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from harness import fuzz

from thsafe.core.errors import UsageError
from thsafe.watermark import payload

KEY = bytes(range(32))


def prepare(_folder: Path | None = None) -> tuple[Callable[[bytes], None], list[bytes]]:
    """The function to fuzz, and what genuine marks and noise look like."""
    code = payload.encode(KEY, "0123456789abcdef")
    clean = (64 * (1 - 2 * code.astype(np.int16))).astype("<i2").tobytes()
    written = {"0123456789abcdef"}
    size = 2 * payload.CODE_BITS

    def one_input(data: bytes) -> None:
        # eighths: bytes of any kind are numbers then, none of them infinite
        values = np.frombuffer(data[:size].ljust(size, b"\0"), "<i2") / 8
        heard = payload.decode(KEY, values)
        if heard is not None and heard not in written:
            # only a codeword of that very id may lead to it: noise must not
            sent = 1 - 2 * payload.encode(KEY, heard).astype(np.float64)
            if float(np.mean(np.sign(values) == sent)) < 0.6:
                raise AssertionError(f"noise was read as {heard}")
        text = data[:16].decode("latin-1")
        try:
            bits = payload.encode(KEY, text)
        except UsageError:
            return
        if payload.decode(KEY, 8.0 * (1 - 2 * bits.astype(np.float64))) != text.lower():
            raise AssertionError(f"{text} was written and not read")

    return one_input, [clean, b"fedcba9876543210", bytes(size), np.random.default_rng(1).bytes(size)]


if __name__ == "__main__":
    fuzz(*prepare())
