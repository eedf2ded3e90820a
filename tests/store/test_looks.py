"""The index of looks: on both databases it answers as if everything were compared with everything."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select

from thsafe.core.looks import REACH, Look
from thsafe.store import schema
from thsafe.store.engine import open_engine, reading, writing
from thsafe.store.looks import Realm, forget_looks, insert_looks, near, parts_of, rows_of

# Kept looks lie close to one another, so that every distance occurs.
RANDOM = Random(12)
CENTRES = [RANDOM.getrandbits(256) for _ in range(3)]


def apart(left: bytes, right: bytes) -> int:
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).bit_count()


def turned(number: int, bits: set[int]) -> bytes:
    for bit in bits:
        number ^= 1 << bit
    return number.to_bytes(32, "big")


@st.composite
def looks(draw: st.DrawFn) -> Look:
    bits = draw(st.sets(st.integers(0, 255), max_size=36))
    return Look(bits=turned(draw(st.sampled_from(CENTRES)), bits), whole=draw(st.booleans()))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request, tmp_path_factory):
    if request.param == "postgresql":
        from sqlalchemy import create_engine, make_url, text

        address = make_url(request.getfixturevalue("postgres_server")).set(drivername="postgresql+psycopg")
        server = create_engine(address, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.execute(text("CREATE DATABASE thsafe_looks"))
        opened = open_engine(address.set(drivername="postgresql", database="thsafe_looks").render_as_string(False))
        yield opened
        opened.dispose()
        with server.connect() as connection:
            connection.execute(text("DROP DATABASE thsafe_looks"))
        server.dispose()
        return
    opened = open_engine(f"sqlite:///{tmp_path_factory.mktemp('looks') / 'a.db'}")
    yield opened
    opened.dispose()


def ask(engine, asked, **how):
    with reading(engine) as connection:
        return {(item.owner, item.bits, item.whole) for item in near(connection, Realm.OUTPUT, asked, **how)}


def within(found, asked, reach, *, whole_only=False):
    """Of what was found, what is within reach of something asked."""
    return {
        (owner, bits, whole)
        for owner, bits, whole in found
        if (whole or not whole_only) and any(apart(bits, look.bits) <= reach for look in asked if whole or look.whole)
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.lists(looks(), max_size=30), asked=st.lists(looks(), min_size=1, max_size=12))
def test_answers_as_if_all_were_compared(engine, kept, asked):
    with writing(engine) as connection:
        connection.execute(delete(schema.look))
        for owner, look in enumerate(kept):
            insert_looks(connection, Realm.OUTPUT, owner, [look])
    everything = {(owner, look.bits, look.whole) for owner, look in enumerate(kept)}
    found = set()
    for away, reach in enumerate(REACH):
        found |= ask(engine, asked, away=away)
        assert within(found, asked, reach) == within(everything, asked, reach)
        assert found <= everything
    found = ask(engine, asked, away=0, whole_only=True)
    assert within(found, asked, REACH[0], whole_only=True) == within(everything, asked, REACH[0], whole_only=True)
    assert all(whole for _, _, whole in found)


def test_the_worst_case_is_found(engine):
    """As many differing bits as REACH says, spread over the parts as badly as can be."""
    asked = Look(bits=bytes(32), whole=True)
    starts, bits = [0, 24, 48, *range(72, 256, 23)], set()
    for place, start in enumerate(starts):
        bits |= {255 - start - step for step in range(2 if place == 0 else 3)}
    assert len(bits) == REACH[-1] + 1
    for dropped in bits:
        with writing(engine) as connection:
            connection.execute(delete(schema.look))
            insert_looks(connection, Realm.OUTPUT, 7, [Look(bits=turned(0, bits - {dropped}), whole=False)])
        assert {owner for away in range(3) for owner, _, _ in ask(engine, [asked], away=away)} == {7}


def test_realms_are_looked_up_apart_and_forgotten(engine):
    look = Look(bits=turned(CENTRES[0], {1}), whole=True)
    with writing(engine) as connection:
        connection.execute(delete(schema.look))
        for realm in Realm:
            insert_looks(connection, realm, 5, [look, Look(bits=look.bits, whole=False)])
            insert_looks(connection, realm, 6, [look])
        insert_looks(connection, Realm.OUTPUT, 9, [])
        forget_looks(connection, Realm.OUTPUT, [5])
        count = connection.execute(select(func.count()).select_from(schema.look)).scalar_one()
    assert count == 4
    assert ask(engine, [look], away=0) == {(6, look.bits, True)}


def test_parts_are_the_bits_in_order():
    bits = turned(CENTRES[1], set())
    text = "".join(f"{part:0{width}b}" for part, width in zip(parts_of(bits), schema.LOOK_WIDTHS, strict=True))
    assert int(text, 2) == CENTRES[1]


def test_many_views_at_once(engine):
    asked = [Look(bits=RANDOM.randbytes(32), whole=number % 3 > 0, frame=number) for number in range(30)]
    with writing(engine) as connection:
        connection.execute(delete(schema.look))
        connection.execute(insert(schema.look), rows_of(Realm.OUTPUT, 1, asked))
    found = {item for away in range(3) for item in ask(engine, asked, away=away)}
    assert len(found) == sum(look.whole for look in asked) == 20  # parts are not held against parts
