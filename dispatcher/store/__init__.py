"""The memory of the house: tables, and the hot paths as set statements, on SQLite and on PostgreSQL."""
