"""Scenes as messages, and a client that plays them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from services.common.convert import embedding_to_proto, ns_to_timestamp
from services.reid.adapters.embedders.stripes import MODEL
from spoton.common.v1 import events_pb2, frame_pb2, geometry_pb2
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc
from tests.fakes import colour_model

START_NS = 1_780_000_000_000_000_000
TICK_NS = 100_000_000

_names = count(1)


def fresh(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}-{next(_names)}"


@dataclass(frozen=True)
class Model:
    """A running embedder, as far as its vectors are concerned."""

    model_id: str
    dimensions: int


STRIPES = Model(MODEL.model_id, MODEL.dimensions)
COLOUR = Model(colour_model.MODEL_ID, colour_model.DIMENSIONS)


def looks(person: int, *, seed: int = 0, model: Model = STRIPES) -> np.ndarray:
    """Return a vector of a person; seeds vary it a little."""
    base = np.random.default_rng(person).normal(size=model.dimensions)
    noise = np.random.default_rng((person, seed)).normal(size=model.dimensions)
    vector = (base / np.linalg.norm(base) + 0.02 * noise).astype(np.float32)
    return vector / np.linalg.norm(vector)


def embedding(vector: np.ndarray, model: Model = STRIPES) -> frame_pb2.Embedding:
    """Return the message of a vector of a running model."""
    return embedding_to_proto(vector, model_id=model.model_id)


@dataclass(frozen=True)
class Seen:
    """One track in one frame: which person stands where."""

    camera: str
    track: int
    person: int
    x_m: float | None = None
    y_m: float = 0.0


@dataclass
class Timeline:
    """Names of one timeline and its session."""

    environment_id: str = field(default_factory=lambda: fresh("plaza"))
    timeline_id: str = field(default_factory=lambda: fresh("recording"))
    session_id: str = field(default_factory=lambda: fresh("session"))
    epoch: int = 1

    def opening(
        self, *, embedder_model_id: str = "", **evidence: bool
    ) -> reid_pb2.AssociateRequest:
        """Return the first message of a stream."""
        return reid_pb2.AssociateRequest(
            open=reid_pb2.AssociateOpen(
                environment_id=self.environment_id,
                timeline_id=self.timeline_id,
                session_id=self.session_id,
                epoch=self.epoch,
                evidence=reid_pb2.AssociationEvidence(**evidence),
                embedder_model_id=embedder_model_id,
            )
        )

    def tick(
        self,
        frame_set: int,
        seen: Sequence[Seen],
        crops: Iterable[reid_pb2.PersonCrop] = (),
        cameras: Sequence[str] = ("east", "west"),
    ) -> reid_pb2.AssociateTick:
        """Return the message of one frame set."""
        captured = ns_to_timestamp(START_NS + frame_set * TICK_NS)
        return reid_pb2.AssociateTick(
            frame_set=frame_set,
            capture_time=captured,
            crops=crops,
            cameras=[
                reid_pb2.CameraObservations(
                    frame=frame_pb2.FrameRef(
                        session_id=self.session_id,
                        camera_id=camera,
                        frame_index=frame_set,
                        capture_time=captured,
                    ),
                    tracks=[_track(one) for one in seen if one.camera == camera],
                )
                for camera in cameras
            ],
        )


def _track(seen: Seen) -> reid_pb2.TrackObservation:
    track = reid_pb2.TrackObservation(
        track_id=seen.track,
        box=geometry_pb2.Box(x_min=10, y_min=10, x_max=60, y_max=170),
        score=0.9,
    )
    if seen.x_m is not None:
        track.position.CopyFrom(
            geometry_pb2.FloorPosition(
                point=geometry_pb2.FloorPoint(x_m=seen.x_m, y_m=seen.y_m),
                covariance=geometry_pb2.FloorCovariance(xx_m2=0.04, yy_m2=0.04),
                floor_id="ground",
                calibration_revision=1,
            )
        )
    return track


class Conversation:
    """One Associate stream."""

    def __init__(
        self,
        stub: reid_pb2_grpc.ReidServiceStub,
        timeline: Timeline,
        *,
        model: Model | None = None,
        **evidence: bool,
    ) -> None:
        self.timeline = timeline
        self._model = model or STRIPES
        self.asked: list[tuple[str, int]] = []
        self._call = stub.Associate()
        self._opening = timeline.opening(
            embedder_model_id=model.model_id if model else "", **evidence
        )

    async def open(self) -> int:
        """Open the stream and return its credit window."""
        await self._call.write(self._opening)
        return (await self._call.read()).window.max_in_flight

    async def send(self, tick: reid_pb2.AssociateTick) -> None:
        """Send a tick without waiting."""
        await self._call.write(reid_pb2.AssociateRequest(tick=tick))

    async def read(self) -> reid_pb2.AssociateResponse:
        """Return the next message."""
        return await self._call.read()

    async def ask(
        self, tick: reid_pb2.AssociateTick, seen: Sequence[Seen]
    ) -> reid_pb2.AssociateResponse:
        """Return the final answer to a tick, giving vectors when they are wanted."""
        await self.send(tick)
        return await self.finish(tick.frame_set, seen)

    async def finish(
        self, frame_set: int, seen: Sequence[Seen]
    ) -> reid_pb2.AssociateResponse:
        """Return the final answer to a tick that was sent."""
        answer = await self.read()
        if answer.WhichOneof("outcome") == "embeddings_wanted":
            wanted = [
                (one.camera_id, one.track_id) for one in answer.embeddings_wanted.tracks
            ]
            self.asked += wanted
            who = {(one.camera, one.track): one.person for one in seen}
            await self.give(
                frame_set,
                {
                    key: looks(who[key], seed=frame_set, model=self._model)
                    for key in wanted
                },
            )
            answer = await self.read()
        return answer

    async def ask_with(
        self,
        tick: reid_pb2.AssociateTick,
        vectors: dict[tuple[str, int], np.ndarray],
    ) -> reid_pb2.AssociateResponse:
        """Return the final answer to a tick, giving these vectors when wanted."""
        await self.send(tick)
        answer = await self.read()
        if answer.WhichOneof("outcome") == "embeddings_wanted":
            await self.give(tick.frame_set, vectors)
            answer = await self.read()
        return answer

    async def give(
        self, frame_set: int, vectors: dict[tuple[str, int], np.ndarray]
    ) -> None:
        """Send vectors."""
        await self._call.write(
            reid_pb2.AssociateRequest(
                embeddings=reid_pb2.AssociateEmbeddings(
                    frame_set=frame_set,
                    embeddings=[
                        reid_pb2.TrackEmbedding(
                            track=reid_pb2.TrackKey(camera_id=camera, track_id=track),
                            embedding=embedding(vector, self._model),
                        )
                        for (camera, track), vector in vectors.items()
                    ],
                )
            )
        )

    async def play(
        self, first: int, last: int, seen: Sequence[Seen]
    ) -> list[reid_pb2.AssociateResponse]:
        """Return the answers to a scene that stays the same."""
        return [
            await self.ask(self.timeline.tick(number, seen), seen)
            for number in range(first, last + 1)
        ]

    async def close(self) -> None:
        """Half-close, and wait until the server is done."""
        await self._call.done_writing()
        while await self._call.read():
            pass

    def cut(self) -> None:
        """Drop the stream, as a client that dies does."""
        self._call.cancel()


def persons_of(answer: reid_pb2.AssociateResponse) -> dict[tuple[str, int], int]:
    """Return the person of each track."""
    return {
        (one.track.camera_id, one.track.track_id): one.global_id
        for one in answer.result.assignments
    }


def events_of(
    answers: Iterable[reid_pb2.AssociateResponse],
) -> list[events_pb2.IdentityEvent]:
    """Return all identity events of some answers."""
    return [event for answer in answers for event in answer.result.events]
