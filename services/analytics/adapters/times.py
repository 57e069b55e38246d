"""Microseconds since 1970 as the times that the tables hold."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


def to_time(time_us: int) -> datetime:
    """Return a time, UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def to_us(time: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC."""
    return (time - _EPOCH) // _US
