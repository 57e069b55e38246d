"""How operators say who is who."""

from typing import Any

from grpc import aio

from services.reid.convert_feedback import (
    confirm_from_proto,
    merge_from_proto,
    reject_from_proto,
    split_from_proto,
)
from services.reid.convert_identity import environment_from_proto
from services.reid.domain.feedback import Command, Effect
from services.reid.service.feedback import FeedbackService
from spoton.reid.v1 import feedback_pb2 as pb
from spoton.reid.v1 import feedback_pb2_grpc

Context = aio.ServicerContext[Any, Any]


class FeedbackServicer(feedback_pb2_grpc.FeedbackServiceServicer):
    """Serves `spoton.reid.v1.FeedbackService`."""

    def __init__(self, feedback: FeedbackService) -> None:
        self._feedback = feedback

    async def MergeIdentities(
        self, request: pb.MergeIdentitiesRequest, context: Context
    ) -> pb.MergeIdentitiesResponse:
        """Make two persons one."""
        effect = await self._do(request.environment_id, merge_from_proto(request))
        return pb.MergeIdentitiesResponse(global_id=effect.global_id)

    async def SplitIdentity(
        self, request: pb.SplitIdentityRequest, context: Context
    ) -> pb.SplitIdentityResponse:
        """Make two persons of one."""
        effect = await self._do(request.environment_id, split_from_proto(request))
        return pb.SplitIdentityResponse(
            global_id=effect.global_id, other_global_id=effect.other_global_id
        )

    async def ConfirmMatch(
        self, request: pb.ConfirmMatchRequest, context: Context
    ) -> pb.ConfirmMatchResponse:
        """Say that a track is a person."""
        effect = await self._do(request.environment_id, confirm_from_proto(request))
        return pb.ConfirmMatchResponse(global_id=effect.global_id)

    async def RejectMatch(
        self, request: pb.RejectMatchRequest, context: Context
    ) -> pb.RejectMatchResponse:
        """Say that a track is not a person."""
        effect = await self._do(request.environment_id, reject_from_proto(request))
        return pb.RejectMatchResponse(global_id=effect.global_id)

    async def _do(self, environment_id: str, command: Command) -> Effect:
        return await self._feedback.carry_out(
            environment_from_proto(environment_id), command
        )
