"""Tables behind one engine: SQLite or PostgreSQL."""
