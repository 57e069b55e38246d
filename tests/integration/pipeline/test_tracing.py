"""The trace of a frame, from its camera to a viewer of the gateway."""

import time

import pytest

from services.common.tracing import TraceSettings, is_tracing, tracing
from services.gateway.live.fanout import Fanout
from spoton.pipeline.v1 import pipeline_pb2
from tests.fakes.trace_receiver import TraceReceiver, trace_receiver
from tests.integration.pipeline.mesh import FRAMES, Mesh, write_walk

PIPELINE = {"decode", "detect", "track", "project", "associate", "commit", "publish"}
SERVERS = {"detector.detect", "tracker.track", "mapper.project", "reid.associate"}


async def watch_into(fanout: Fanout, mesh: Mesh, environment_id: str) -> None:
    """Give every event of a session to a gateway's viewers, until the last frame."""
    request = pipeline_pb2.WatchTrackingRequest(
        environment_id=environment_id, from_start=True, lossless=True
    )
    call = mesh.pipeline.WatchTracking(request, timeout=20)
    async for response in call:
        fanout.publish(response, time.monotonic())
        if response.event.tracking.frame_set == FRAMES:
            call.cancel()
            return


async def tracked(mesh: Mesh, received: TraceReceiver, ratio: float) -> None:
    """Run one camera's recording through the mesh while traces are sent."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi"))
    await mesh.calibrate("north")
    with tracing("mesh", TraceSettings(received.endpoint, ratio)):
        session = await mesh.start()
        await mesh.ended(session)
        await watch_into(Fanout(), mesh, session.environment_id)


async def test_a_frame_has_one_trace_from_camera_to_viewer(mesh: Mesh) -> None:
    """Each frame is one trace whose root covers it, with a span of every stage."""
    with trace_receiver() as received:
        await tracked(mesh, received, ratio=1.0)
    assert received.services == {"mesh"}
    traces: dict[bytes, dict[str, bytes]] = {}
    parents: dict[bytes, set[bytes]] = {}
    for span in received.spans:
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
        traces.setdefault(span.trace_id, {})[span.name] = span.span_id
        if span.name != "frame":
            parents.setdefault(span.trace_id, set()).add(span.parent_span_id)
    assert len(traces) == FRAMES
    for trace_id, spans in traces.items():
        assert PIPELINE | SERVERS | {"frame", "gateway.send"} <= spans.keys()
        assert parents[trace_id] == {spans["frame"]}
    assert any({"embed", "reid.embed"} <= spans.keys() for spans in traces.values())


@pytest.mark.parametrize("ratio", [0.0, 0.3])
async def test_only_the_share_that_is_wanted_is_traced(
    mesh: Mesh, ratio: float
) -> None:
    """A frame is traced by all or by none; with a ratio of 0 nothing is sent."""
    with trace_receiver() as received:
        await tracked(mesh, received, ratio=ratio)
    whole = [span.trace_id for span in received.spans if span.name == "frame"]
    assert {span.trace_id for span in received.spans} == set(whole)
    assert len(whole) == len(set(whole)) < FRAMES
    assert bool(whole) == bool(ratio)


async def test_nothing_is_recorded_without_an_endpoint(mesh: Mesh) -> None:
    """Frames say that they are not sampled, and nobody records."""
    await mesh.add_camera("north", write_walk(mesh.media / "north.avi"))
    with tracing("mesh", TraceSettings()):
        assert not is_tracing()
        await mesh.ended(await mesh.start())
    for update in await mesh.updates():
        assert update.cameras[0].frame.traceparent.endswith("-00")
