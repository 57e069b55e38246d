"""Wire to domain and back, for tripwires."""

from services.mapper.domain.environment import FloorPoint
from services.mapper.domain.stored import Stored
from services.mapper.domain.tripwire import Tripwire
from spoton.common.v1 import geometry_pb2
from spoton.mapper.v1 import tripwire_pb2


def tripwire_from_proto(message: tripwire_pb2.Tripwire) -> Tripwire:
    """Return a tripwire."""
    return Tripwire(
        tripwire_id=message.tripwire_id,
        display_name=message.display_name,
        floor_id=message.floor_id,
        start=FloorPoint(message.start.x_m, message.start.y_m),
        end=FloorPoint(message.end.x_m, message.end.y_m),
    )


def tripwire_to_proto(
    environment_id: str, stored: Stored[Tripwire]
) -> tripwire_pb2.Tripwire:
    """Return the message of a stored tripwire."""
    tripwire = stored.value
    return tripwire_pb2.Tripwire(
        environment_id=environment_id,
        tripwire_id=tripwire.tripwire_id,
        display_name=tripwire.display_name,
        floor_id=tripwire.floor_id,
        start=geometry_pb2.FloorPoint(x_m=tripwire.start.x_m, y_m=tripwire.start.y_m),
        end=geometry_pb2.FloorPoint(x_m=tripwire.end.x_m, y_m=tripwire.end.y_m),
        etag=stored.etag,
    )
