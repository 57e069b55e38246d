"""What viewers see of an event, and where everybody was."""

import pytest

from services.gateway.live.trails import TrailBook
from services.gateway.live.view import View, narrowed
from spoton.common.v1 import events_pb2
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.live_viewers import happened, tracked

BOTH = tracked(1, {1: 0.0, 2: 5.0}, cameras=("north", "south"))


def test_the_whole_view_shows_the_message_itself() -> None:
    """Nothing is copied for those who see everything."""
    assert narrowed(BOTH, View()) is BOTH


def test_a_person_is_shown_alone() -> None:
    """Tracks and positions of others are left out, cameras stay."""
    seen = narrowed(BOTH, View(global_id=2))
    assert seen is not None
    tracking = seen.event.tracking
    assert [person.global_id for person in tracking.persons] == [2]
    shown = [[one.global_id for one in c.tracks] for c in tracking.cameras]
    assert shown == [[2], [2]]
    assert len(BOTH.event.tracking.persons) == 2


def test_cameras_show_what_they_see() -> None:
    """Other cameras are left out, and persons whom no shown camera sees."""
    response = tracked(1, {1: 0.0}, cameras=("north",))
    response.event.tracking.persons.add(global_id=2, camera_ids=["south"])
    seen = narrowed(response, View(camera_ids=frozenset({"south"})))
    assert seen is not None
    assert not seen.event.tracking.cameras
    assert [one.global_id for one in seen.event.tracking.persons] == [2]


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (View(session_id="s", timeline_id="t-s"), True),
        (View(session_id="other", timeline_id="t-other"), False),
        (View(global_id=1), True),
        (View(global_id=2), True),
        (View(global_id=3), False),
    ],
)
def test_events_of_identities_reach_whom_they_concern(view: View, shown: bool) -> None:  # noqa: FBT001
    """By timeline, and by either of the two persons."""
    event = happened(1, global_id=1, other_global_id=2)
    assert (narrowed(event, view) is not None) is shown


def test_a_sign_of_life_reaches_everybody() -> None:
    """It has a token to resume at and no event."""
    alive = pipeline_pb2.WatchTrackingResponse(resume_token="t")  # noqa: S106
    assert narrowed(alive, View(global_id=7)) is alive


def add(book: TrailBook, *responses: pipeline_pb2.WatchTrackingResponse) -> None:
    """Add the updates of messages to a book."""
    for response in responses:
        book.add(response.event.tracking)


def test_trails_end_at_the_newest_position() -> None:
    """They begin so many seconds before, with at most five positions a second."""
    book = TrailBook()
    add(book, *(tracked(n, {1: n * 0.1}, time_s=n * 0.1) for n in range(1, 101)))
    (trail,) = book.trails(View(), 5.0).trails
    times = [point.capture_time.ToNanoseconds() / 1e9 for point in trail.points]
    assert times[0] == pytest.approx(5.1)
    assert times[-1] == pytest.approx(9.9)
    assert len(times) == 25
    assert trail.points[-1].point.x_m == pytest.approx(9.9)


def test_trails_are_of_whom_a_view_shows() -> None:
    """By person, by session, and by the cameras that saw the person there."""
    book = TrailBook()
    add(
        book,
        tracked(1, {1: 0.0, 2: 0.0}, session_id="a", cameras=("north",)),
        tracked(2, {3: 0.0}, session_id="b", cameras=("south",)),
    )
    views = (
        View(),
        View(global_id=2),
        View(session_id="b", timeline_id="t-b"),
        View(camera_ids=frozenset({"south"})),
    )
    shown = [[one.global_id for one in book.trails(v, 60.0).trails] for v in views]
    assert shown == [[1, 2, 3], [2], [3], [3]]


def test_old_positions_are_forgotten() -> None:
    """Whoever was not seen for longer than trails last has none."""
    book = TrailBook(keep_s=10.0)
    add(book, tracked(1, {1: 0.0}, time_s=0.0), tracked(2, {2: 0.0}, time_s=11.0))
    assert [trail.global_id for trail in book.trails(View(), 60.0).trails] == [2]


def test_a_session_that_goes_back_begins_new_trails() -> None:
    """After a seek the positions of later are not those of before."""
    book = TrailBook()
    add(book, tracked(1, {1: 0.0}, time_s=50.0), tracked(2, {1: 9.0}, time_s=10.0))
    (trail,) = book.trails(View(), 60.0).trails
    assert [point.point.x_m for point in trail.points] == [9.0]


def test_a_merge_moves_those_who_follow() -> None:
    """Others keep what they see."""
    event = happened(
        1,
        kind=events_pb2.IDENTITY_EVENT_KIND_MERGED,
        global_id=1,
        other_global_id=2,
    ).event
    assert View(global_id=2).after(event) == View(global_id=1)
    assert View(global_id=3).after(event) == View(global_id=3)
    assert View().after(event) == View()
