"""A recording played over gRPC on real stores, and in one process."""

from collections.abc import AsyncIterator, Sequence

import pytest

from services.common.drain import DrainSignal
from services.common.environ import Environ
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.mapper.bootstrap import open_mapper
from services.pipeline.mesh.peers import Peers
from services.reid.bootstrap import prepare, wired
from services.reid.config import load_config
from services.tracker import bootstrap as tracker
from services.tracker.config import config_from_environ
from spoton.mapper.v1 import mapper_pb2_grpc
from spoton.reid.v1 import reid_pb2_grpc
from spoton.tracker.v1 import tracker_pb2_grpc
from tests.accuracy.identity.evidence import Mode
from tests.accuracy.identity.in_process import local_peers
from tests.accuracy.identity.over_grpc import import_place
from tests.accuracy.identity.places import environment_id_of
from tests.accuracy.identity.playing import play
from tests.accuracy.identity.published import Published
from tests.accuracy.identity.recording import Recording
from tests.accuracy.identity.reid_service import RecordedVectors
from tests.accuracy.identity.vector_models import model_of
from tests.accuracy.scenes.generator import scene_of
from tests.accuracy.scenes.script import Script
from tests.fakes.small_recording import walkers


@pytest.fixture(params=["walkers", "scene"])
def recording(request: pytest.FixtureRequest) -> Recording:
    """Give four people in two cameras, and a scripted scene with three."""
    if request.param == "walkers":
        return walkers(seconds=4.0)
    return scene_of(Script(duration_s=6.0, people=4, cameras=3, rate_hz=5.0)).recording


@pytest.fixture
async def peers(
    recording: Recording, postgres_dsn: str, valkey_url: str, s3: object
) -> AsyncIterator[Peers]:
    """Give the services behind gRPC, on real stores."""
    config = load_config(
        {
            "SPOTON_REID_POSTGRES_DSN": postgres_dsn,
            "SPOTON_REID_REDIS_URL": valkey_url,
            "SPOTON_REID_S3_ENDPOINT": s3.endpoint,
            "SPOTON_REID_S3_BUCKET": s3.bucket,
            "SPOTON_REID_S3_ACCESS_KEY": s3.access_key,
            "SPOTON_REID_S3_SECRET_KEY": s3.secret_key,
        }
    )
    await prepare(config)
    drain = DrainSignal()
    tracking = tracker.build(config_from_environ(Environ("SPOTON_TRACKER_", {})), drain)
    embedders = [RecordedVectors(model_of(recording))]
    async with (
        open_mapper(postgres_dsn, drain) as mapper,
        wired(config, embedders, drain) as reid,
        running_server(mapper.register) as mapper_address,
        running_server(reid) as reid_address,
        running_server(tracking) as tracker_address,
        open_channel(mapper_address) as mapper_channel,
        open_channel(reid_address) as reid_channel,
        open_channel(tracker_address) as tracker_channel,
    ):
        await mapper.ready
        yield Peers(
            detector=None,
            reid=reid_pb2_grpc.ReidServiceStub(reid_channel),
            tracker=tracker_pb2_grpc.TrackerServiceStub(tracker_channel),
            mapper=mapper_pb2_grpc.MapperServiceStub(mapper_channel),
        )


async def test_both_ways_publish_the_same(recording: Recording, peers: Peers) -> None:
    """Boxes, positions, persons and events are equal; ids are but for their names."""
    await import_place(peers, recording)
    for mode in (Mode.BOTH, Mode.FLOOR, Mode.APPEARANCE):
        there = await played(recording, peers, mode)
        here = await played(recording, local_peers(recording), mode)
        assert len({box.global_id for box in here.boxes}) >= 4
        assert plain(here) == plain(there)
        assert here.embeddings == there.embeddings
        assert (here.embeddings > 0) == mode.uses_appearance


async def played(recording: Recording, peers: Peers, mode: Mode) -> Published:
    """Return what a session publishes."""
    return await play(
        recording,
        peers,
        mode,
        environment_id=environment_id_of(recording),
        session=f"session-{mode}",
    )


def plain(published: Published) -> Sequence[object]:
    """Return all that was published, with ids numbered as they first came."""
    numbers: dict[int, int] = {0: 0}

    def number(global_id: int) -> int:
        return numbers.setdefault(global_id, len(numbers))

    return [
        *(
            (
                box.camera_id,
                box.frame,
                box.track_id,
                number(box.global_id),
                box.provisional,
                box.coasted,
                box.corners_px,
                box.position_m,
            )
            for box in published.boxes
        ),
        *(
            (one.frame_set, number(one.global_id), one.position_m, one.camera_ids)
            for one in published.persons
        ),
        *(
            (
                one.kind,
                one.frame_set,
                number(one.global_id),
                number(one.other_global_id),
            )
            for one in published.changes
        ),
    ]
