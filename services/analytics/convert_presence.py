"""Answers about presences and visits: domain to wire."""

from collections.abc import Iterator

import numpy as np

from services.analytics.convert_questions import (
    coverage_to_proto,
    duration_to_proto,
    time_to_proto,
)
from services.analytics.domain.figures.dwell import Dwell, DwellBins
from services.analytics.domain.figures.occupancy import OccupancySteps
from services.analytics.service.presence import (
    Crossings,
    Dwells,
    Flows,
    Occupancy,
    OccupancySeries,
    UniquePersons,
    VisitList,
)
from spoton.analytics.v1 import movement_pb2, presence_pb2

VISITS_IN_MESSAGE = 500


def occupancy_to_proto(answer: Occupancy) -> presence_pb2.GetOccupancyResponse:
    """Return who is present now."""
    message = presence_pb2.GetOccupancyResponse(
        persons=answer.persons,
        zones=[
            presence_pb2.ZoneOccupancy(zone_id=name, persons=persons)
            for name, persons in answer.zones
        ],
        cameras=[
            presence_pb2.CameraOccupancy(camera_id=name, persons=persons)
            for name, persons in answer.cameras
        ],
        coverage=coverage_to_proto(answer.coverage),
    )
    if answer.as_of_us is not None:
        message.as_of_time.CopyFrom(time_to_proto(answer.as_of_us))
    return message


def occupancy_series_to_proto(
    answer: OccupancySeries,
) -> presence_pb2.GetOccupancySeriesResponse:
    """Return who was present, step by step."""
    covered_us = answer.covered_us.tolist()
    return presence_pb2.GetOccupancySeriesResponse(
        series=[
            presence_pb2.OccupancySeries(
                zone_id=name, steps=_occupancy_steps(steps, covered_us)
            )
            for name, steps in answer.places
        ],
        cameras=[
            presence_pb2.CameraOccupancySeries(
                camera_id=name, steps=_occupancy_steps(steps, covered_us)
            )
            for name, steps in answer.cameras
        ],
        coverage=coverage_to_proto(answer.coverage),
    )


def _occupancy_steps(
    steps: OccupancySteps, covered_us: list[int]
) -> Iterator[presence_pb2.OccupancyStep]:
    columns = (
        steps.start_us,
        steps.at_start,
        steps.entered,
        steps.left,
        steps.most,
        steps.person_us,
    )
    for (start_us, at_start, entered, left, most, person_us), known_us in zip(
        zip(*(column.tolist() for column in columns), strict=True),
        covered_us,
        strict=True,
    ):
        yield presence_pb2.OccupancyStep(
            start_time=time_to_proto(start_us),
            persons_at_start=at_start,
            entered=entered,
            left=left,
            max_persons=most,
            person_time=duration_to_proto(person_us),
            covered=duration_to_proto(known_us),
            mean_persons=person_us / known_us if known_us else None,
        )


def unique_persons_to_proto(
    answer: UniquePersons,
) -> presence_pb2.GetUniquePersonsResponse:
    """Return how many different persons there were."""
    return presence_pb2.GetUniquePersonsResponse(
        persons=answer.persons,
        provisional=answer.provisional,
        zones=[
            presence_pb2.ZonePersons(zone_id=name, persons=persons)
            for name, persons in answer.zones
        ],
        cameras=[
            presence_pb2.CameraPersons(camera_id=name, persons=persons)
            for name, persons in answer.cameras
        ],
        coverage=coverage_to_proto(answer.coverage),
    )


def crossings_to_proto(answer: Crossings) -> presence_pb2.GetCrossingsResponse:
    """Return who entered and left."""
    return presence_pb2.GetCrossingsResponse(
        zones=[
            presence_pb2.ZoneCrossings(
                zone_id=name,
                entries=int(steps.entered[0]),
                exits=int(steps.left[0]),
                persons_at_start=int(steps.at_start[0]),
                persons_at_end=steps.at_end,
            )
            for name, steps in answer.zones
        ],
        tripwires=[
            presence_pb2.TripwireCrossings(
                tripwire_id=name, left_to_right=there, right_to_left=back
            )
            for name, there, back in answer.tripwires
        ],
        coverage=coverage_to_proto(answer.coverage),
    )


def dwell_to_proto(answer: Dwells, bins: DwellBins) -> presence_pb2.GetDwellResponse:
    """Return how long visits lasted."""
    return presence_pb2.GetDwellResponse(
        distributions=[_distribution(name, one, bins) for name, one in answer.places],
        cameras=[
            presence_pb2.CameraDwell(
                camera_id=name, distribution=_distribution("", one, bins)
            )
            for name, one in answer.cameras
        ],
        coverage=coverage_to_proto(answer.coverage),
    )


def _distribution(
    name: str, dwell: Dwell, bins: DwellBins
) -> presence_pb2.DwellDistribution:
    message = presence_pb2.DwellDistribution(
        zone_id=name,
        visits=dwell.visits,
        persons=dwell.persons,
        total=duration_to_proto(dwell.total_us),
        histogram=dwell.histogram.tolist(),
    )
    if dwell.visits:
        mean_us = round(dwell.total_us / dwell.visits)
        message.mean.CopyFrom(duration_to_proto(mean_us))
        message.longest.CopyFrom(duration_to_proto(dwell.longest_us))
        message.percentiles.extend(
            presence_pb2.DwellPercentile(
                percent=percent, duration=duration_to_proto(length_us)
            )
            for percent, length_us in zip(
                bins.percentiles, dwell.percentiles_us, strict=True
            )
        )
    return message


def flow_to_proto(answer: Flows) -> movement_pb2.GetFlowResponse:
    """Return who went from which zone to which."""
    return movement_pb2.GetFlowResponse(
        flows=[
            movement_pb2.ZoneFlow(
                from_zone_id=answer.zone_ids[flow.origin],
                to_zone_id=answer.zone_ids[flow.target],
                transitions=flow.transitions,
                persons=flow.persons,
                mean_transit=duration_to_proto(
                    round(flow.transit_us / flow.transitions)
                ),
            )
            for flow in answer.flows
        ],
        coverage=coverage_to_proto(answer.coverage),
    )


def visits_to_proto(answer: VisitList) -> Iterator[presence_pb2.StreamVisitsResponse]:
    """Yield visits in parts; the first part comes in any case."""
    visits, coverage = answer.visits, coverage_to_proto(answer.coverage)
    for first in range(0, max(len(visits), 1), VISITS_IN_MESSAGE):
        part = visits[np.arange(first, min(first + VISITS_IN_MESSAGE, len(visits)))]
        yield presence_pb2.StreamVisitsResponse(
            visits=[
                presence_pb2.Visit(
                    zone_id=answer.zone_ids[place],
                    timeline_id=answer.timelines[person_id],
                    global_id=person_id,
                    enter_time=time_to_proto(start_us),
                    exit_time=time_to_proto(end_us),
                )
                for person_id, place, start_us, end_us in zip(
                    part.person_id.tolist(),
                    part.place.tolist(),
                    part.start_us.tolist(),
                    part.end_us.tolist(),
                    strict=True,
                )
            ],
            coverage=None if first else coverage,
        )
