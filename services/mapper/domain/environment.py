"""What an environment is made of.

Fields are named as in the protos, so that one path names a field in a request, in a
stored document and in an exported one. Checks are in `checks`; a value here may still
be nonsense.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

DEFAULT_BIAS_FLOOR_M = 0.1
"""Least standard deviation of a camera that states none, metres."""


@dataclass(frozen=True, slots=True)
class Floor:
    """A level of a building."""

    floor_id: str
    display_name: str = ""


GROUND = Floor("ground", "Ground")
"""The level of an environment that names none."""


@dataclass(frozen=True, slots=True)
class Perception:
    """Names of the models and the tracker; empty means the service's default."""

    detector_model_id: str = ""
    embedder_model_id: str = ""
    tracker: str = ""


@dataclass(frozen=True, slots=True)
class Privacy:
    """What pictures that leave the system may show."""

    blur_heads: bool = False


@dataclass(frozen=True, slots=True)
class Environment:
    """A place watched by cameras."""

    environment_id: str
    display_name: str = ""
    floors: tuple[Floor, ...] = ()
    perception: Perception = field(default_factory=Perception)
    privacy: Privacy = field(default_factory=Privacy)


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Width and height of a picture, pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ImagePoint:
    """A point in the full frame, pixels, origin top-left."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class FloorPoint:
    """A point on the floor, metres."""

    x_m: float
    y_m: float


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a picture, pixels, origin top-left."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


@dataclass(frozen=True, slots=True)
class Polygon:
    """A polygon in the full frame, by its corners in order."""

    corners: tuple[ImagePoint, ...]


@dataclass(frozen=True, slots=True)
class FileSource:
    """A recorded file; without a start time it begins when its session does."""

    path: str
    start_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """A camera or recording on the network.

    Attributes:
        url: Its address; without user name and password once it is stored.
        has_credentials: Whether these are kept, apart from it.
    """

    url: str
    has_credentials: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where pictures come from; exactly one kind is set."""

    file: FileSource | None = None
    network: NetworkSource | None = None


@dataclass(frozen=True, slots=True)
class FrameTransform:
    """How a picture is changed after decoding: cropped, scaled, recoloured."""

    crop_region: Box | None = None
    scale: float | None = None
    colour_gain: tuple[float, ...] = ()
    colour_offset: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of an environment."""

    camera_id: str
    display_name: str = ""
    floor_id: str = ""
    source: Source = field(default_factory=Source)
    transform: FrameTransform = field(default_factory=FrameTransform)
    max_rate_hz: float | None = None
    ignore_masks: tuple[Polygon, ...] = ()
    clock_offset: timedelta | None = None
    bias_floor_m: float | None = None


@dataclass(frozen=True, slots=True)
class PointPair:
    """The same place in the picture and on the floor."""

    image: ImagePoint
    floor: FloorPoint


@dataclass(frozen=True, slots=True)
class BrownConrady:
    """Radial and tangential distortion, in OpenCV's names."""

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0


@dataclass(frozen=True, slots=True)
class Fisheye:
    """Equidistant distortion, in OpenCV's names."""

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0


@dataclass(frozen=True, slots=True)
class Lens:
    """How a camera's optics map directions to pixels; at most one distortion is set.

    Attributes:
        fx_px: Horizontal focal length.
        fy_px: Vertical focal length.
        cx_px: Horizontal position of the principal point.
        cy_px: Vertical position of the principal point.
        brown_conrady: Distortion that keeps straight lines nearly straight.
        fisheye: Distortion of a fisheye lens.
    """

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    brown_conrady: BrownConrady | None = None
    fisheye: Fisheye | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What ties a camera's picture to the floor.

    Attributes:
        image_to_floor: Nine values, row by row, full-frame pixels to floor metres;
            with a lens, undistorted pixels.
        image_size: Size of the picture that it holds for.
        point_pairs: What it was fitted to.
        residual_rms_m: How well, metres; None when it was not fitted here.
        note: Where it comes from, for people.
        lens: How the optics bend straight lines; None means not at all.
    """

    image_to_floor: tuple[float, ...]
    image_size: ImageSize
    point_pairs: tuple[PointPair, ...] = ()
    residual_rms_m: float | None = None
    note: str = ""
    lens: Lens | None = None


@dataclass(frozen=True, slots=True)
class Zone:
    """An area of the floor, by its corners in order."""

    zone_id: str
    display_name: str = ""
    floor_id: str = ""
    corners: tuple[FloorPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """A picture of a level, and where it lies.

    Attributes:
        floor_id: The level.
        image: A PNG or JPEG file.
        image_to_floor: Six values, row by row, plan pixels to floor metres.
    """

    floor_id: str
    image: bytes
    image_to_floor: tuple[float, ...]
