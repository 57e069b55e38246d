"""How the analytics are reached."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from grpc import aio

from services.analytics.convert_movement import (
    areas_to_proto,
    heatmap_to_proto,
    journey_to_proto,
    points_to_proto,
    speed_to_proto,
)
from services.analytics.convert_operation import (
    camera_activity_to_proto,
    pipeline_activity_to_proto,
)
from services.analytics.convert_presence import (
    crossings_to_proto,
    dwell_to_proto,
    flow_to_proto,
    occupancy_series_to_proto,
    occupancy_to_proto,
    unique_persons_to_proto,
    visits_to_proto,
)
from services.analytics.convert_questions import (
    cameras_from_proto,
    duration_from_proto,
    environment_id_from_proto,
    floor_question_from_proto,
    global_id_from_proto,
    names_from_proto,
    open_span_from_proto,
    question_from_proto,
    scope_from_proto,
    span_from_proto,
    step_from_proto,
)
from services.analytics.domain.figures.areas import DEFAULT_RADIUS_M
from services.analytics.domain.figures.dwell import (
    DEFAULT_PERCENTILES,
    DwellBins,
    require_percentiles,
)
from services.analytics.domain.figures.flow import DEFAULT_TRANSIT_US
from services.analytics.service.movement import Movement
from services.analytics.service.operation import Operation
from services.analytics.service.presence import Presence
from services.common.errors import InvalidInput
from spoton.analytics.v1 import (
    analytics_pb2,
    analytics_pb2_grpc,
    movement_pb2,
    operation_pb2,
    presence_pb2,
)

Context = aio.ServicerContext[Any, Any]
SERVICE_NAME = analytics_pb2.DESCRIPTOR.services_by_name["AnalyticsService"].full_name

_DEFAULT_BINS = DwellBins()
_DEFAULT_MIN_DWELL_US = 30_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """What can be asked."""

    presence: Presence
    movement: Movement
    operation: Operation


class AnalyticsServicer(analytics_pb2_grpc.AnalyticsServiceServicer):
    """Serves `spoton.analytics.v1`: converts, calls, converts."""

    def __init__(self, figures: Figures) -> None:
        self._ask = figures

    async def GetOccupancy(
        self, request: presence_pb2.GetOccupancyRequest, context: Context
    ) -> presence_pb2.GetOccupancyResponse:
        """Count who is present now."""
        zone_ids = names_from_proto(request.zone_ids, "zone_ids")
        answer = await self._ask.presence.occupancy(
            scope_from_proto(request),
            zone_ids,
            cameras_from_proto(request.camera_ids),
            include_provisional=request.include_provisional,
        )
        return occupancy_to_proto(answer)

    async def GetOccupancySeries(
        self, request: presence_pb2.GetOccupancySeriesRequest, context: Context
    ) -> presence_pb2.GetOccupancySeriesResponse:
        """Count who was present, step by step."""
        question = question_from_proto(request, cameras_from_proto(request.camera_ids))
        step_us = duration_from_proto(request.step, "step")
        answer = await self._ask.presence.occupancy_series(question, step_us)
        return await asyncio.to_thread(occupancy_series_to_proto, answer)

    async def GetUniquePersons(
        self, request: presence_pb2.GetUniquePersonsRequest, context: Context
    ) -> presence_pb2.GetUniquePersonsResponse:
        """Count different persons."""
        question = question_from_proto(request)
        camera_ids = names_from_proto(request.camera_ids, "camera_ids")
        answer = await self._ask.presence.unique_persons(question, camera_ids)
        return unique_persons_to_proto(answer)

    async def GetCrossings(
        self, request: presence_pb2.GetCrossingsRequest, context: Context
    ) -> presence_pb2.GetCrossingsResponse:
        """Count who entered and left."""
        question = question_from_proto(request)
        tripwire_ids = names_from_proto(request.tripwire_ids, "tripwire_ids")
        answer = await self._ask.presence.crossings(question, tripwire_ids)
        return crossings_to_proto(answer)

    async def GetDwell(
        self, request: presence_pb2.GetDwellRequest, context: Context
    ) -> presence_pb2.GetDwellResponse:
        """Describe how long visits lasted."""
        question = question_from_proto(request, cameras_from_proto(request.camera_ids))
        bins = DwellBins(
            width_us=duration_from_proto(request.bin_width, "bin_width")
            if request.HasField("bin_width")
            else _DEFAULT_BINS.width_us,
            count=request.bin_count or _DEFAULT_BINS.count,
            percentiles=tuple(request.percentiles) or DEFAULT_PERCENTILES,
        )
        answer = await self._ask.presence.dwell(question, bins)
        return dwell_to_proto(answer, bins)

    async def GetFlow(
        self, request: movement_pb2.GetFlowRequest, context: Context
    ) -> movement_pb2.GetFlowResponse:
        """Count who went from which zone to which."""
        question = question_from_proto(request)
        max_transit_us = DEFAULT_TRANSIT_US
        if request.HasField("max_transit"):
            max_transit_us = duration_from_proto(request.max_transit, "max_transit")
        answer = await self._ask.presence.flow(question, max_transit_us)
        return flow_to_proto(answer)

    async def StreamVisits(
        self, request: presence_pb2.StreamVisitsRequest, context: Context
    ) -> AsyncIterator[presence_pb2.StreamVisitsResponse]:
        """List visits."""
        question = question_from_proto(request)
        global_id = global_id_from_proto(request.global_id)
        found = await self._ask.presence.visits(question, global_id)
        for message in visits_to_proto(found):
            yield message

    async def GetHeatmap(
        self, request: movement_pb2.GetHeatmapRequest, context: Context
    ) -> movement_pb2.GetHeatmapResponse:
        """Measure where on the floor people were."""
        question = floor_question_from_proto(request, request.global_id)
        answer = await self._ask.movement.heatmap(question, request.cell_size_m)
        return await asyncio.to_thread(heatmap_to_proto, answer)

    async def GetSpeed(
        self, request: movement_pb2.GetSpeedRequest, context: Context
    ) -> movement_pb2.GetSpeedResponse:
        """Measure how fast people moved."""
        question = floor_question_from_proto(request, request.global_id)
        percentiles = tuple(request.percentiles) or DEFAULT_PERCENTILES
        require_percentiles(percentiles)
        floor_id, speeds, coverage = await self._ask.movement.speed(question)
        return speed_to_proto(floor_id, speeds, percentiles, coverage)

    async def GetFrequentAreas(
        self, request: movement_pb2.GetFrequentAreasRequest, context: Context
    ) -> movement_pb2.GetFrequentAreasResponse:
        """Find the areas where people spend their time."""
        question = floor_question_from_proto(request, 0)
        min_dwell_us = _DEFAULT_MIN_DWELL_US
        if request.HasField("min_dwell"):
            min_dwell_us = duration_from_proto(request.min_dwell, "min_dwell")
        found = await self._ask.movement.frequent_areas(
            question, request.radius_m or DEFAULT_RADIUS_M, min_dwell_us
        )
        return areas_to_proto(*found)

    async def StreamJourney(
        self, request: movement_pb2.StreamJourneyRequest, context: Context
    ) -> AsyncIterator[movement_pb2.StreamJourneyResponse]:
        """Tell where one person was."""
        min_interval_us = duration_from_proto(request.min_interval, "min_interval")
        if min_interval_us < 0:
            raise InvalidInput("must be 0 or more", field="min_interval")
        journey = await self._ask.movement.journey(
            environment_id_from_proto(request.environment_id),
            global_id_from_proto(request.global_id),
            open_span_from_proto(request),
        )
        yield journey_to_proto(journey)
        async for part in self._ask.movement.walk(journey, min_interval_us):
            for message in points_to_proto(part):
                yield message

    async def GetCameraActivity(
        self, request: operation_pb2.GetCameraActivityRequest, context: Context
    ) -> operation_pb2.GetCameraActivityResponse:
        """Measure what each camera contributed."""
        scope, span = scope_from_proto(request), span_from_proto(request)
        camera_ids = names_from_proto(request.camera_ids, "camera_ids")
        step_us = step_from_proto(request, request.step, span)
        found = await self._ask.operation.cameras(scope, span, step_us, camera_ids)
        return camera_activity_to_proto(*found)

    async def GetPipelineActivity(
        self, request: operation_pb2.GetPipelineActivityRequest, context: Context
    ) -> operation_pb2.GetPipelineActivityResponse:
        """Measure what the pipeline published."""
        scope, span = scope_from_proto(request), span_from_proto(request)
        step_us = step_from_proto(request, request.step, span)
        found = await self._ask.operation.pipeline(scope, span, step_us)
        return pipeline_activity_to_proto(*found)


def registration(figures: Figures) -> Callable[[aio.Server], Sequence[str]]:
    """Return what adds the service to a server."""

    def register(server: aio.Server) -> Sequence[str]:
        servicer = AnalyticsServicer(figures)
        analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(servicer, server)
        return (SERVICE_NAME,)

    return register
