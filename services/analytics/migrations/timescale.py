"""What TimescaleDB adds to the table of positions, where it is installed."""

from sqlalchemy import Connection, text

_CREATE = """
    SELECT create_hypertable(
        'positions',
        by_range('capture_time', INTERVAL '1 day'),
        create_default_indexes => FALSE
    )
"""
_COMPRESS = """
    ALTER TABLE positions SET (
        timescaledb.compress,
        timescaledb.compress_orderby = 'stay_id, capture_time'
    )
"""
_COMPRESS_LATER = "SELECT add_compression_policy('positions', INTERVAL '7 days')"

HYPERTABLE = (_CREATE, _COMPRESS, _COMPRESS_LATER)
"""Statements that make the plain table one of chunks that are compressed in time."""


def is_installed(connection: Connection) -> bool:
    """Return whether the database has TimescaleDB."""
    found = connection.execute(
        text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
    )
    return found.scalar() is not None
