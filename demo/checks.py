"""What must be true after a run over recordings."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from demo.agreement import PairAgreement, all_free_m
from demo.environment import Expectation
from demo.observation import Observation, People
from spoton.pipeline.v1 import pipeline_pb2


def problems(
    session: pipeline_pb2.Session, observation: Observation, people: People
) -> list[str]:
    """Return one sentence for everything that is not as it must be.

    Args:
        session: The session after its end.
        observation: What was published about it.
        people: Whom it saw.
    """
    found = [problem for camera in session.cameras for problem in _of_camera(camera)]
    if session.state != pipeline_pb2.SESSION_STATE_COMPLETED:
        state = pipeline_pb2.SessionState.Name(session.state)
        found.append(f"the session ended as {state}: {session.error.message or '-'}")
    if session.late_frames:
        found.append(f"{session.late_frames} frames came late")
    if len(observation.updates) != session.frame_sets:
        found.append(
            f"{session.frame_sets} frame sets were committed, but "
            f"{len(observation.updates)} were published"
        )
    if not people.identities:
        found.append("nobody was seen")
    return found


def expected_problems(
    expectation: Expectation,
    observation: Observation,
    people: People,
    agreement: Sequence[PairAgreement],
) -> list[str]:
    """Return one sentence for everything that a known recording should have shown.

    Args:
        expectation: What is known.
        observation: What was published.
        people: Whom the session saw.
        agreement: How well the cameras agree on the floor.
    """
    return _of_persons(expectation, observation, people) + _of_feet(
        expectation.agreement_m, agreement
    )


def _of_persons(
    expectation: Expectation, observation: Observation, people: People
) -> list[str]:
    """Check who was there: how many, each under one id and nearly always."""
    found = []
    sets, persons = len(observation.updates), len(people.identities)
    seen = Counter(
        person.global_id
        for update in observation.updates
        for person in update.persons
        if person.camera_ids
    )
    if persons != expectation.persons:
        found.append(f"{persons} persons were seen; there are {expectation.persons}")
    if len(seen) > persons:
        found.append(f"{len(seen)} ids were published for {persons}")
    found += [
        f"P{person.label} is in {seen[person.global_id]} of {sets} frame sets"
        for person in people.identities
        if seen[person.global_id] < expectation.least_presence * sets
    ]
    return found


def _of_feet(allowed_m: float, agreement: Sequence[PairAgreement]) -> list[str]:
    """Check that cameras agree about where free feet stand."""
    free_m = all_free_m(agreement)
    if not len(free_m):
        return ["no two cameras saw the free feet of one person"]
    median_m = float(np.median(free_m))
    if median_m <= allowed_m:
        return []
    told = f"cameras disagree by {median_m:.2f} m about free feet"
    return [f"{told}; {allowed_m} m is allowed"]


def _of_camera(camera: pipeline_pb2.CameraProgress) -> list[str]:
    """Check that every frame of a camera is accounted for and none was given up."""
    found = []
    dropped = sum(entry.count for entry in camera.dropped)
    if camera.received != camera.processed + dropped + camera.in_flight:
        found.append(
            f"received {camera.received} frames, but accounts for "
            f"{camera.processed} + {dropped} + {camera.in_flight}"
        )
    if camera.in_flight:
        found.append(f"still has {camera.in_flight} frames in flight")
    if dropped:
        found.append(f"gave up {dropped} frames of a recording")
    if not camera.at_end:
        found.append(f"did not reach its end: {camera.error.message or 'no reason'}")
    skipped = sum(part.end - part.first for part in camera.skipped)
    accounted = camera.received + camera.lost_upstream + skipped
    if camera.HasField("container_frames") and accounted != camera.container_frames:
        found.append(
            f"accounts for {accounted} frames of the {camera.container_frames} that "
            "the file states"
        )
    return [f"camera {camera.camera_id} {problem}" for problem in found]
