"""What of the event log needs no store."""

from services.common.event_log import LogKeys, Retention, event_payload
from services.common.ids import EnvironmentId
from spoton.common.v1 import events_pb2

PLAZA = EnvironmentId("plaza")


def test_all_keys_of_an_environment_share_a_hash_tag() -> None:
    """A cluster keeps them in one slot."""
    keys = LogKeys(PLAZA)
    names = (*keys.append_keys, keys.named("producer:reid"))
    assert all("{plaza}" in name for name in names)
    assert len(set(names)) == 4


def test_a_payload_has_no_sequence_and_keeps_its_time() -> None:
    """The sequence is known only when the event is in the log."""
    event = events_pb2.EnvironmentEvent(environment_id="other", sequence=9)
    event.event_time.seconds = 5
    stored = events_pb2.EnvironmentEvent.FromString(event_payload(PLAZA, event))
    assert (stored.environment_id, stored.sequence) == ("plaza", 0)
    assert stored.event_time.seconds == 5
    assert event.sequence == 9


def test_retention_is_handed_over_in_milliseconds_and_bytes() -> None:
    """The script counts in the units of its clock."""
    assert Retention(keep_s=1.5, ceiling_bytes=10).script_arguments == (1500, 10)
