"""Versions of the tables: made step by step, equal to what queries expect; older and newer ones refused in words."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from thsafe.store import schema
from thsafe.store.engine import open_engine, reading
from thsafe.store.migrations import STEPS


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    return (
        request.getfixturevalue("postgres_url") if request.param == "postgresql" else f"sqlite:///{tmp_path / 'a.db'}"
    )


def test_steps_lead_to_the_tables_that_queries_expect(url):
    assert list(STEPS) == list(range(1, schema.SCHEMA_VERSION + 1))
    engine = open_engine(url)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()
