"""Merges and splits: what a person's history shows, and that splits undo merges."""

import random
from collections.abc import Sequence

import pytest

from spoton.common.v1 import events_pb2
from tests.fakes.history_events import Seen, identity, session, update
from tests.fakes.history_store import HistoryWriter
from tests.integration.analytics.conftest import NewWriter

Events = list[events_pb2.EnvironmentEvent]
CELLS = (
    "SELECT floor_id, hour, cell_x, cell_y, present_us, passages FROM cell_hours"
    " WHERE environment_id = %s AND (present_us, passages) <> (0, 0)"
    " ORDER BY 1, 2, 3, 4"
)
SPEEDS = (
    "SELECT floor_id, hour, speed_bin, present_us FROM speed_hours"
    " WHERE environment_id = %s AND present_us <> 0 ORDER BY 1, 2, 3"
)
STAYS = (
    "SELECT published_id, global_id, person_id, start_time, end_time, samples, hidden"
    " FROM stays WHERE environment_id = %s ORDER BY stay_id"
)
PERSONS = (
    "SELECT global_id, person_id, merged_into FROM persons"
    " WHERE environment_id = %s ORDER BY 1"
)


async def told(writer: HistoryWriter, *queries: str) -> list[list[tuple]]:
    """Return what the tables tell about an environment."""
    where = writer.lease.environment_id
    return [await writer.rows(query, where) for query in queries]


def walk(
    chance: random.Random, persons: Sequence[int], updates: int, first_s: float = 0.0
) -> Events:
    """Return updates in which persons walk at random, each with one track."""
    events = []
    for number in range(updates):
        seen = [
            Seen(
                one,
                (chance.uniform(0, 3), chance.uniform(0, 3)),
                velocity_mps=(chance.uniform(-2, 2), 0.0),
            )
            for one in persons
            if chance.random() < 0.9
        ]
        events.append(update(first_s + number / 10, seen))
    return events


@pytest.mark.parametrize("seed", range(6))
async def test_a_split_undoes_a_merge_exactly(new_writer: NewWriter, seed: int) -> None:
    """Persons, stays, cells and speeds are as if there had been no merge.

    The two were seen at once, one of them also while they were merged.
    """
    chance = random.Random(seed)
    events = walk(chance, (1, 2, 3), 40)
    later = walk(chance, (1, 3), 20, first_s=4.0)
    apart, joined = await new_writer(), await new_writer()
    await apart.write([*events, *later], chance.randint(5, 60))
    await joined.write(
        [
            *events,
            identity("merged", 1, 2, at_s=4.0, frame_set=40),
            *later,
            identity("split", 1, 2, at_s=6.0, frame_set=60),
        ],
        chance.randint(5, 60),
    )
    expected = await told(apart, CELLS, SPEEDS, PERSONS)
    assert await told(joined, CELLS, SPEEDS, PERSONS) == expected
    ((_, stays),) = [await told(joined, PERSONS, STAYS)]
    for published_id, global_id, person_id, _, _, _, hidden in stays:
        assert published_id == global_id == person_id
        assert not hidden


@pytest.mark.parametrize("seed", range(6))
async def test_merging_two_persons_equals_having_tracked_one(
    new_writer: NewWriter, seed: int
) -> None:
    """Where both were seen at once, the older counts; elsewhere both do."""
    chance = random.Random(seed)
    events = walk(chance, (1, 2), 30)
    merged, one = await new_writer(), await new_writer()
    batch = chance.randint(4, 40)
    await merged.write([*events, identity("merged", 1, 2, at_s=3.0)], batch)
    await one.write(events, batch)
    # The same by hand: what 2 adds while 1 is there goes away.
    alone = await new_writer()
    await alone.write(events, batch)
    where = one.lease.environment_id
    (covered,) = await one.rows(
        "SELECT range_agg(tstzrange(start_time, end_time)) FROM stays"
        " WHERE environment_id = %s AND published_id = 1",
        where,
    )
    (expected,) = await one.rows(
        "SELECT sum(extract(epoch FROM lasts) * 1000000)::bigint FROM ("
        " SELECT published_id, capture_time,"
        "  lead(capture_time, 1, capture_time) OVER"
        "   (PARTITION BY published_id ORDER BY capture_time) - capture_time AS lasts"
        " FROM positions JOIN stays USING (stay_id) WHERE environment_id = %s) sample"
        " WHERE published_id = 1 OR NOT %s @> capture_time",
        where,
        covered[0],
    )
    (found,) = await merged.rows(
        "SELECT sum(present_us)::bigint FROM cell_hours WHERE environment_id = %s",
        merged.lease.environment_id,
    )
    assert found == expected
    persons = (await told(merged, PERSONS))[0]
    assert persons == [(1, 1, None), (2, 1, 1)]


async def test_chains_of_merges_come_apart_one_by_one(new_writer: NewWriter) -> None:
    """A merge into a merged person leads to the last survivor, and back."""
    writer = await new_writer()
    await writer.write(walk(random.Random(1), (1, 2, 3), 10))
    await writer.write([identity("merged", 2, 3), identity("merged", 1, 2)])
    assert (await told(writer, PERSONS))[0] == [(1, 1, None), (2, 1, 1), (3, 1, 2)]
    await writer.write([identity("split", 1, 2)])
    assert (await told(writer, PERSONS))[0] == [(1, 1, None), (2, 2, None), (3, 2, 2)]
    await writer.write([identity("split", 2, 3)])
    assert (await told(writer, PERSONS))[0] == [
        (1, 1, None),
        (2, 2, None),
        (3, 3, None),
    ]
    kinds = await writer.rows(
        "SELECT kind, global_id, other_global_id FROM identity_events"
        " WHERE environment_id = %s ORDER BY identity_event_id",
        writer.lease.environment_id,
    )
    assert kinds == [
        ("merged", 2, 3),
        ("merged", 1, 2),
        ("split", 1, 2),
        ("split", 2, 3),
    ]


