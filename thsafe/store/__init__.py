"""Tables and connections: SQLite on one machine, PostgreSQL for several. With ledger the only user of sqlalchemy."""
