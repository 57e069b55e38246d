"""What generic clients such as grpcurl do: learn an API from its server, call it."""

import asyncio
from collections.abc import Sequence

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc import aio
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from services.common.grpc_server import running_server
from spoton.pipeline.v1 import pipeline_pb2, pipeline_pb2_grpc


class OneSession(pipeline_pb2_grpc.PipelineServiceServicer):
    """Knows one session."""

    async def ListSessions(self, request, context):
        session = pipeline_pb2.Session(environment_id=request.environment_id)
        return pipeline_pb2.ListSessionsResponse(sessions=[session])


def register(server: aio.Server) -> Sequence[str]:
    """Add the servicer."""
    pipeline_pb2_grpc.add_PipelineServiceServicer_to_server(OneSession(), server)
    return ("spoton.pipeline.v1.PipelineService",)


def call_by_name(address: str, service: str, method: str, request: str) -> str:
    """Return the JSON answer to a JSON request, knowing nothing but names."""
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert service in database.get_services()
        pool = descriptor_pool.DescriptorPool(database)
        described = pool.FindServiceByName(service).FindMethodByName(method)
        sent = message_factory.GetMessageClass(described.input_type)()
        answer = message_factory.GetMessageClass(described.output_type)
        call = channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return json_format.MessageToJson(call(json_format.Parse(request, sent)))


async def test_an_api_can_be_learned_and_called_by_name() -> None:
    """Reflection describes every message, and a call made from it is answered."""
    async with running_server(register) as address:
        answer = await asyncio.to_thread(
            call_by_name,
            address,
            "spoton.pipeline.v1.PipelineService",
            "ListSessions",
            '{"environment_id": "plaza"}',
        )
    assert '"environmentId": "plaza"' in answer
