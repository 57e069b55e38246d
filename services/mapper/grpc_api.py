"""How the mapper is reached."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from grpc import aio

from services.common.answer_stream import answer_in_order
from services.common.auth import current_caller
from services.common.drain import DrainSignal
from services.mapper.convert.calibration_import import (
    calibration_source_from_proto,
    calibrations_imported_to_proto,
)
from services.mapper.convert.environment import (
    calibration_from_proto,
    calibration_to_proto,
    camera_from_proto,
    camera_to_proto,
    environment_from_proto,
    environment_to_proto,
    floor_plan_from_proto,
    floor_plan_to_proto,
    image_size_from_proto,
    point_pair_from_proto,
    stored_calibration_to_proto,
    zone_from_proto,
    zone_to_proto,
)
from services.mapper.convert.lens import lens_from_proto
from services.mapper.convert.names import (
    environment_id_from_proto,
    etag_from_proto,
    ids_from_proto,
    page_from_proto,
)
from services.mapper.convert.projection import foot_points_from_proto, located_to_proto
from services.mapper.domain.fitting import DEFAULT_INLIER_THRESHOLD_M
from services.mapper.grpc_tripwires import SERVICE_NAME as TRIPWIRE_SERVICE_NAME
from services.mapper.grpc_tripwires import TripwireServicer
from services.mapper.project_stream import WINDOW, ProjectStream
from services.mapper.service.calibration_import import CalibrationImport
from services.mapper.service.calibrations import Calibrations
from services.mapper.service.cameras import Cameras
from services.mapper.service.environments import Environments
from services.mapper.service.exchange import Exchange
from services.mapper.service.floor_plans import FloorPlans
from services.mapper.service.projection import Projection
from services.mapper.service.tripwires import Tripwires
from services.mapper.service.zones import Zones
from spoton.mapper.v1 import mapper_pb2 as pb
from spoton.mapper.v1 import mapper_pb2_grpc, tripwire_pb2_grpc

Context = aio.ServicerContext[Any, Any]
SERVICE_NAME = "spoton.mapper.v1.MapperService"


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the mapper does."""

    environments: Environments
    exchange: Exchange
    cameras: Cameras
    zones: Zones
    tripwires: Tripwires
    calibrations: Calibrations
    calibration_import: CalibrationImport
    floor_plans: FloorPlans
    projection: Projection


