"""What the demo knows about an environment before it looks at it."""

from dataclasses import dataclass
from pathlib import Path

from demo.media import Media


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a run must show, where that is known.

    Attributes:
        persons: How many people there are, all through the recording.
        least_presence: Share of the frame sets in which each of them is seen, [0, 1].
        agreement_m: Most that two cameras may disagree about where a person with
            visible feet stands, as a median, metres.
    """

    persons: int
    least_presence: float
    agreement_m: float


@dataclass(frozen=True, slots=True)
class DemoEnvironment:
    """An environment that the demo can run.

    Attributes:
        environment_id: Name in the mesh.
        camera_ids: Its cameras, in the order in which they are drawn.
        remark: What is to be said behind the name of each camera. May be empty.
        document: The environment as the mapper imports it.
        media: Recordings, and whatever else is not ours to ship.
        calibration: File of the media folder with the cameras' calibrations, as
            Qualisys writes them. None when the document has them.
        expectation: What is known about the recording. None if nothing is.
    """

    environment_id: str
    camera_ids: tuple[str, ...]
    remark: str
    document: Path
    media: Media
    calibration: str | None = None
    expectation: Expectation | None = None
