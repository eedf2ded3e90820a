"""Exit codes of the command line: 10-19 findings, 20-29 refusals, 30-39 environment and input."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process status of ``thsafe`` means; scripts may test the ranges."""

    DONE = 0
    BUG = 1
    USAGE = 2
    TAMPERED = 10
    SIGNS_OF_SYNTHESIS = 11
    INCONCLUSIVE = 12
    REFUSED_BY_POLICY = 20
    REFUSED_CONSENT = 21
    INPUT = 30
    MISSING = 31
    ENGINE = 32
    KEYS = 33
    STORE = 34
    MARKS = 35
    LEDGER_BROKEN = 40
    BATCH_FAILURES = 50
    INTERRUPTED = 130
