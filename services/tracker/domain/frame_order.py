"""Which frame may come next."""

from dataclasses import dataclass

from services.common.errors import Conflict, InvalidInput

LONGEST_JUMP_NS = 3600 * 1_000_000_000


@dataclass(slots=True)
class FrameOrder:
    """Sees to it that capture times increase.

    One frame from far ahead is refused: had its wrong clock been believed, every
    proper frame after it would be too early. When the next frame goes on from there,
    the jump was real (a camera that was away), and it is taken.

    Attributes:
        last_ns: Capture time of the last used frame, None before the first.
        last_index: Its frame index.
        jump_ns: Capture time of a refused frame from far ahead, if it was the last.
    """

    last_ns: int | None = None
    last_index: int = 0
    jump_ns: int | None = None

    def require_next(self, time_ns: int) -> None:
        """Return if a frame of this time may come next.

        Raises:
            Conflict: It is not later than the last one.
            InvalidInput: It is far ahead of the last one.
        """
        if self.last_ns is None:
            return
        if time_ns <= self.last_ns:
            raise Conflict(
                f"must be later than frame {self.last_index}, which was captured "
                f"{(self.last_ns - time_ns) / 1e9:.3f} s after it",
                field="frame.capture_time",
            )
        far = time_ns - self.last_ns > LONGEST_JUMP_NS
        goes_on = (
            self.jump_ns is not None and 0 < time_ns - self.jump_ns <= LONGEST_JUMP_NS
        )
        if far and not goes_on:
            self.jump_ns = time_ns
            raise InvalidInput(
                f"is {(time_ns - self.last_ns) / 1e9:.0f} s after frame "
                f"{self.last_index}; believed when the next frame goes on from there",
                field="frame.capture_time",
            )

    def note_used(self, time_ns: int, index: int) -> None:
        """Remember the frame that was used last."""
        self.last_ns, self.last_index, self.jump_ns = time_ns, index, None
