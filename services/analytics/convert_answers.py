"""Answers: domain to wire."""

from collections.abc import Iterator

import numpy as np

from services.analytics.convert_figures import (
    coverage_to_proto,
    duration_to_proto,
    time_to_proto,
)
from services.analytics.domain.figures.areas import Area, Areas
from services.analytics.domain.figures.dwell import Dwell, DwellBins
from services.analytics.domain.figures.heat import BASE_CELL_M
from services.analytics.domain.figures.occupancy import OccupancySteps
from services.analytics.domain.figures.speed import Speeds
from services.analytics.service.movement import Heatmap, Journey, JourneyPart
from services.analytics.service.operation import ActivitySteps
from services.analytics.service.presence import (
    Crossings,
    Flows,
    Occupancy,
    OccupancySeries,
    UniquePersons,
    VisitList,
)
from services.analytics.service.questions import Coverage
from spoton.analytics.v1 import movement_pb2, operation_pb2, presence_pb2
from spoton.common.v1 import geometry_pb2

VISITS_IN_MESSAGE = 500
POINTS_IN_MESSAGE = 1000


def occupancy_to_proto(answer: Occupancy) -> presence_pb2.GetOccupancyResponse:
    """Return who is present now."""
    message = presence_pb2.GetOccupancyResponse(
        persons=answer.persons,
        zones=[
            presence_pb2.ZoneOccupancy(zone_id=name, persons=persons)
            for name, persons in answer.zones
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


def dwell_to_proto(
    told: list[tuple[str, Dwell]], bins: DwellBins, coverage: Coverage
) -> presence_pb2.GetDwellResponse:
    """Return how long visits lasted."""
    return presence_pb2.GetDwellResponse(
        distributions=[_distribution(name, one, bins) for name, one in told],
        coverage=coverage_to_proto(coverage),
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


def heatmap_to_proto(answer: Heatmap) -> movement_pb2.GetHeatmapResponse:
    """Return where on the floor people were."""
    heat = answer.heat
    return movement_pb2.GetHeatmapResponse(
        floor_id=answer.floor_id,
        cell_size_m=answer.cell_size_m,
        cells=[
            movement_pb2.HeatmapCell(
                column=column,
                row=row,
                passages=passages,
                dwell=duration_to_proto(dwell_us),
            )
            for column, row, passages, dwell_us in zip(
                heat.column.tolist(),
                heat.row.tolist(),
                heat.passages.tolist(),
                heat.dwell_us.tolist(),
                strict=True,
            )
        ],
        dwell=duration_to_proto(int(heat.dwell_us.sum())),
        coverage=coverage_to_proto(answer.coverage),
    )


def speed_to_proto(
    floor_id: str, speeds: Speeds, percentiles: tuple[float, ...], coverage: Coverage
) -> movement_pb2.GetSpeedResponse:
    """Return how fast people moved."""
    return movement_pb2.GetSpeedResponse(
        floor_id=floor_id,
        histogram=[duration_to_proto(one) for one in speeds.needed().tolist()],
        person_time=duration_to_proto(speeds.total_us),
        mean_mps=speeds.mean_mps,
        percentiles=[
            movement_pb2.SpeedPercentile(
                percent=percent, speed_mps=speeds.percentile_mps(percent)
            )
            for percent in (percentiles if speeds.total_us else ())
        ],
        coverage=coverage_to_proto(coverage),
    )


def areas_to_proto(
    floor_id: str, areas: Areas, coverage: Coverage
) -> movement_pb2.GetFrequentAreasResponse:
    """Return where people spend their time."""
    return movement_pb2.GetFrequentAreasResponse(
        floor_id=floor_id,
        areas=[_area(area) for area in areas.found],
        elsewhere=duration_to_proto(areas.elsewhere_us),
        coverage=coverage_to_proto(coverage),
    )


def _area(area: Area) -> movement_pb2.FrequentArea:
    x_m, y_m = area.centre_m
    return movement_pb2.FrequentArea(
        centre=geometry_pb2.FloorPoint(x_m=x_m, y_m=y_m),
        hull=[geometry_pb2.FloorPoint(x_m=x_m, y_m=y_m) for x_m, y_m in area.hull_m],
        dwell=duration_to_proto(area.dwell_us),
        passages=area.passages,
        area_m2=area.cells * BASE_CELL_M**2,
    )


def journey_to_proto(journey: Journey) -> movement_pb2.StreamJourneyResponse:
    """Return whose journey follows."""
    person = journey.person
    message = movement_pb2.StreamJourneyResponse(
        person=movement_pb2.JourneyPerson(
            global_id=person.person_id,
            timeline_id=person.timeline_id,
            merged_ids=person.merged_ids,
            provisional=person.provisional,
        ),
        coverage=coverage_to_proto(journey.coverage),
    )
    if person.first_us is not None and person.last_us is not None:
        message.person.first_seen_time.CopyFrom(time_to_proto(person.first_us))
        message.person.last_seen_time.CopyFrom(time_to_proto(person.last_us))
    return message


def points_to_proto(part: JourneyPart) -> Iterator[movement_pb2.StreamJourneyResponse]:
    """Yield some points of a journey."""
    points = part.points
    columns = points.time_us, points.x_m, points.y_m, points.floor, part.legs
    messages = [
        movement_pb2.JourneyPoint(
            capture_time=time_to_proto(time_us),
            point=geometry_pb2.FloorPoint(x_m=x_m, y_m=y_m),
            floor_id=points.floor_ids[floor],
            leg=leg,
        )
        for time_us, x_m, y_m, floor, leg in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]
    for first in range(0, len(messages), POINTS_IN_MESSAGE):
        yield movement_pb2.StreamJourneyResponse(
            points=messages[first : first + POINTS_IN_MESSAGE]
        )


def camera_activity_to_proto(
    cameras: list[tuple[str, ActivitySteps]], coverage: Coverage
) -> operation_pb2.GetCameraActivityResponse:
    """Return what each camera contributed."""
    return operation_pb2.GetCameraActivityResponse(
        cameras=[
            operation_pb2.CameraSeries(camera_id=name, steps=_camera_steps(steps))
            for name, steps in cameras
        ],
        coverage=coverage_to_proto(coverage),
    )


def _camera_steps(steps: ActivitySteps) -> Iterator[operation_pb2.CameraStep]:
    for index, start_us in enumerate(steps.start_us.tolist()):
        counts = {name: int(values[index]) for name, values in steps.sums.items()}
        yield operation_pb2.CameraStep(
            start_time=time_to_proto(start_us),
            max_tracks=int(steps.most[index]),
            **counts,
        )


def pipeline_activity_to_proto(
    steps: ActivitySteps, coverage: Coverage
) -> operation_pb2.GetPipelineActivityResponse:
    """Return what the pipeline published."""
    return operation_pb2.GetPipelineActivityResponse(
        steps=_pipeline_steps(steps), coverage=coverage_to_proto(coverage)
    )


def _pipeline_steps(steps: ActivitySteps) -> Iterator[operation_pb2.PipelineStep]:
    for index, start_us in enumerate(steps.start_us.tolist()):
        updates = int(steps.sums["updates"][index])
        message = operation_pb2.PipelineStep(
            start_time=time_to_proto(start_us),
            frame_sets=updates,
            sightings=int(steps.sums["persons"][index]),
            located=int(steps.sums["located"][index]),
            max_persons=int(steps.most[index]),
        )
        if updates:
            delay_us = round(int(steps.sums["delay_us"][index]) / updates)
            message.mean_delay.FromMicroseconds(delay_us)
        yield message
