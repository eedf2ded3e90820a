"""Where PostgreSQL's writers put events, and where whoever is the sequencer takes them from.

Writers put rows here without waiting for one another. The one that holds the advisory lock gives all waiting rows their
place in the log in one transaction, and an answer each. The lock belongs to a connection: when its holder dies, the
server passes it on. The table is not logged by the server, since nothing in it was promised: what is lost here with a
crash of the server was not acknowledged to its writer, who gets an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from thsafe.store import growth
from thsafe.store.driver import Rows, Statement, ask, say, undo
from thsafe.store.engine import LOCK, STALLED_SECONDS
from thsafe.store.growth import Growth, Row

_BATCH = 500
_KEPT = "1 hour"
"""Answers that nobody came for, since their writer died, go after this time."""

_DOOR = LOCK ^ 1
"""Held by the sequencer along with the lock: those who wait for it to be done wait here, and so are in nobody's way who
tries to get the lock. The lock is let go of first: whoever comes in finds it free."""

# Times are compared byte by byte, whatever the database's language. An answer is the place of the entry, whose leaf is
# read by whoever comes for it, or a refusal in JSON. A row that its writer is just withdrawing is left to it.
_STATEMENTS = f"""
PREPARE log_put (bigint, text, text, text, text) AS
INSERT INTO log_stage (number, event, uses, at) SELECT $1, $2, $3, $4 FROM log_head WHERE last_at COLLATE "C" <= $5
RETURNING number;

PREPARE log_pass AS SELECT pg_advisory_unlock_shared({_DOOR}) FROM pg_advisory_lock_shared({_DOOR});

PREPARE log_elect (bigint) AS SELECT CASE
WHEN NOT EXISTS (SELECT FROM log_stage WHERE number = $1) THEN false
WHEN pg_try_advisory_lock({LOCK}) THEN (SELECT true FROM pg_advisory_lock({_DOOR}))
ELSE (SELECT NOT pg_advisory_unlock_shared({_DOOR}) FROM pg_advisory_lock_shared({_DOOR})) END;

PREPARE log_insist AS SELECT (SELECT true FROM pg_advisory_lock({_DOOR})) FROM pg_advisory_lock({LOCK});

PREPARE log_resign AS SELECT pg_advisory_unlock({LOCK}), pg_advisory_unlock({_DOOR});

PREPARE log_take (bigint) AS
WITH taken AS (DELETE FROM log_stage WHERE number = $1 AND answer IS NOT NULL RETURNING answer)
SELECT answer, (SELECT leaf FROM log_entry WHERE position = CASE WHEN left(answer, 1) <> '{{' THEN answer::bigint END)
FROM taken;

PREPARE log_withdraw (bigint) AS DELETE FROM log_stage WHERE number = $1 AND answer IS NULL RETURNING number;

PREPARE log_waiting AS SELECT number, event, uses, at FROM log_stage WHERE answer IS NULL
ORDER BY staged_at LIMIT {_BATCH} FOR UPDATE SKIP LOCKED;

PREPARE log_answer (json) AS UPDATE log_stage SET answer = given.value, event = ''
FROM json_each_text($1) AS given WHERE log_stage.number = given.key::bigint;

PREPARE log_sweep AS DELETE FROM log_stage WHERE answer IS NOT NULL AND staged_at < now() - interval '{_KEPT}';
"""  # noqa: S608 - constants
_BEGIN = ("BEGIN",), (f"SET LOCAL idle_in_transaction_session_timeout = '{STALLED_SECONDS}s'",)

# Where another tidies, or the rows are not this user's, nothing is done; the file is not cut, for which all would wait.
_TIDY = "VACUUM (SKIP_LOCKED, TRUNCATE false) log_stage"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One staged event."""

    number: int
    event: str
    """JSON."""
    uses: str
    """JSON: consent id -> limit."""
    at: str
    """Its writer's clock, RFC 3339."""


Answer = bytes | str
"""The leaf of an entry, or JSON that says why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How it stands with one's event after one's turn came."""

    staged: bool = True
    """False where the log has a later time than its writer."""
    elected: bool
    """Whether one is the sequencer now."""
    answer: Answer | None


@dataclass(slots=True, kw_only=True)
class Batch:
    """What the sequencer has in hand, and what it wants to be written with the commit."""

    rows: Sequence[Waiting]
    """Those that wait longest, in order; nobody else's until the transaction ends."""
    head: Row
    """Of the log, in the same transaction."""
    growth: Growth | None = None
    answers: Mapping[int, int | str] = field(default_factory=dict)
    """By number: the place of the entry, or JSON that says why there is none."""


