"""Which evidence may decide who is who."""

from enum import StrEnum

from services.pipeline.domain.session import Evidence


class Mode(StrEnum):
    """What identities are decided by."""

    BOTH = "both"
    FLOOR = "floor"
    APPEARANCE = "appearance"
    NONE = "none"

    @property
    def uses_floor(self) -> bool:
        """Whether positions on the floor count."""
        return self in (Mode.BOTH, Mode.FLOOR)

    @property
    def uses_appearance(self) -> bool:
        """Whether vectors count."""
        return self in (Mode.BOTH, Mode.APPEARANCE)

    @property
    def evidence(self) -> Evidence:
        """What a session is created with."""
        return Evidence(
            ignore_floor=not self.uses_floor,
            ignore_appearance=not self.uses_appearance,
        )
