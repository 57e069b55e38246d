"""What a runner hands to the one that goes on after it."""

import json

import pytest

from services.common.ids import CameraId, TrackId
from services.pipeline.domain.frame_sets import FrameSetClock
from services.pipeline.domain.run_state import RunState


def test_a_run_state_survives_its_bytes() -> None:
    """What is read back equals what was written."""
    state = RunState(
        clock=FrameSetClock(1_000, 100, 7),
        sought_ns=5,
        frame_sets=3,
        confirmed={CameraId("door"): (TrackId(1), TrackId(4))},
        last_track_ids={CameraId("door"): 4},
    )
    assert RunState.from_bytes(state.to_bytes()) == state


def test_a_newer_version_is_refused() -> None:
    """State of a version that is not understood is an error, not a guess."""
    document = json.loads(RunState(FrameSetClock(0, 1)).to_bytes())
    document["version"] += 1
    with pytest.raises(ValueError, match="version"):
        RunState.from_bytes(json.dumps(document).encode())
