"""The best picture of a person, as `reid` keeps it."""

from typing import TYPE_CHECKING

from aiohttp import web
from grpc import aio

from services.common.caller import Caller
from services.common.errors import InvalidInput
from services.common.ids import require_resource_id
from services.gateway.credentials import CallCredentials
from services.gateway.live.pipeline_source import translated
from services.gateway.request_context import REQUEST_ID
from services.gateway.transcoder.peers import REQUEST_ID_KEY
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc

if TYPE_CHECKING:  # Names that exist in the type stubs only.
    from spoton.reid.v1.reid_pb2_grpc import ReidServiceAsyncStub

_AUDIENCE = "reid"
_DEADLINE_S = 10.0
_MOST_ID = 2**63 - 1


class PersonCrops:
    """Asks `reid` on behalf of a caller."""

    def __init__(self, channel: aio.Channel, credentials: CallCredentials) -> None:
        self._stub: ReidServiceAsyncStub = reid_pb2_grpc.ReidServiceStub(channel)
        self._credentials = credentials

    async def best(
        self, request: web.Request, caller: Caller
    ) -> reid_pb2.GetIdentityCropResponse:
        """Return the best picture of the person that a request names.

        Raises:
            InvalidInput: It names nobody.
            NotFound: There is no such person, or no picture of them.
            Unavailable: `reid` is away.
        """
        path = request.match_info
        text = path["global_id"]
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_ID):
            raise InvalidInput("must be a number of at least 1", field="global_id")
        wanted = reid_pb2.GetIdentityCropRequest(
            environment_id=require_resource_id(
                path["environment_id"], "environment_id"
            ),
            global_id=int(text),
        )
        metadata = (
            *self._credentials.metadata(_AUDIENCE, caller),
            (REQUEST_ID_KEY, request[REQUEST_ID]),
        )
        with translated():
            return await self._stub.GetIdentityCrop(
                wanted, metadata=metadata, timeout=_DEADLINE_S
            )
