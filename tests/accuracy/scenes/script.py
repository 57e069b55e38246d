"""What happens in a scene, and how well cameras see it."""

from dataclasses import dataclass
from enum import StrEnum

from tests.accuracy.identity.unusable import UnusableData

MAX_CAMERAS = 12
MAX_PEOPLE = 40


class Action(StrEnum):
    """What people do."""

    MINGLE = "mingle"
    """Everybody walks from place to place, and rests between."""

    CROSS = "cross"
    """Everybody walks to and fro through the middle."""

    GROUP = "group"
    """Three walk together, an arm's length apart."""

    RETURN = "return"
    """Everybody leaves by a door now and then, and comes back by any door."""


@dataclass(frozen=True, slots=True)
class Script:
    """One scene, exact but for its seed.

    Attributes:
        action: What people do.
        seed: Of everything that is drawn by lot.
        people: How many take part.
        cameras: How many look at the hall, from its walls.
        pillars: How many round pillars hide people.
        in_uniform: How many of the people look alike.
        away_s: How long who left stays away at least, at most twice as long, seconds.
        miscalibration_m: Error of every camera's floor, root mean square over the hall.
        clock_skew_s: How much the clock of the first camera is ahead, seconds.
        noise: Of the detector: 0 is none, 1 that of a good one.
        duration_s: Length.
        rate_hz: Frames of each camera per second.
    """

    action: Action = Action.MINGLE
    seed: int = 0
    people: int = 6
    cameras: int = 4
    pillars: int = 0
    in_uniform: int = 0
    away_s: float = 8.0
    miscalibration_m: float = 0.1
    clock_skew_s: float = 0.0
    noise: float = 1.0
    duration_s: float = 40.0
    rate_hz: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot be played.

        Raises:
            UnusableData: A value is out of range; it is named.
        """
        ranges = {
            "people": (1, MAX_PEOPLE),
            "cameras": (1, MAX_CAMERAS),
            "pillars": (0, 8),
            "in_uniform": (0, self.people),
            "away_s": (0.5, 600.0),
            "miscalibration_m": (0.0, 10.0),
            "clock_skew_s": (-60.0, 60.0),
            "noise": (0.0, 5.0),
            "duration_s": (1.0, 3600.0),
            "rate_hz": (1.0, 60.0),
        }
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            if not least <= value <= most:
                message = f"{name} must be in [{least}, {most}], got {value}"
                raise UnusableData(message)

    @property
    def frames(self) -> int:
        """Frames of each camera."""
        return round(self.duration_s * self.rate_hz)
