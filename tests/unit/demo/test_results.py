"""What the demo makes of a session's results."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from demo import report
from demo.agreement import PairAgreement
from demo.checks import expected_problems, problems
from demo.environment import Expectation
from demo.observation import Observation, People, people_from_identities
from demo.palette import colour_of
from spoton.pipeline.v1 import pipeline_pb2
from spoton.reid.v1 import reid_pb2
from tests.unit.demo import scene

Spoil = Callable[[pipeline_pb2.Session], None]


def _text(table: Table) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_merged_identities_are_one_person() -> None:
    """An id that was published before a merge leads to the survivor."""
    people = people_from_identities(scene.identities())
    assert [person.global_id for person in people.identities] == [11, 13]
    assert people.survivor(12) == 11
    assert people.label(12) == 1
    assert people.label(99) == 0


def test_an_observation_keeps_every_update() -> None:
    """And knows who is there now, and how the session ended."""
    seen = scene.observation()
    assert len(seen.updates) == scene.FRAMES
    assert seen.persons_now() == 1
    assert seen.ending is not None
    assert Observation().persons_now() == 0


def test_a_clean_run_has_no_problems() -> None:
    """Everything adds up."""
    people = people_from_identities(scene.identities())
    assert problems(scene.session(), scene.observation(), people) == []


def _unequal(session: pipeline_pb2.Session) -> None:
    session.cameras[0].processed -= 1


def _dropped(session: pipeline_pb2.Session) -> None:
    camera = session.cameras[1]
    camera.processed -= 2
    camera.dropped.add(reason=pipeline_pb2.DROP_REASON_LATE, count=2)


def _in_flight(session: pipeline_pb2.Session) -> None:
    session.cameras[0].processed -= 1
    session.cameras[0].in_flight = 1


def _short(session: pipeline_pb2.Session) -> None:
    session.cameras[0].container_frames += 5


def _not_at_end(session: pipeline_pb2.Session) -> None:
    session.cameras[0].at_end = False


def _failed(session: pipeline_pb2.Session) -> None:
    session.state = pipeline_pb2.SESSION_STATE_FAILED
    session.error.message = "the detector is gone"


def _unpublished(session: pipeline_pb2.Session) -> None:
    session.frame_sets += 1


def _late(session: pipeline_pb2.Session) -> None:
    session.late_frames = 3


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_unequal, "camera east received 20 frames, but accounts for 19 + 0 + 0"),
        (_dropped, "camera west gave up 2 frames"),
        (_in_flight, "camera east still has 1 frames in flight"),
        (_short, "accounts for 20 frames of the 25"),
        (_not_at_end, "camera east did not reach its end"),
        (_failed, "the detector is gone"),
        (_unpublished, "21 frame sets were committed, but 20 were published"),
        (_late, "3 frames came late"),
    ],
)
def test_whatever_does_not_add_up_is_told(spoil: Spoil, told: str) -> None:
    """Each kind of trouble has a sentence, and trouble fails the run."""
    session = scene.session()
    spoil(session)
    people = people_from_identities(scene.identities())
    found = problems(session, scene.observation(), people)
    assert any(told in problem for problem in found), found


def test_seeing_nobody_is_a_problem() -> None:
    """A demo that finds no person has failed."""
    nobody = people_from_identities([])
    assert "nobody was seen" in problems(scene.session(), scene.observation(), nobody)


def test_lost_and_skipped_frames_are_accounted_for() -> None:
    """Received, lost upstream and skipped by seeking make up the file."""
    session = scene.session()
    session.cameras[0].container_frames = 30
    session.cameras[0].lost_upstream = 4
    session.cameras[0].skipped.add(first=3, end=9)
    people = people_from_identities(scene.identities())
    assert problems(session, scene.observation(), people) == []


def test_the_tables_show_the_counts() -> None:
    """Cameras, latencies, persons and how many cameras saw each."""
    people = people_from_identities(scene.identities())
    session = scene.session()
    _dropped(session)
    cameras = _text(report.camera_table(session, people))
    assert "late 2" in cameras
    assert "10 (25%)" in cameras
    assert "12.3 / 50.0" in _text(report.latency_table(session))
    persons = _text(report.people_table(people, ["west", "east"]))
    assert "P3?" in persons
    assert "P2" not in persons
    coverage = _text(report.coverage_table(people, 2)).splitlines()
    assert coverage[-2].replace("│", " ").split() == ["2", "1", "1"]


def _agreement(*free_m: float) -> tuple[PairAgreement, ...]:
    hidden_m = np.array([0.5, 0.7])
    return (PairAgreement(("east", "west"), np.array(free_m), hidden_m),)


def _known() -> Expectation:
    return Expectation(persons=1, least_presence=0.9, agreement_m=0.35)


def _only(people: list[reid_pb2.Identity], label: int) -> People:
    return people_from_identities([one for one in people if one.label == label])


def test_a_recording_that_shows_what_is_known_has_no_problems() -> None:
    """The right number of people, each all the time, and cameras that agree."""
    seen = Observation(updates=[scene.update(number) for number in range(5)])
    people = _only(scene.identities(), 1)
    assert expected_problems(_known(), seen, people, _agreement(0.2, 0.3, 2)) == []


def test_whatever_is_known_and_not_shown_is_told() -> None:
    """The count, changes of id, absences, and cameras that disagree."""
    people = people_from_identities(scene.identities())
    seen = scene.observation()
    found = expected_problems(_known(), seen, people, _agreement(0.2, 0.4, 2))
    assert found == [
        "2 persons were seen; there are 1",
        "P1 is in 5 of 20 frame sets",
        "P3 is in 0 of 20 frame sets",
        "cameras disagree by 0.40 m about free feet; 0.35 m is allowed",
    ]
    alone = _only(scene.identities(), 1)
    found = expected_problems(_known(), seen, alone, _agreement())
    assert "2 ids were published for 1" in found
    assert "no two cameras saw the free feet of one person" in found


def test_the_agreement_of_cameras_is_a_table() -> None:
    """Free and hidden feet apart, by pairs of cameras and all together."""
    text = _text(report.agreement_table(_agreement(0.1, 0.2, 0.6)))
    rows = [line.replace("│", " ").split() for line in text.splitlines()]
    values = ["3", "0.20", "m", "0.52", "m", "2", "0.60", "m", "0.68", "m"]
    assert ["east", "-", "west", *values] in rows
    assert ["all", *values] in rows
    empty = _text(report.agreement_table([])).splitlines()[-2]
    assert empty.replace("│", " ").split() == ["all", "0", "-", "-", "0", "-", "-"]


def test_neighbours_in_number_differ_in_colour() -> None:
    """Nobody is mistaken for the next person; the unknown are grey."""
    colours = [colour_of(label) for label in range(1, 30)]
    assert len(set(colours)) == len(colours)
    assert colour_of(0) == (150, 150, 150)