async def test_a_track_that_changes_hands_takes_its_past_along(
    new_writer: NewWriter,
) -> None:
    """What only that track supported is the other's; what two supported stays."""
    writer = await new_writer()
    both = {"east": 1, "west": 7}
    events = [update(i / 10, [Seen(1, tracks=both)]) for i in range(10)]
    # The track of the east ends; after the presence gap the west alone supports 1.
    events += [update(1 + i / 10, [Seen(1, tracks={"west": 7})]) for i in range(40)]
    events += [update(5 + i / 10, [Seen(2, tracks={"west": 7})]) for i in range(5)]
    events.append(identity("split", 1, 2, at_s=5.0, frame_set=51))
    await writer.write(events, 7)
    stays = await writer.rows(
        "SELECT published_id, global_id, person_id, camera_id, track_id, samples"
        " FROM stays WHERE environment_id = %s ORDER BY start_time",
        writer.lease.environment_id,
    )
    assert [row[:5] for row in stays] == [
        (1, 1, 1, None, None),
        (1, 2, 2, "west", 7),
        (2, 2, 2, "west", 7),
    ]
    split = await writer.rows(
        "SELECT split_from FROM persons WHERE environment_id = %s AND global_id = 2",
        writer.lease.environment_id,
    )
    assert split == [(1,)]


@pytest.mark.parametrize("merge_first", [True, False])
async def test_a_merge_explains_a_track_whichever_is_heard_first(
    new_writer: NewWriter,
    merge_first: bool,  # noqa: FBT001 - a parameter of pytest.
) -> None:
    """The track of a merged identity goes on as the survivor; a split undoes it."""
    writer = await new_writer()
    before = [update(i / 10, [Seen(2, tracks={"east": 5})]) for i in range(5)]
    after = [update(0.5 + i / 10, [Seen(1, tracks={"east": 5})]) for i in range(5)]
    merge = identity("merged", 1, 2, at_s=0.5, frame_set=6)
    events = [*before, merge, *after] if merge_first else [*before, *after, merge]
    await writer.write(events, 3)
    owners = (
        "SELECT published_id, global_id, person_id FROM stays"
        " WHERE environment_id = %s ORDER BY start_time"
    )
    assert (await told(writer, owners))[0] == [(2, 2, 1), (1, 1, 1)]
    await writer.write([identity("split", 1, 2, at_s=2.0, frame_set=20)])
    assert (await told(writer, owners))[0] == [(2, 2, 2), (1, 1, 1)]


async def test_tracks_that_were_seen_at_once_do_not_swap_their_past(
    new_writer: NewWriter,
) -> None:
    """Two tracks of one camera are two people, so their pasts are not exchanged."""
    writer = await new_writer()
    events = [
        update(i / 10, [Seen(1, (0, 0), {"east": 5}), Seen(2, (3, 3), {"east": 6})])
        for i in range(10)
    ]
    events += [
        update(1 + i / 10, [Seen(1, (3, 3), {"east": 6}), Seen(2, (0, 0), {"east": 5})])
        for i in range(10)
    ]
    await writer.write(events, 4)
    owners = "SELECT published_id, global_id FROM stays WHERE environment_id = %s"
    assert all(one == other for one, other in (await told(writer, owners))[0])


async def test_what_is_read_again_counts_once(new_writer: NewWriter) -> None:
    """After a seek backwards the second reading counts where it reaches."""
    writer, once = await new_writer(), await new_writer()
    first = [update(i / 10, [Seen(1, (i * 0.1, 0.0))]) for i in range(40)]
    again = [
        update(1 + i / 10, [Seen(1, (1 + i * 0.1, 0.0))], frame_set=100 + i)
        for i in range(20)
    ]
    await writer.write([*first, session("sought", at_s=4.0), *again], 3)
    await once.write(first)
    total = "SELECT sum(present_us)::bigint FROM cell_hours WHERE environment_id = %s"
    assert await told(writer, total) == await told(once, total)
    stays = await writer.rows(
        "SELECT pass, samples, hidden <> '{}' FROM stays WHERE environment_id = %s"
        " ORDER BY pass",
        writer.lease.environment_id,
    )
    assert stays == [(1, 40, True), (2, 20, False)]


async def test_timelines_have_persons_of_their_own(new_writer: NewWriter) -> None:
    """Two runs over one recording are two timelines with equal capture times."""
    writer = await new_writer()
    for timeline, person in (("timeline-1", 1), ("timeline-2", 2)):
        await writer.write(
            [
                update(
                    i / 10, [Seen(person)], timeline_id=timeline, session_id=timeline
                )
                for i in range(10)
            ]
        )
    stays = (
        "SELECT timeline_id, person_id, pass, samples FROM stays"
        " WHERE environment_id = %s"
    )
    assert sorted((await told(writer, stays))[0]) == [
        ("timeline-1", 1, 1, 10),
        ("timeline-2", 2, 1, 10),
    ]
