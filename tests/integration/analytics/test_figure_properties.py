"""What holds for every scene: small ones, drawn at random, stored and asked for."""

import asyncio
import secrets
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.analytics.adapters.archive import PostgresArchive
from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.analytics.domain.figures.dwell import DwellBins
from services.analytics.domain.figures.span import Span
from services.analytics.service.looking import Question
from services.analytics.service.movement import FloorQuestion, Movement
from services.analytics.service.presence import Presence
from services.analytics.service.questions import Scope
from services.common.ids import EnvironmentId
from services.common.postgres import migrate, open_pool
from tests.fakes import by_hand
from tests.fakes.scripted_scene import CAMERAS, FLOOR, STEP_US, US, ZONES, Scene
from tests.fakes.small_scenes import (
    FRAME_SETS,
    START_US,
    renamed,
    scene_of,
    scenes,
    seen_by_all,
    ways,
    with_change,
)
from tests.fakes.stored_scene import store_scene_in

SPAN = Span(START_US, START_US + FRAME_SETS * STEP_US)
EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What is told about a scene.

    Attributes:
        persons: Unique persons.
        zones: Unique persons by zone.
        occupancy: Steps by place: at the start, entered, left, most, time.
        dwell: Visits by place: how many, persons, sum, histogram.
        flow: Transitions, persons and transit by pair of zones.
        visits: Visits one by one.
        heat: Passages and dwell by cell.
    """

    persons: int
    zones: dict[str, int]
    occupancy: dict[str, list[tuple[int, ...]]]
    dwell: dict[str, tuple[Any, ...]]
    flow: dict[tuple[str, str], tuple[int, int, int]]
    visits: list[tuple[int, int, str, int]]
    heat: dict[tuple[int, int], tuple[int, int]]
    cameras: dict[str, tuple[int, int, int]]


def told(postgres_dsn: str, scene: Scene, batch: int = 25) -> Answers:
    """Store a scene, and return what is told about it."""
    name = f"scene-{secrets.token_hex(6)}"
    return asyncio.run(_told(postgres_dsn, name, scene, batch))


async def _told(postgres_dsn: str, name: str, scene: Scene, batch: int) -> Answers:
    scope = Scope(EnvironmentId(name))
    question = Question(scope, SPAN, tuple(sorted(ZONES)), tuple(sorted(CAMERAS)))
    async with open_pool(postgres_dsn, SCHEMA, max_size=1) as pool:
        await store_scene_in(pool, name, scene, batch=batch)
        archive = PostgresArchive(pool, by_hand.ABSENCE_US)
        presence, movement = Presence(archive), Movement(archive)
        unique = await presence.unique_persons(question, ())
        series = await presence.occupancy_series(question, 3 * US)
        dwells = await presence.dwell(question, DwellBins())
        flows = await presence.flow(question, 1800 * US)
        listed = await presence.visits(question, 0)
        located = any(one.position_m for one in scene.sightings)
        floor = FloorQuestion(scope, SPAN, FLOOR if located else "")
        heat = (await movement.heatmap(floor, 0.25)).heat
    visits = listed.visits
    names = [listed.zone_ids[place] for place in visits.place.tolist()]
    return Answers(
        persons=unique.persons,
        zones=dict(unique.zones),
        occupancy={
            place: list(
                zip(
                    *(
                        column.tolist()
                        for column in (
                            steps.at_start,
                            steps.entered,
                            steps.left,
                            steps.most,
                            steps.person_us,
                        )
                    ),
                    strict=True,
                )
            )
            for place, steps in series.places
        },
        dwell={
            place: (one.visits, one.persons, one.total_us, one.histogram.tolist())
            for place, one in dwells.places
        },
        cameras={
            camera_id: (one.visits, one.persons, one.total_us)
            for camera_id, one in dwells.cameras
        },
        flow={
            (flows.zone_ids[one.origin], flows.zone_ids[one.target]): (
                one.transitions,
                one.persons,
                one.transit_us,
            )
            for one in flows.flows
        },
        visits=list(
            zip(
                visits.start_us.tolist(),
                visits.person_id.tolist(),
                names,
                visits.end_us.tolist(),
                strict=True,
            )
        ),
        heat={
            (column, row): (passages, dwell_us)
            for column, row, passages, dwell_us in zip(
                heat.column.tolist(),
                heat.row.tolist(),
                heat.passages.tolist(),
                heat.dwell_us.tolist(),
                strict=True,
            )
        },
    )


def require_true(answers: Answers, scene: Scene) -> None:
    """Check answers against what hands compute."""
    visits = by_hand.visits(scene)
    assert answers.persons == len({one.person for one in visits if not one.zone})
    assert answers.visits == [
        (one.start_us, one.person, one.zone, one.end_us) for one in visits if one.zone
    ]
    found = by_hand.flows(visits, SPAN.start_us, SPAN.end_us, 1800 * US)
    assert answers.flow == {
        pair: (len(steps), len({who for who, _ in steps}), sum(us for _, us in steps))
        for pair, steps in found.items()
    }
    for place, steps in answers.occupancy.items():
        here = [one for one in visits if one.zone == place]
        for index, (at_start, entered, left, most, person_us) in enumerate(steps):
            start_us = START_US + index * 3 * US
            end_us = min(start_us + 3 * US, SPAN.end_us)
            assert min(at_start, entered, left, most, person_us) >= 0
            assert at_start == by_hand.occupancy(here, start_us)
            assert at_start + entered - left == by_hand.occupancy(here, end_us)
            assert most == by_hand.highest(here, start_us, end_us)
            assert person_us == by_hand.person_us(here, start_us, end_us)


def require_cameras(answers: Answers, scene: Scene) -> None:
    """Check appearances that ended in the range against what hands compute."""
    for camera_id, figures in answers.cameras.items():
        ended = [
            one
            for one in by_hand.appearances(scene, camera_id)
            if one.end_us < SPAN.end_us
        ]
        spent_us = sum(one.end_us - one.start_us for one in ended)
        assert figures == (len(ended), len({one.person for one in ended}), spent_us)


@pytest.fixture(scope="module", autouse=True)
def _migrated(postgres_dsn: str) -> None:
    """Make the tables once."""
    asyncio.run(migrate(postgres_dsn, SCHEMA, VERSIONS))


@EXAMPLES
@given(scene=scenes(), batch=st.integers(3, 60))
def test_every_scene_is_told_as_it_was(
    postgres_dsn: str, scene: Scene, batch: int
) -> None:
    """Counts are never negative, entries minus exits is the change of occupancy."""
    answers = told(postgres_dsn, scene, batch)
    require_true(answers, scene)
    require_cameras(answers, scene)
    assert answers.heat == by_hand.heat(scene, SPAN.start_us, SPAN.end_us)


@EXAMPLES
@given(scene=scenes())
def test_overlapping_cameras_count_a_person_once(
    postgres_dsn: str, scene: Scene
) -> None:
    """One camera or three that see the same: the same figures."""
    everywhere = told(postgres_dsn, seen_by_all(scene))
    assert replace(everywhere, cameras={}) == replace(
        told(postgres_dsn, scene), cameras={}
    )
    require_cameras(everywhere, seen_by_all(scene))


@EXAMPLES
@given(
    scene=scenes(persons=2), frame=st.integers(0, FRAME_SETS), late_s=st.integers(0, 9)
)
def test_merging_is_having_tracked_one(
    postgres_dsn: str, scene: Scene, frame: int, late_s: int
) -> None:
    """A person of two names, joined later, is told like one of one name.

    But for the heatmap, which knows identities: between the last sighting of the one
    and the first of the other, no time counts.
    """
    two = renamed(scene, 101, 201, frame)
    merged = with_change(two, "MERGED", 101, 201, FRAME_SETS * STEP_US / US + late_s)
    answers = told(postgres_dsn, merged)
    one = told(postgres_dsn, scene)
    assert replace(answers, heat={}) == replace(one, heat={})
    assert answers.heat == by_hand.heat(merged, SPAN.start_us, SPAN.end_us)


@EXAMPLES
@given(first=ways(), second=ways(), at_s=st.integers(1, 19))
def test_splitting_undoes_merging(
    postgres_dsn: str, first: list[int | None], second: list[int | None], at_s: int
) -> None:
    """Merged by mistake and split again: every figure is as before."""
    scene = scene_of({101: first, 102: second})
    merged = with_change(scene, "MERGED", 101, 102, at_s)
    undone = with_change(merged, "SPLIT", 101, 102, at_s + 1.5)
    assert told(postgres_dsn, undone) == told(postgres_dsn, scene)


@EXAMPLES
@given(way=ways(), other=ways())
def test_two_names_at_one_place_and_time_count_once(
    postgres_dsn: str, way: list[int | None], other: list[int | None]
) -> None:
    """Merged identities that were seen together add nothing to one of them."""
    alone = scene_of({101: way, 102: other})
    twice = replace(
        alone,
        sightings=tuple(
            sorted(
                (
                    *alone.sightings,
                    *(
                        replace(one, global_id=201, track=201)
                        for one in alone.sightings
                        if one.person == 101
                    ),
                ),
                key=lambda one: (one.time_us, one.global_id),
            )
        ),
    )
    merged = with_change(twice, "MERGED", 101, 201, 12.0)
    assert told(postgres_dsn, merged) == told(postgres_dsn, alone)
