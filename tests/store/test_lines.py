"""Lines that stay open, and scripts of several statements on them."""

import pytest
from sqlalchemy import text

from thsafe.core.errors import StoreError
from thsafe.store import lines
from thsafe.store.driver import ask, say, undo
from thsafe.store.engine import open_engine
from thsafe.store.lines import Lines

ECHO = "PREPARE echo (text, bytea, bigint) AS SELECT $1, $2, $3, $1 IS NULL"


@pytest.fixture
def opened(postgres_url):
    engine = open_engine(postgres_url)
    phone = Lines(engine=engine)
    yield phone
    phone.close()
    engine.dispose()


def backend(connection):
    return connection.execute(text("SELECT pg_backend_pid()")).scalar_one()


def locks(phone):
    with phone.engine.connect() as connection:
        return connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar_one()


def test_values_go_and_come_as_they_are(opened):
    said = ["", "it's", "\\", "\\'; DROP TABLE log_entry; --", "%s %(own)s %", "ж\U0001f600", "E'\\x41'"]
    with opened.line() as connection:
        for value in said:
            (rows,) = ask(connection, ("EXECUTE echo", value, b"\x00'\\\xff", 1 << 61), prepare=(ECHO,))
            assert rows == [(value, b"\x00'\\\xff", 1 << 61, False)]
        assert ask(connection, ("EXECUTE echo", None, b"", -1), prepare=(ECHO,)) == [[(None, b"", -1, True)]]


def test_each_statement_has_its_rows(opened):
    with opened.line() as connection:
        script = (("BEGIN",), ("SELECT 1 UNION SELECT 2 ORDER BY 1",), ("SELECT 3 WHERE false",), ("ROLLBACK",))
        assert ask(connection, *script, prepare=()) == [[], [(1,), (2,)], [], []]


def test_what_is_prepared_outlives_what_is_undone(opened):
    with opened.line() as connection:
        say(connection, ("BEGIN",), ("EXECUTE echo", "a", b"", 1), prepare=(ECHO,))
        undo(connection)
        undo(connection)  # nothing is open any more
        assert ask(connection, ("EXECUTE echo", "b", b"", 1), prepare=(ECHO,))[0][0][0] == "b"


def test_a_line_is_used_again(opened):
    with opened.line() as first:
        own = backend(first)
        with opened.line() as second:
            assert backend(second) != own
    with opened.line() as again:
        assert backend(again) == own


def test_few_lines_rest(opened, monkeypatch):
    monkeypatch.setattr(lines, "_KEPT", 1)
    with opened.line(), opened.line(), opened.line():
        assert opened.engine.pool.checkedout() == 3
    assert opened.engine.pool.checkedout() == 1


def test_with_a_line_that_failed_its_locks_are_gone(opened):
    def hold_and_fail():
        with opened.line() as connection:
            connection.execute(text("SELECT pg_advisory_lock(7)"))
            say(connection, ("SELECT 1 / 0",), prepare=())

    with pytest.raises(StoreError) as caught:
        hold_and_fail()
    assert caught.value.code == "store.failed"
    for _ in range(100):  # the server notices at once, but not in the same moment
        if not locks(opened):
            break
    assert locks(opened) == 0
