"""What one session showed, collected from its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from spoton.common.v1 import events_pb2
from spoton.reid.v1 import reid_pb2


@dataclass(slots=True)
class Observation:
    """Everything that was published about a session.

    Attributes:
        updates: Its tracking updates, in order.
        ending: The event that ended it. None while it runs.
    """

    updates: list[events_pb2.TrackingUpdate] = field(default_factory=list)
    ending: events_pb2.SessionEvent | None = None

    def add(self, event: events_pb2.EnvironmentEvent) -> None:
        """Take the next event."""
        if event.HasField("tracking"):
            self.updates.append(event.tracking)
        elif event.HasField("session"):
            self.ending = event.session

    def persons_now(self) -> int:
        """Return how many people the newest update shows."""
        return len(self.updates[-1].persons) if self.updates else 0


@dataclass(frozen=True, slots=True)
class People:
    """Who was seen, after all merges.

    Attributes:
        identities: Those who stand for themselves, by label.
        survivors: Each global id ever published, with the one it stands for now.
    """

    identities: tuple[reid_pb2.Identity, ...]
    survivors: Mapping[int, int]

    def survivor(self, global_id: int) -> int:
        """Return who an identity turned out to be."""
        return self.survivors.get(global_id, global_id)

    def label(self, global_id: int) -> int:
        """Return the display number of a person; 0 for one who is not listed."""
        survivor = self.survivor(global_id)
        labels = {person.global_id: person.label for person in self.identities}
        return labels.get(survivor, 0)


def people_from_identities(identities: Iterable[reid_pb2.Identity]) -> People:
    """Follow every merge to its end."""
    merged_into = {one.global_id: one.merged_into for one in identities}
    survivors = {}
    for global_id in merged_into:
        survivor = global_id
        while merged_into.get(survivor):
            survivor = merged_into[survivor]
        survivors[global_id] = survivor
    standing = [one for one in identities if not one.merged_into]
    return People(
        identities=tuple(sorted(standing, key=lambda one: one.label)),
        survivors=survivors,
    )
