"""Giving events to viewers who read as they like."""

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.live.fanout import Fanout
from services.gateway.live.view import View
from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.live_viewers import Reader, happened, tracked

MERGED = events_pb2.IDENTITY_EVENT_KIND_MERGED
SESSIONS = ("a", "b")
CAMERAS = ("north", "south")

update = st.tuples(
    st.sampled_from(SESSIONS),
    st.sets(st.sampled_from(CAMERAS), min_size=1),
    st.sets(st.integers(1, 4)),
)
step = st.one_of(update, st.just("read"), st.just("event"))


def joined(fanout: Fanout, view: View | None = None, **settings: float) -> Reader:
    """Return a reader who sees what comes from here on."""
    reader = Reader(**settings)  # type: ignore[arg-type]
    fanout.join(reader.viewer, view or View())
    return reader


def response_of(sequence: int, one: object) -> pipeline_pb2.WatchTrackingResponse:
    """Return the message of a step that is no reading."""
    if not isinstance(one, tuple):
        return happened(sequence, global_id=1)
    session_id, cameras, persons = one
    positions = {person: float(sequence) for person in persons}
    return tracked(sequence, positions, session_id=session_id, cameras=sorted(cameras))


@given(st.lists(step, max_size=80))
def test_a_slow_viewer_never_changes_what_others_get(steps: list[object]) -> None:
    """Whoever keeps up gets everything at once, whatever others leave unread."""
    fanout = Fanout()
    quick, slow = joined(fanout), joined(fanout)
    for sequence, one in enumerate(steps, start=1):
        if one == "read":
            slow.read_one(0.0)
            continue
        fanout.publish(response_of(sequence, one), 0.0)
        quick.read_one(0.0)
        assert quick.sequences[-1] == sequence
    published = [
        sequence for sequence, one in enumerate(steps, start=1) if one != "read"
    ]
    assert quick.sequences == published
    assert not quick.lost


@given(st.lists(step, max_size=120))
def test_a_slow_viewer_ends_with_the_latest_state(steps: list[object]) -> None:
    """Of each session, persons and every camera are in the end as they are."""
    fanout = Fanout()
    slow = joined(fanout, capacity=24)
    persons: dict[str, int] = {}
    cameras: dict[tuple[str, str], int] = {}
    events = 0
    for sequence, one in enumerate(steps, start=1):
        if one == "read":
            slow.read_one(0.0)
            continue
        fanout.publish(response_of(sequence, one), 0.0)
        if isinstance(one, tuple):
            persons[one[0]] = sequence
            cameras |= {(one[0], camera): sequence for camera in one[1]}
        else:
            events += 1
    if slow.lost:
        assert events > 12  # Events alone fill the queue: none may be left out.
        return
    slow.read_all(0.0)
    told = [message.update.event for message in slow.read if message.HasField("update")]
    assert slow.sequences == sorted(set(slow.sequences))
    assert sum(event.HasField("identity") for event in told) == events
    for session_id, sequence in persons.items():
        states = [event for event in told if event.tracking.session_id == session_id]
        assert states[-1].sequence == sequence
        for camera_id in CAMERAS:
            about = [
                event.sequence
                for event in states
                if any(c.frame.camera_id == camera_id for c in event.tracking.cameras)
            ]
            newest = cameras.get((session_id, camera_id))
            assert about[-1:] == ([] if newest is None else [newest])
    left_out = sum(message.coalesced.updates for message in slow.read)
    states_told = sum(event.HasField("tracking") for event in told)
    assert states_told + left_out == sum(isinstance(one, tuple) for one in steps)


def test_a_viewer_who_reads_nothing_is_given_up() -> None:
    """After the patience is over, with a reason, and nothing is kept for it."""
    fanout = Fanout()
    stuck = joined(fanout, patience_s=10.0)
    for sequence in range(1, 200):
        fanout.publish(tracked(sequence, {1: 0.0}), sequence * 0.1)
    assert stuck.lost == "nothing was read for 10 s"
    assert not stuck.viewer.waits


def test_a_quiet_environment_gives_up_stuck_viewers_too() -> None:
    """The look after everybody finds them without a new event."""
    fanout = Fanout()
    stuck = joined(fanout, patience_s=10.0)
    for sequence in range(1, 4):
        fanout.publish(tracked(sequence, {1: 0.0}), 0.0)
    fanout.flush(9.0)
    assert not stuck.lost
    fanout.flush(11.0)
    assert stuck.lost


def test_viewers_who_see_the_same_share_the_bytes() -> None:
    """A message is written once for all of a group."""
    fanout = Fanout()
    readers = [joined(fanout) for _ in range(3)]
    fanout.publish(tracked(1, {1: 0.0}), 0.0)
    assert len({id(reader.sent[0]) for reader in readers}) == 1


def test_a_token_leads_to_what_followed() -> None:
    """What is kept is given again, nothing of before and nothing twice."""
    fanout = Fanout(most_kept=10)
    for sequence in range(1, 31):
        fanout.publish(tracked(sequence, {1: 0.0}), 0.0)
    followed = fanout.following("token-25")
    assert followed is not None
    assert [one.sequence for one in followed] == [26, 27, 28, 29, 30]
    assert fanout.following("token-30") == []
    assert fanout.following("token-12") is None
    assert fanout.after(19) is None
    assert [one.sequence for one in fanout.after(20) or ()] == list(range(21, 31))


def test_what_was_missed_is_not_left_out() -> None:
    """A viewer who comes back gets more at once than its queue holds."""
    fanout = Fanout()
    for sequence in range(1, 101):
        fanout.publish(tracked(sequence, {1: 0.0}), 0.0)
    back = joined(fanout, capacity=8)
    back.viewer.catch_up(fanout.following("token-1") or [], 0.0)
    fanout.publish(tracked(101, {1: 0.0}), 0.0)
    back.read_all(0.0)
    assert back.sequences == list(range(2, 102))


def test_whoever_follows_a_person_follows_it_through_a_merge() -> None:
    """The viewer is told, and sees the other person from then on."""
    fanout = Fanout()
    reader = joined(fanout, View(global_id=2))
    fanout.publish(tracked(1, {1: 0.0, 2: 1.0}), 0.0)
    reader.read_all(0.0)
    fanout.publish(happened(2, kind=MERGED, global_id=1, other_global_id=2), 0.0)
    fanout.publish(tracked(3, {1: 0.5}), 0.0)
    reader.read_all(0.0)
    first, merge, now, last = reader.read
    assert [one.global_id for one in first.update.event.tracking.persons] == [2]
    assert merge.update.event.HasField("identity")
    assert now.subscribed.subscription.global_id == 1
    assert [one.global_id for one in last.update.event.tracking.persons] == [1]


def test_who_left_gets_nothing() -> None:
    """A viewer who left, or wants to see something else, is in no old group."""
    fanout = Fanout()
    reader = joined(fanout)
    fanout.join(reader.viewer, View(session_id="b", timeline_id="t-b"))
    assert len(fanout) == 1
    fanout.publish(tracked(1, {}, session_id="a"), 0.0)
    fanout.publish(tracked(2, {}, session_id="b"), 0.0)
    reader.read_all(0.0)
    assert reader.sequences == [2]
    fanout.leave(reader.viewer)
    fanout.publish(tracked(3, {}, session_id="b"), 0.0)
    reader.read_all(0.0)
    assert reader.sequences == [2]
    assert len(fanout) == 0
