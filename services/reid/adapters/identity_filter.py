"""Which persons a search is about, as a condition of PostgreSQL."""

from typing import Any

from services.reid.domain.identity import IdentityFilter

WANTED = """
    merged_into IS NULL AND expired_time IS NULL
    AND (%(timelines)s::text[] IS NULL OR timeline_id = ANY(%(timelines)s))
    AND (NOT %(is_seen)s OR EXISTS (
        SELECT FROM camera_sightings AS seen
        WHERE seen.global_id = one.global_id
            AND (%(cameras)s::text[] IS NULL OR camera_id = ANY(%(cameras)s))
            AND (%(start_ns)s::bigint IS NULL OR seen.last_seen_ns >= %(start_ns)s)
            AND (%(end_ns)s::bigint IS NULL OR seen.first_seen_ns < %(end_ns)s)))
"""
"""Condition on the identity `one`, with the parameters of `filter_parameters`."""


def filter_parameters(wanted: IdentityFilter) -> dict[str, Any]:
    """Return the parameters of `WANTED`."""
    narrows = (
        wanted.camera_ids,
        wanted.start_ns is not None,
        wanted.end_ns is not None,
    )
    return {
        "timelines": list(wanted.timeline_ids) or None,
        "is_seen": any(narrows),
        "cameras": list(wanted.camera_ids) or None,
        "start_ns": wanted.start_ns,
        "end_ns": wanted.end_ns,
    }