def enter(connection: Connection, number: int, *, event: str, uses: str, at: str, latest: str) -> Turn:
    """Stage an event, then become the sequencer, or wait until whoever is it has answered a batch.

    Args:
        connection: a line of one's own (``thsafe.store.lines``).
        number: chosen by its writer at random, who can so withdraw the event whatever becomes of the connection.
        event: JSON.
        uses: JSON: consent id -> limit.
        at: its writer's clock, RFC 3339.
        latest: the latest time that the log may have.
    """
    _, given, _, *rest = _ask(
        connection, ("BEGIN",), ("EXECUTE log_put", number, event, uses, at, latest), ("COMMIT",), *_turn(number)
    )
    return _turned(rest, staged=bool(given))


def turn(connection: Connection, number: int) -> Turn:
    """Become the sequencer if nobody is, or wait until whoever is it has answered a batch."""
    return _turned(_ask(connection, *_turn(number)))


def take(connection: Connection, number: int) -> Answer | None:
    """The answer to a staged event, once there is one; it can be taken once."""
    (answer,) = _ask(connection, ("EXECUTE log_take", number))
    return _answer(answer)


def withdraw(connection: Connection, number: int) -> bool:
    """Take a staged event back; False if it has been answered already, or never was staged."""
    (gone,) = _ask(connection, ("EXECUTE log_withdraw", number))
    return bool(gone)


def insist(connection: Connection, number: int) -> Turn:
    """Become the sequencer, however long it takes."""
    _, answer = _ask(connection, ("EXECUTE log_insist",), ("EXECUTE log_take", number))
    return Turn(elected=True, answer=_answer(answer))


def resign(connection: Connection) -> None:
    """Let another be the sequencer."""
    _say(connection, ("EXECUTE log_resign",))


@contextmanager
def batch(connection: Connection, *, own: int | None = None) -> Iterator[Batch]:
    """One durable transaction of the sequencer.

    Args:
        connection: of the sequencer.
        own: number of its own event; it resigns with the commit and takes the answer.

    Yields:
        Events, and room for what becomes of them.
    """
    try:
        *_, rows, head = _ask(connection, *_BEGIN, ("EXECUTE log_waiting",), ("EXECUTE log_head",))
        found = Batch(rows=[Waiting(*row) for row in rows], head=growth.head_of(head))
        yield found
        script: list[Statement] = [] if found.growth is None else growth.script_of(found.growth)
        if found.answers:
            script.append(_answering(found.answers))
        script.append(("COMMIT",))
        if own is not None:
            # Taken afterwards: whoever is interrupted between the two finds it.
            script += [("EXECUTE log_resign",), ("EXECUTE log_take", own)]
        _say(connection, *script)
    except BaseException:
        undo(connection)
        raise


def tell(connection: Connection, answers: Mapping[int, str]) -> None:
    """Tell writers what became of their events, in no batch."""
    _say(connection, _answering(answers))


def sweep(connection: Connection) -> None:
    """Remove the answers of writers that died."""
    _say(connection, ("EXECUTE log_sweep",))


def tidy(connection: Connection) -> None:
    """Give back the room of rows that are gone; outside a batch.

    The server does so by itself once a minute at most. Until then every sequencer reads through what all writers of
    that minute have left behind: after a few thousand appends that takes longer than all else.
    """
    with suppress(DBAPIError):  # what was answered stays answered
        _say(connection, (_TIDY,))


_ask = partial(ask, prepare=(growth.PREPARE, _STATEMENTS))
_say = partial(say, prepare=(growth.PREPARE, _STATEMENTS))


def _turn(number: int) -> list[Statement]:
    # Whoever is the sequencer now may have begun too soon to see the event. The next one does: oneself, or another.
    take = ("EXECUTE log_take", number)
    return [("EXECUTE log_pass",), take, ("EXECUTE log_elect", number), take]


def _turned(results: Sequence[Rows], *, staged: bool = True) -> Turn:
    _, first, ((elected,),), second = results
    return Turn(staged=staged, elected=elected, answer=_answer(first or second))


def _answering(answers: Mapping[int, int | str]) -> Statement:
    # One JSON text: the driver would quote an array of texts letter by letter.
    return "EXECUTE log_answer", json.dumps(answers)


def _answer(rows: Rows) -> Answer | None:
    if not rows:
        return None
    ((refusal, leaf),) = rows
    answer: Answer = refusal if leaf is None else leaf
    return answer
