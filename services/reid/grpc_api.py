"""How the service is reached."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from grpc import aio

from services.common.answer_stream import answer_in_order
from services.common.convert import embedding_to_proto, ns_to_timestamp
from services.common.drain import DrainSignal
from services.common.errors import InvalidInput, SpotOnError
from services.common.grpc_errors import status_from_error
from services.common.ids import (
    EnvironmentId,
    SessionId,
    TimelineId,
    require_resource_id,
)
from services.common.image_messages import image_from_proto
from services.common.images import RgbImage
from services.reid.associate_stream import AssociateStream
from services.reid.convert import vector_from_proto
from services.reid.convert_identity import (
    environment_from_proto,
    filter_from_proto,
    global_id_from_proto,
    identity_to_proto,
    limit_from_proto,
    match_to_proto,
    min_similarity_from_proto,
    model_to_proto,
    page_size_from_proto,
    page_token_from_proto,
)
from services.reid.domain.values import Vector
from services.reid.service.embedding import EmbeddingService
from services.reid.service.identities import IdentityService
from services.reid.service.portraits import PortraitKeeper
from services.reid.service.timeline_store import Lease
from services.reid.service.timeline_writer import AssociationMaker, TimelineWriter
from spoton.common.v1 import frame_pb2, stream_pb2
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc

Context = aio.ServicerContext[Any, Any]
WriterMaker = Callable[[Lease], TimelineWriter]
EvidenceChooser = Callable[[bool, bool], AssociationMaker]
"""Takes whether the floor and whether appearance count."""


class ReidServicer(reid_pb2_grpc.ReidServiceServicer):
    """Serves `spoton.reid.v1`."""

    def __init__(
        self,
        embedding: EmbeddingService,
        identities: IdentityService,
        portraits: PortraitKeeper,
        make_writer: WriterMaker,
        choose_evidence: EvidenceChooser,
        drain: DrainSignal,
        *,
        window: int,
        max_pixels: int,
    ) -> None:
        """Take what it answers with.

        Args:
            embedding: Computes vectors.
            identities: Finds and reads persons.
            portraits: Reads pictures.
            make_writer: Returns the writer of a timeline.
            choose_evidence: Returns what associates with some kinds of evidence.
            drain: When to ask streams to reopen.
            window: Items of one stream that may be unanswered.
            max_pixels: Largest image that is decoded.
        """
        self._embedding = embedding
        self._identities = identities
        self._portraits = portraits
        self._make_writer = make_writer
        self._choose_evidence = choose_evidence
        self._drain = drain
        self._window = window
        self._max_pixels = max_pixels

    async def Embed(
        self,
        request_iterator: AsyncIterator[reid_pb2.EmbedRequest],
        context: Context,
    ) -> AsyncIterator[reid_pb2.EmbedResponse]:
        """Answer crops with their vectors."""
        stream = _EmbedStream(self._embed)
        async for answer in answer_in_order(
            request_iterator, stream, window=self._window, drain=self._drain
        ):
            yield answer

    async def EmbedImage(
        self, request: reid_pb2.EmbedImageRequest, context: Context
    ) -> reid_pb2.EmbedImageResponse:
        """Answer one crop with its vector."""
        embedding = await self._embed(request.crop)
        return reid_pb2.EmbedImageResponse(embedding=embedding)

    async def GetModel(
        self, request: reid_pb2.GetModelRequest, context: Context
    ) -> reid_pb2.GetModelResponse:
        """Describe the running embedder."""
        return reid_pb2.GetModelResponse(model=model_to_proto(self._embedding.model))

    async def Associate(
        self,
        request_iterator: AsyncIterator[reid_pb2.AssociateRequest],
        context: Context,
    ) -> AsyncIterator[reid_pb2.AssociateResponse]:
        """Answer the ticks of one timeline."""
        requests = aiter(request_iterator)
        first = await anext(requests, None)
        if first is None:
            return
        if first.WhichOneof("request") != "open":
            raise InvalidInput("must be open in the first message", field="request")
        evidence = first.open.evidence
        writer = self._make_writer(_lease_from_proto(first.open))
        await writer.open(
            self._choose_evidence(
                not evidence.ignore_floor, not evidence.ignore_appearance
            )
        )
        stream = AssociateStream(
            writer,
            self._embedding.model.appearance,
            self._drain,
            window=self._window,
        )
        async for answer in stream.run(requests):
            yield answer

    async def SearchIdentities(
        self, request: reid_pb2.SearchIdentitiesRequest, context: Context
    ) -> reid_pb2.SearchIdentitiesResponse:
        """Find persons who look like an image or a vector."""
        environment_id = environment_from_proto(request.environment_id)
        wanted = filter_from_proto(request)
        min_similarity = min_similarity_from_proto(request)
        limit = limit_from_proto(request.limit)
        matches = await self._identities.search(
            environment_id,
            await self._query(request),
            wanted,
            min_similarity=min_similarity,
            limit=limit,
        )
        return reid_pb2.SearchIdentitiesResponse(matches=map(match_to_proto, matches))

    async def GetIdentity(
        self, request: reid_pb2.GetIdentityRequest, context: Context
    ) -> reid_pb2.GetIdentityResponse:
        """Read one person."""
        identity = await self._identities.get(
            environment_from_proto(request.environment_id),
            global_id_from_proto(request.global_id),
        )
        return reid_pb2.GetIdentityResponse(identity=identity_to_proto(identity))

    async def ListIdentities(
        self, request: reid_pb2.ListIdentitiesRequest, context: Context
    ) -> reid_pb2.ListIdentitiesResponse:
        """Read a page of persons."""
        page = await self._identities.page(
            environment_from_proto(request.environment_id),
            TimelineId(request.timeline_id) if request.timeline_id else None,
            after=page_token_from_proto(request.page_token),
            size=page_size_from_proto(request.page_size),
            include_merged=request.include_merged,
        )
        return reid_pb2.ListIdentitiesResponse(
            identities=map(identity_to_proto, page.identities),
            next_page_token=str(page.next_after) if page.next_after else "",
        )

    async def GetIdentityCrop(
        self, request: reid_pb2.GetIdentityCropRequest, context: Context
    ) -> reid_pb2.GetIdentityCropResponse:
        """Read the best picture of a person."""
        record, jpeg = await self._portraits.read(
            environment_from_proto(request.environment_id),
            global_id_from_proto(request.global_id),
        )
        return reid_pb2.GetIdentityCropResponse(
            jpeg=jpeg,
            camera_id=record.camera_id,
            capture_time=ns_to_timestamp(record.captured_ns),
            quality=record.quality,
        )

    async def _query(self, request: reid_pb2.SearchIdentitiesRequest) -> Vector:
        """Return the vector of what is searched for."""
        kind = request.WhichOneof("query")
        if kind == "embedding":
            model = self._embedding.model.appearance
            return vector_from_proto(request.embedding, model, "embedding")
        if kind == "image":
            crop = await self._decode(request.image, "image")
            return await self._embedding.embed(crop)
        raise InvalidInput("must be an embedding or an image", field="query")

    async def _embed(self, crop: frame_pb2.Image) -> frame_pb2.Embedding:
        """Return the vector of a crop."""
        vector = await self._embedding.embed(await self._decode(crop, "crop"))
        return embedding_to_proto(vector, model_id=self._embedding.model.model_id)

    async def _decode(self, image: frame_pb2.Image, field: str) -> RgbImage:
        """Return the pixels of an image; compressed ones are read in a thread."""
        if image.WhichOneof("content") != "encoded":
            return image_from_proto(image, field=field, max_pixels=self._max_pixels)
        return await asyncio.to_thread(
            image_from_proto, image, field=field, max_pixels=self._max_pixels
        )


class _EmbedStream:
    """Answers the items of one `Embed` stream."""

    def __init__(
        self,
        embed: Callable[[frame_pb2.Image], Any],
    ) -> None:
        self._embed = embed

    def opening(self, window: int) -> reid_pb2.EmbedResponse:
        """Return the credit window."""
        return reid_pb2.EmbedResponse(
            window=stream_pb2.CreditWindow(max_in_flight=window)
        )

    async def answer(self, request: reid_pb2.EmbedRequest) -> reid_pb2.EmbedResponse:
        """Return the vector of one crop."""
        return reid_pb2.EmbedResponse(
            frame=request.frame,
            crop_id=request.crop_id,
            embedding=await self._embed(request.crop),
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


def _lease_from_proto(opened: reid_pb2.AssociateOpen) -> Lease:
    """Return the lease that a stream asks for.

    Raises:
        InvalidInput: A name is missing, or the epoch is not positive.
    """
    if opened.epoch < 1:
        raise InvalidInput("must be at least 1", field="open.epoch")
    for name in ("timeline_id", "session_id"):
        if not getattr(opened, name):
            raise InvalidInput("must not be empty", field=f"open.{name}")
    environment_id = require_resource_id(opened.environment_id, "open.environment_id")
    return Lease(
        environment_id=EnvironmentId(environment_id),
        timeline_id=TimelineId(opened.timeline_id),
        session_id=SessionId(opened.session_id),
        epoch=opened.epoch,
        writer=uuid4(),
    )
