"""Cameras on the network, which a session plans and does not read yet."""

from pathlib import Path

import pytest

from services.common.errors import Forbidden, NotReady, SpotOnError
from services.common.ids import CameraId, SessionId, TimelineId
from services.common.outgoing.policy import policy_from_texts
from services.pipeline.domain.session import Session
from services.pipeline.mesh.cameras import MediaFolder, plan_cameras
from services.pipeline.mesh.peers import Peers
from spoton.mapper.v1 import environment_pb2, mapper_pb2
from tests.fakes.pipeline_sessions import new_request


class Mapper:
    """Lists cameras at some addresses."""

    def __init__(self, **urls: str) -> None:
        self._urls = urls

    async def ListCameras(self, request, timeout):
        answer = mapper_pb2.ListCamerasResponse()
        for camera_id, url in self._urls.items():
            camera = environment_pb2.Camera(camera_id=camera_id)
            camera.source.network.url = url
            answer.cameras.append(camera)
        return answer


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("rtsp://127.0.0.2/live", NotReady),
        ("rtsp://127.0.0.3/live", Forbidden),
        ("rtsp://169.254.169.254/live", Forbidden),
        ("http://127.0.0.2/live", Forbidden),
    ],
)
async def test_an_address_is_checked_again_when_it_is_opened(
    tmp_path: Path, url: str, kind: type[SpotOnError]
) -> None:
    """The camera is planned with its error, whatever the mapper let pass."""
    addresses = policy_from_texts(("rtsp",), (), ("127.0.0.2/32",))
    peers = Peers(None, None, None, Mapper(north=url, south=url))  # type: ignore[arg-type]
    session = Session(SessionId("s"), TimelineId("t"), new_request())
    plans = await plan_cameras(
        peers, session, MediaFolder(tmp_path, addresses=addresses)
    )
    assert [plan.camera_id for plan in plans] == [CameraId("north"), CameraId("south")]
    for plan in plans:
        assert plan.recording is None
        assert type(plan.error) is kind
