"""A part of the history that is read, within one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.analytics.adapters.table_reader import Columns, read_columns
from services.analytics.adapters.times import to_time
from services.analytics.domain.figures.span import IntArray, Span
from services.analytics.service.questions import Scope

IN_TIMELINES = "(%(timelines)s::text[] = '{}' OR timeline_id = ANY(%(timelines)s))"
"""Condition that a row is of a timeline that was asked for."""


class Section:
    """Reads some tables."""

    def __init__(
        self, connection: AsyncConnection[TupleRow], presence_gap_us: int
    ) -> None:
        self._connection = connection
        self._gap_us = presence_gap_us

    async def _rows(self, query: str, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the rows of a short list."""
        cursor = await self._connection.execute(query.encode(), parameters)
        return await cursor.fetchall()

    async def _columns(
        self, query: str, parameters: Mapping[str, Any], **kinds: str
    ) -> Columns:
        """Return the rows of a list that may be long."""
        return await read_columns(self._connection, query, parameters, **kinds)


def scoped(scope: Scope, span: Span | None = None, **more: object) -> dict[str, Any]:
    """Return the parameters of a query about a scope and a range."""
    parameters: dict[str, Any] = {
        "environment": scope.environment_id,
        "timelines": list(scope.timeline_ids),
        **more,
    }
    if span is not None:
        parameters["start"] = to_time(span.start_us)
        parameters["end"] = to_time(span.end_us)
    return parameters


def to_times(times_us: IntArray) -> list[datetime]:
    """Return times as PostgreSQL takes them."""
    return [to_time(time_us) for time_us in times_us.tolist()]
