"""One `Embed` stream: each crop is answered with its vector, or with why not."""

from collections.abc import Awaitable, Callable

from google.protobuf.duration_pb2 import Duration

from services.common.errors import SpotOnError
from services.common.grpc_errors import status_from_error
from services.common.tracing import span
from spoton.common.v1 import frame_pb2, stream_pb2
from spoton.reid.v1 import reid_pb2

Embed = Callable[[frame_pb2.Image, str], Awaitable[frame_pb2.Embedding]]
"""Takes a crop and the name of a model, which may be empty."""


class EmbedStream:
    """Answers the items of one stream."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed

    def opening(self, window: int) -> reid_pb2.EmbedResponse:
        """Return the credit window."""
        return reid_pb2.EmbedResponse(
            window=stream_pb2.CreditWindow(max_in_flight=window)
        )

    async def answer(self, request: reid_pb2.EmbedRequest) -> reid_pb2.EmbedResponse:
        """Return the vector of one crop.

        Raises:
            SpotOnError: The crop cannot be used, or no such model is running.
        """
        with span("reid.embed", request.frame.traceparent):
            embedding = await self._embed(request.crop, request.model_id)
        return reid_pb2.EmbedResponse(
            frame=request.frame, crop_id=request.crop_id, embedding=embedding
        )

    def refusal(
        self, request: reid_pb2.EmbedRequest, error: SpotOnError
    ) -> reid_pb2.EmbedResponse:
        """Return why a crop was not used."""
        return reid_pb2.EmbedResponse(
            frame=request.frame,
            crop_id=request.crop_id,
            status=status_from_error(error),
        )

    def draining(self, grace_s: float) -> reid_pb2.EmbedResponse:
        """Return the wish that the client reopens its stream."""
        grace = Duration()
        grace.FromNanoseconds(round(grace_s * 1e9))
        return reid_pb2.EmbedResponse(drain=stream_pb2.Drain(grace=grace))
