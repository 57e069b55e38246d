"""Answers about movement on the floor: domain to wire."""

from collections.abc import Iterator

from services.analytics.convert_questions import (
    coverage_to_proto,
    duration_to_proto,
    time_to_proto,
)
from services.analytics.domain.figures.areas import Area, Areas
from services.analytics.domain.figures.heat import BASE_CELL_M
from services.analytics.domain.figures.speed import Speeds
from services.analytics.service.movement import Heatmap, Journey, JourneyPart
from services.analytics.service.questions import Coverage
from spoton.analytics.v1 import movement_pb2
from spoton.common.v1 import geometry_pb2

POINTS_IN_MESSAGE = 1000


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
