"""A detector whose model takes 2 ms and no processor: what is left is the mesh.

Run as `python -m tests.bench.null_detector`, it is the detector service with this
model instead of the configured one.
"""

import sys
import time
from collections.abc import Sequence

import numpy as np
import uvloop

from services.common.drain import DrainSignal
from services.common.environ import ConfigError
from services.common.grpc_server import serve
from services.common.log import configure_logging
from services.detector.bootstrap import wired
from services.detector.config import DetectorConfig, load_config
from services.detector.domain.detections import Detections
from services.detector.domain.geometry import Size
from services.detector.domain.tiles import RgbImage

NULL_MODEL_S = 0.002

_COLUMNS = np.array([0.2, 0.4, 0.6, 0.8], np.float32)
_WIDTH, _TOP, _BOTTOM = 0.06, 0.45, 0.7
_SCORES = np.array([0.9, 0.85, 0.8, 0.75], np.float32)
_KEYPOINTS = 17


class NullDetector:
    """Sleeps 2 ms a picture in its inference thread, then finds the same four people.

    They stand still, side by side, with the keypoints of a whole person, so that
    tracker, mapper and association have their usual work.
    """

    max_batch = 1

    def __init__(self, input_size: Size) -> None:
        self.input_size = input_size

    def detect(self, batch: Sequence[RgbImage]) -> Sequence[Detections]:
        """Return four people for each picture."""
        time.sleep(NULL_MODEL_S * len(batch))
        return [standing_people(*pixels.shape[1::-1]) for pixels in batch]


def standing_people(width: int, height: int) -> Detections:
    """Return four people in a picture of a width and height, pixels."""
    count = len(_COLUMNS)
    relative = np.stack(
        [
            _COLUMNS - _WIDTH / 2,
            np.full(count, _TOP, np.float32),
            _COLUMNS + _WIDTH / 2,
            np.full(count, _BOTTOM, np.float32),
        ],
        axis=1,
    )
    boxes = relative * np.array([width, height, width, height], np.float32)
    keypoints = np.empty((count, _KEYPOINTS, 3), np.float32)
    keypoints[..., 0] = (_COLUMNS * width)[:, None]
    # COCO's body parts begin with the nose and end with the ankles.
    keypoints[..., 1] = np.linspace(_TOP, _BOTTOM, _KEYPOINTS) * height
    keypoints[..., 2] = 0.9
    return Detections(boxes, _SCORES, keypoints)


async def run(config: DetectorConfig) -> None:
    """Serve until told to stop."""
    drain = DrainSignal(grace_s=config.server.drain_grace_s)
    model = NullDetector(config.input_size)
    async with wired(config, [model], drain) as register:
        await serve(config.server, register, drain)


def main() -> int:
    """Serve until told to stop; return the exit status."""
    configure_logging("detector")
    try:
        uvloop.run(run(load_config()))
    except (ConfigError, OSError) as error:
        sys.stderr.write(f"detector: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
