"""How the service is reached."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol
from uuid import uuid4

from grpc import aio

from services.common.answer_stream import answer_in_order
from services.common.caller import Caller
from services.common.convert import embedding_to_proto, ns_to_timestamp
from services.common.drain import DrainSignal
from services.common.errors import Forbidden, InvalidInput
from services.common.ids import TimelineId
from services.common.image_messages import image_from_proto
from services.common.images import RgbImage
from services.reid.adapters.portrait_privacy import PortraitPrivacy
from services.reid.associate_stream import AssociateStream
from services.reid.convert import lease_from_proto, vector_from_proto
from services.reid.convert_identity import (
    environment_from_proto,
    global_id_from_proto,
    identity_to_proto,
    model_to_proto,
    page_size_from_proto,
    page_token_from_proto,
    progress_to_proto,
)
from services.reid.convert_search import (
    limit_from_proto,
    matches_to_proto,
    offset_from_proto,
    scope_from_proto,
)
from services.reid.domain.appearance import AppearanceModel
from services.reid.embed_stream import EmbedStream
from services.reid.service.embedding import Embedders, EmbeddingService
from services.reid.service.identities import IdentityService
from services.reid.service.portraits import PortraitKeeper
from services.reid.service.reembedding import Reembedding
from services.reid.service.score_fitting import ScoreFits
from services.reid.service.search import IdentitySearch, Query, Scope
from services.reid.service.timeline_store import Lease
from services.reid.service.timeline_writer import AssociationMaker, TimelineWriter
from spoton.common.v1 import frame_pb2
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc

_SEARCH = "identities:search"

Context = aio.ServicerContext[Any, Any]
WriterMaker = Callable[[Lease, AppearanceModel], TimelineWriter]


class EvidenceChooser(Protocol):
    """Returns what associates with some kinds of evidence."""

    def __call__(
        self, model: AppearanceModel, *, use_floor: bool, use_appearance: bool
    ) -> AssociationMaker:
        """Return it for vectors of a model."""


class ReidServicer(reid_pb2_grpc.ReidServiceServicer):
    """Serves `spoton.reid.v1`."""

    def __init__(
        self,
        embedders: Embedders,
        identities: IdentityService,
        search: IdentitySearch,
        portraits: PortraitKeeper,
        privacy: PortraitPrivacy,
        reembedding: Reembedding,
        fits: ScoreFits,
        make_writer: WriterMaker,
        choose_evidence: EvidenceChooser,
        current_caller: Callable[[], Caller],
        drain: DrainSignal,
        *,
        window: int,
        max_pixels: int,
    ) -> None:
        """Take what it answers with.

        Args:
            embedders: Compute vectors.
            identities: Reads persons.
            search: Finds them.
            portraits: Reads pictures.
            privacy: Hides in them what must not be seen.
            reembedding: Gives persons vectors of another model.
            fits: Know what scores are worth.
            make_writer: Returns the writer of a timeline, for vectors of a model.
            choose_evidence: Returns what associates with some kinds of evidence.
            current_caller: Returns who makes the call that is being answered.
            drain: When to ask streams to reopen.
            window: Items of one stream that may be unanswered.
            max_pixels: Largest image that is decoded.
        """
        self._embedders = embedders
        self._identities = identities
        self._search = search
        self._portraits = portraits
        self._privacy = privacy
        self._reembedding = reembedding
        self._fits = fits
        self._make_writer = make_writer
        self._choose_evidence = choose_evidence
        self._current_caller = current_caller
        self._drain = drain
        self._window = window
        self._max_pixels = max_pixels

    async def Embed(
        self,
        request_iterator: AsyncIterator[reid_pb2.EmbedRequest],
        context: Context,
    ) -> AsyncIterator[reid_pb2.EmbedResponse]:
        """Answer crops with their vectors."""
        stream = EmbedStream(self._embed)
        async for answer in answer_in_order(
            request_iterator, stream, window=self._window, drain=self._drain
        ):
            yield answer

    async def EmbedImage(
        self, request: reid_pb2.EmbedImageRequest, context: Context
    ) -> reid_pb2.EmbedImageResponse:
        """Answer one crop with its vector."""
        embedding = await self._embed(request.crop, request.model_id)
        return reid_pb2.EmbedImageResponse(embedding=embedding)

    async def GetModel(
        self, request: reid_pb2.GetModelRequest, context: Context
    ) -> reid_pb2.GetModelResponse:
        """Describe a running embedder."""
        embedding = self._embedders.choose(request.model_id, field="model_id")
        return reid_pb2.GetModelResponse(model=model_to_proto(embedding.model))

    async def ListModels(
        self, request: reid_pb2.ListModelsRequest, context: Context
    ) -> reid_pb2.ListModelsResponse:
        """Describe every running embedder."""
        return reid_pb2.ListModelsResponse(
            models=map(model_to_proto, self._embedders.models),
            default_model_id=self._embedders.default.model.model_id,
        )

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
        opening, evidence = first.open, first.open.evidence
        embedding = self._embedders.choose(
            opening.embedder_model_id, field="open.embedder_model_id"
        )
        lease = lease_from_proto(opening, uuid4())
        model = await self._fits.fitted(
            lease.environment_id, embedding.model.appearance
        )
        writer = self._make_writer(lease, model)
        await writer.open(
            self._choose_evidence(
                model,
                use_floor=not evidence.ignore_floor,
                use_appearance=not evidence.ignore_appearance,
            )
        )
        stream = AssociateStream(writer, model, self._drain, window=self._window)
        async for answer in stream.run(requests):
            yield answer

    async def SearchIdentities(
        self, request: reid_pb2.SearchIdentitiesRequest, context: Context
    ) -> reid_pb2.SearchIdentitiesResponse:
        """Find persons who look like an image or a vector."""
        scope = scope_from_proto(request)
        self._require_searchable(scope)
        limit = limit_from_proto(request.limit)
        offset = offset_from_proto(request.page_token)
        embedding = self._embedders.choose(
            request.model_id or request.embedding.model_id,
            field="model_id" if request.model_id else "embedding.model_id",
        )
        query = await self._query(request, embedding)
        matches, more = await self._search.search(
            query, scope, offset=offset, limit=limit
        )
        return matches_to_proto(matches, offset + limit if more else None)

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
            include_expired=request.include_expired,
        )
        return reid_pb2.ListIdentitiesResponse(
            identities=map(identity_to_proto, page.identities),
            next_page_token=str(page.next_after) if page.next_after else "",
        )

    async def GetIdentityCrop(
        self, request: reid_pb2.GetIdentityCropRequest, context: Context
    ) -> reid_pb2.GetIdentityCropResponse:
        """Read the best picture of a person."""
        environment_id = environment_from_proto(request.environment_id)
        record, jpeg = await self._portraits.read(
            environment_id, global_id_from_proto(request.global_id)
        )
        return reid_pb2.GetIdentityCropResponse(
            jpeg=await self._privacy.shown(environment_id, jpeg),
            camera_id=record.camera_id,
            capture_time=ns_to_timestamp(record.captured_ns),
            quality=record.quality,
        )

    async def ReembedIdentities(
        self, request: reid_pb2.ReembedIdentitiesRequest, context: Context
    ) -> AsyncIterator[reid_pb2.ReembedIdentitiesResponse]:
        """Give the persons of an environment vectors of a model."""
        environment_id = environment_from_proto(request.environment_id)
        embedding = self._embedders.choose(request.model_id, field="model_id")
        async for progress in self._reembedding.run(
            environment_id,
            TimelineId(request.timeline_id) if request.timeline_id else None,
            embedding.model.model_id,
            embedding,
        ):
            yield progress_to_proto(progress)

    def _require_searchable(self, scope: Scope) -> None:
        """Refuse environments in which the caller may not search.

        Raises:
            Forbidden: There is one.
        """
        caller = self._current_caller()
        for place, environment_id in enumerate(scope.environment_ids):
            if not caller.holds(_SEARCH, environment_id):
                raise Forbidden(
                    f"you lack the scope {_SEARCH} in environment_ids[{place}], "
                    f"{environment_id}"
                )

    async def _query(
        self, request: reid_pb2.SearchIdentitiesRequest, embedding: EmbeddingService
    ) -> Query:
        """Return whom a search is for."""
        kind, model_id = request.WhichOneof("query"), embedding.model.model_id
        if kind == "embedding":
            model = embedding.model.appearance
            vector = vector_from_proto(request.embedding, model, "embedding")
            return Query(model_id, (vector,))
        if kind == "image":
            image = await self._decode(request.image, "image")
            return Query(model_id, (await embedding.embed(image, field="image"),))
        if kind == "global_id":
            return await self._search.query_of(
                environment_from_proto(request.environment_id),
                global_id_from_proto(request.global_id),
                model_id,
            )
        raise InvalidInput("must be an embedding, an image or a person", field="query")

    async def _embed(self, crop: frame_pb2.Image, model_id: str) -> frame_pb2.Embedding:
        """Return the vector of a crop."""
        embedding = self._embedders.choose(model_id, field="model_id")
        vector = await embedding.embed(await self._decode(crop, "crop"))
        return embedding_to_proto(vector, model_id=embedding.model.model_id)

    async def _decode(self, image: frame_pb2.Image, field: str) -> RgbImage:
        """Return the pixels of an image; compressed ones are read in a thread."""
        if image.WhichOneof("content") != "encoded":
            return image_from_proto(image, field=field, max_pixels=self._max_pixels)
        return await asyncio.to_thread(
            image_from_proto, image, field=field, max_pixels=self._max_pixels
        )
