"""How attempts to log in are slowed."""

from services.common.errors import Overloaded


class LoginThrottled(Overloaded):
    """Too many attempts failed; the next one is taken later.

    Attributes:
        retry_after_s: When, seconds from now.
    """

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(
            f"too many attempts failed; try again in {retry_after_s:.0f} s"
        )
        self.retry_after_s = retry_after_s