class MapperServicer(mapper_pb2_grpc.MapperServiceServicer):
    """Serves `spoton.mapper.v1`: converts, calls, converts."""

    def __init__(self, use_cases: UseCases, drain: DrainSignal) -> None:
        self._do = use_cases
        self._drain = drain

    async def Project(
        self, request_iterator: AsyncIterator[pb.ProjectRequest], context: Context
    ) -> AsyncIterator[pb.ProjectResponse]:
        """Locate the frames of one camera."""
        stream = ProjectStream(self._do.projection)
        async for answer in answer_in_order(
            request_iterator, stream, window=WINDOW, drain=self._drain
        ):
            yield answer

    async def ProjectPoints(
        self, request: pb.ProjectPointsRequest, context: Context
    ) -> pb.ProjectPointsResponse:
        """Locate points, once."""
        ids = ids_from_proto(request, "camera_id")
        feet = foot_points_from_proto(request.foot_points)
        located = await self._do.projection.project(*ids, feet)
        return pb.ProjectPointsResponse(points=located_to_proto(located))

    async def CreateEnvironment(
        self, request: pb.CreateEnvironmentRequest, context: Context
    ) -> pb.CreateEnvironmentResponse:
        """Add an environment."""
        environment = environment_from_proto(request.environment)
        created = await self._do.environments.create(environment)
        return pb.CreateEnvironmentResponse(environment=environment_to_proto(created))

    async def GetEnvironment(
        self, request: pb.GetEnvironmentRequest, context: Context
    ) -> pb.GetEnvironmentResponse:
        """Return an environment."""
        environment_id = environment_id_from_proto(request)
        found = await self._do.environments.get(environment_id)
        return pb.GetEnvironmentResponse(environment=environment_to_proto(found))

    async def ListEnvironments(
        self, request: pb.ListEnvironmentsRequest, context: Context
    ) -> pb.ListEnvironmentsResponse:
        """Return a page of the environments that the caller may read."""
        readable = current_caller().environments("environments:read")
        page = await self._do.environments.list(page_from_proto(request), readable)
        return pb.ListEnvironmentsResponse(
            environments=map(environment_to_proto, page.entries),
            next_page_token=page.next_page_token,
        )

    async def UpdateEnvironment(
        self, request: pb.UpdateEnvironmentRequest, context: Context
    ) -> pb.UpdateEnvironmentResponse:
        """Replace an environment's own fields."""
        etag = etag_from_proto(request.environment.etag, "environment.etag")
        environment = environment_from_proto(request.environment)
        updated = await self._do.environments.update(environment, etag)
        return pb.UpdateEnvironmentResponse(environment=environment_to_proto(updated))

    async def DeleteEnvironment(
        self, request: pb.DeleteEnvironmentRequest, context: Context
    ) -> pb.DeleteEnvironmentResponse:
        """Delete an environment with all that lies in it."""
        environment_id = environment_id_from_proto(request)
        etag = etag_from_proto(request.etag, "etag")
        await self._do.environments.delete(environment_id, etag)
        return pb.DeleteEnvironmentResponse()

    async def ExportEnvironment(
        self, request: pb.ExportEnvironmentRequest, context: Context
    ) -> pb.ExportEnvironmentResponse:
        """Write an environment as a document."""
        environment_id = environment_id_from_proto(request)
        document = await self._do.exchange.export(environment_id)
        return pb.ExportEnvironmentResponse(document=document)

    async def ImportEnvironment(
        self, request: pb.ImportEnvironmentRequest, context: Context
    ) -> pb.ImportEnvironmentResponse:
        """Make an environment be what a document says."""
        environment_id = environment_id_from_proto(request)
        imported = await self._do.exchange.import_(environment_id, request.document)
        return pb.ImportEnvironmentResponse(
            environment=environment_to_proto(imported.environment),
            created=imported.created,
            updated=imported.updated,
            unchanged=imported.unchanged,
        )

    async def CreateCamera(
        self, request: pb.CreateCameraRequest, context: Context
    ) -> pb.CreateCameraResponse:
        """Add a camera."""
        own = environment_id_from_proto(request.camera, path="camera")
        created = await self._do.cameras.create(own, camera_from_proto(request.camera))
        return pb.CreateCameraResponse(camera=camera_to_proto(own, created))

    async def GetCamera(
        self, request: pb.GetCameraRequest, context: Context
    ) -> pb.GetCameraResponse:
        """Return a camera."""
        ids = ids_from_proto(request, "camera_id")
        found = await self._do.cameras.get(*ids)
        return pb.GetCameraResponse(camera=camera_to_proto(ids[0], found))

    async def ListCameras(
        self, request: pb.ListCamerasRequest, context: Context
    ) -> pb.ListCamerasResponse:
        """Return a page of cameras."""
        own = environment_id_from_proto(request)
        page = await self._do.cameras.list(own, page_from_proto(request))
        return pb.ListCamerasResponse(
            cameras=[camera_to_proto(own, one) for one in page.entries],
            next_page_token=page.next_page_token,
        )

    async def UpdateCamera(
        self, request: pb.UpdateCameraRequest, context: Context
    ) -> pb.UpdateCameraResponse:
        """Replace a camera."""
        own = environment_id_from_proto(request.camera, path="camera")
        etag = etag_from_proto(request.camera.etag, "camera.etag")
        camera = camera_from_proto(request.camera)
        updated = await self._do.cameras.update(own, camera, etag)
        return pb.UpdateCameraResponse(camera=camera_to_proto(own, updated))

    async def DeleteCamera(
        self, request: pb.DeleteCameraRequest, context: Context
    ) -> pb.DeleteCameraResponse:
        """Delete a camera."""
        ids = ids_from_proto(request, "camera_id")
        await self._do.cameras.delete(*ids, etag_from_proto(request.etag, "etag"))
        return pb.DeleteCameraResponse()

    async def GetCameraCredentials(
        self, request: pb.GetCameraCredentialsRequest, context: Context
    ) -> pb.GetCameraCredentialsResponse:
        """Return what a camera's address is opened with."""
        ids = ids_from_proto(request, "camera_id")
        url, kept = await self._do.cameras.credentials(*ids)
        return pb.GetCameraCredentialsResponse(
            url=url,
            username=kept.username if kept else "",
            password=kept.password if kept else "",
        )

    async def CreateZone(
        self, request: pb.CreateZoneRequest, context: Context
    ) -> pb.CreateZoneResponse:
        """Add a zone."""
        own = environment_id_from_proto(request.zone, path="zone")
        created = await self._do.zones.create(own, zone_from_proto(request.zone))
        return pb.CreateZoneResponse(zone=zone_to_proto(own, created))

    async def GetZone(
        self, request: pb.GetZoneRequest, context: Context
    ) -> pb.GetZoneResponse:
        """Return a zone."""
        ids = ids_from_proto(request, "zone_id")
        found = await self._do.zones.get(*ids)
        return pb.GetZoneResponse(zone=zone_to_proto(ids[0], found))

    async def ListZones(
        self, request: pb.ListZonesRequest, context: Context
    ) -> pb.ListZonesResponse:
        """Return a page of zones."""
        own = environment_id_from_proto(request)
        page = await self._do.zones.list(own, page_from_proto(request))
        return pb.ListZonesResponse(
            zones=[zone_to_proto(own, one) for one in page.entries],
            next_page_token=page.next_page_token,
        )

    async def UpdateZone(
        self, request: pb.UpdateZoneRequest, context: Context
    ) -> pb.UpdateZoneResponse:
        """Replace a zone."""
        own = environment_id_from_proto(request.zone, path="zone")
        etag = etag_from_proto(request.zone.etag, "zone.etag")
        zone = zone_from_proto(request.zone)
        updated = await self._do.zones.update(own, zone, etag)
        return pb.UpdateZoneResponse(zone=zone_to_proto(own, updated))

    async def DeleteZone(
        self, request: pb.DeleteZoneRequest, context: Context
    ) -> pb.DeleteZoneResponse:
        """Delete a zone."""
        ids = ids_from_proto(request, "zone_id")
        await self._do.zones.delete(*ids, etag_from_proto(request.etag, "etag"))
        return pb.DeleteZoneResponse()

    async def CreateCalibration(
        self, request: pb.CreateCalibrationRequest, context: Context
    ) -> pb.CreateCalibrationResponse:
        """Add a calibration."""
        ids = ids_from_proto(request.calibration, "camera_id", path="calibration")
        calibration = calibration_from_proto(request.calibration)
        created = await self._do.calibrations.create(*ids, calibration)
        return pb.CreateCalibrationResponse(
            calibration=stored_calibration_to_proto(ids[0], created)
        )

    async def GetCalibration(
        self, request: pb.GetCalibrationRequest, context: Context
    ) -> pb.GetCalibrationResponse:
        """Return a calibration."""
        ids = ids_from_proto(request, "camera_id")
        found = await self._do.calibrations.get(*ids, request.revision)
        return pb.GetCalibrationResponse(
            calibration=stored_calibration_to_proto(ids[0], found)
        )

    async def ListCalibrations(
        self, request: pb.ListCalibrationsRequest, context: Context
    ) -> pb.ListCalibrationsResponse:
        """Return a page of a camera's calibrations."""
        ids = ids_from_proto(request, "camera_id")
        page = await self._do.calibrations.list(*ids, page_from_proto(request))
        return pb.ListCalibrationsResponse(
            calibrations=[
                stored_calibration_to_proto(ids[0], one) for one in page.entries
            ],
            next_page_token=page.next_page_token,
        )

    async def FitCalibration(
        self, request: pb.FitCalibrationRequest, context: Context
    ) -> pb.FitCalibrationResponse:
        """Fit a homography to points."""
        ids = ids_from_proto(request, "camera_id")
        stated = request.HasField("inlier_threshold_m")
        fitted = await self._do.calibrations.fit(
            *ids,
            tuple(point_pair_from_proto(one) for one in request.point_pairs),
            image_size_from_proto(request.image_size),
            request.inlier_threshold_m if stated else DEFAULT_INLIER_THRESHOLD_M,
            lens_from_proto(request.lens) if request.HasField("lens") else None,
        )
        fit = fitted.fit
        return pb.FitCalibrationResponse(
            calibration=calibration_to_proto(*ids, fitted.calibration),
            residuals=[
                pb.PointResidual(distance_m=distance_m, inlier=inlier)
                for distance_m, inlier in zip(fit.distances_m, fit.inliers, strict=True)
            ],
            condition_number=fit.condition_number,
        )

    async def ImportCalibrations(
        self, request: pb.ImportCalibrationsRequest, context: Context
    ) -> pb.ImportCalibrationsResponse:
        """Add calibrations that other systems made."""
        own = environment_id_from_proto(request)
        source = calibration_source_from_proto(request)
        imported = await self._do.calibration_import.run(own, source)
        return calibrations_imported_to_proto(own, imported)

    async def SetFloorPlan(
        self, request: pb.SetFloorPlanRequest, context: Context
    ) -> pb.SetFloorPlanResponse:
        """Store the plan of a level."""
        own = environment_id_from_proto(request.floor_plan, path="floor_plan")
        plan = floor_plan_from_proto(request.floor_plan)
        stored = await self._do.floor_plans.put(own, plan)
        return pb.SetFloorPlanResponse(
            floor_plan=floor_plan_to_proto(own, stored, with_image=False)
        )

    async def GetFloorPlan(
        self, request: pb.GetFloorPlanRequest, context: Context
    ) -> pb.GetFloorPlanResponse:
        """Return the plan of a level."""
        ids = ids_from_proto(request, "floor_id")
        found = await self._do.floor_plans.get(*ids)
        return pb.GetFloorPlanResponse(
            floor_plan=floor_plan_to_proto(ids[0], found, with_image=True)
        )

    async def DeleteFloorPlan(
        self, request: pb.DeleteFloorPlanRequest, context: Context
    ) -> pb.DeleteFloorPlanResponse:
        """Delete the plan of a level."""
        ids = ids_from_proto(request, "floor_id")
        await self._do.floor_plans.delete(*ids)
        return pb.DeleteFloorPlanResponse()


def registration(
    use_cases: UseCases, drain: DrainSignal
) -> Callable[[aio.Server], Sequence[str]]:
    """Return what adds the service to a server."""

    def register(server: aio.Server) -> Sequence[str]:
        servicer = MapperServicer(use_cases, drain)
        mapper_pb2_grpc.add_MapperServiceServicer_to_server(servicer, server)
        tripwires = TripwireServicer(use_cases.tripwires)
        tripwire_pb2_grpc.add_TripwireServiceServicer_to_server(tripwires, server)
        return (SERVICE_NAME, TRIPWIRE_SERVICE_NAME)

    return register
