"""What an operator can say about who is who, and what it changes."""

from dataclasses import dataclass, field

from services.common.errors import SpotOnError
from services.common.ids import GlobalId
from services.reid.domain.live_set import NOBODY, MergeRecord
from services.reid.domain.person import Person
from services.reid.domain.values import TrackKey


@dataclass(frozen=True, slots=True)
class Merge:
    """Two persons are one.

    Attributes:
        global_id: Person who goes on.
        other_global_id: Person who goes on as that.
        replace: Whether earlier feedback to the contrary is taken back.
    """

    global_id: GlobalId
    other_global_id: GlobalId
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """Part of a person is somebody else.

    Attributes:
        global_id: The person.
        merged_global_id: Identity that was merged into the person; NOBODY for tracks.
        tracks: Live tracks of the person.
    """

    global_id: GlobalId
    merged_global_id: GlobalId = NOBODY
    tracks: tuple[TrackKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Confirm:
    """A live track is a person.

    Attributes:
        global_id: The person.
        track: The track.
        replace: Whether earlier feedback to the contrary is taken back.
    """

    global_id: GlobalId
    track: TrackKey
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A live track is not a person.

    Attributes:
        global_id: The person.
        track: The track.
        replace: Whether earlier feedback to the contrary is taken back.
    """

    global_id: GlobalId
    track: TrackKey
    replace: bool = False


Command = Merge | Split | Confirm | Reject


@dataclass(frozen=True, slots=True)
class Former:
    """An identity that was merged away, as it was.

    Attributes:
        person: The identity, without prototypes.
        merge: What the merge joined; None where nobody wrote it down.
        prototype_ids: Prototypes that came with it and are kept.
    """

    person: Person
    merge: MergeRecord | None
    prototype_ids: frozenset[GlobalId]


@dataclass(frozen=True, slots=True)
class Named:
    """Those that a command names.

    Attributes:
        person: The person of `global_id` by now.
        other: The person of `other_global_id` or `merged_global_id` by now.
        former: The identity of `merged_global_id`.
    """

    person: GlobalId
    other: GlobalId = NOBODY
    former: Former | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two parts whose likeness is of one person, or of two: material for the fit.

    Attributes:
        same: Whether they are one person.
        person: One part: a person without the other part.
        other: The other part, if it is an identity; NOBODY otherwise.
        tracks: The other part, if it is tracks.
    """

    same: bool
    person: GlobalId
    other: GlobalId = NOBODY
    tracks: tuple[TrackKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What a command changed beside the live set.

    Attributes:
        global_id: Person that the answer names.
        other_global_id: The other person that the answer names; NOBODY for none.
        comparison: Material for the fit, if there is any.
        parted: Tracks that changed hands, with their person by now.
        regained: Identity that stands for itself again, and the person it was part
            of; None if no merge was undone.
    """

    global_id: GlobalId
    other_global_id: GlobalId = NOBODY
    comparison: Comparison | None = None
    parted: dict[TrackKey, GlobalId] = field(default_factory=dict)
    regained: tuple[GlobalId, GlobalId] | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """What became of a command.

    Attributes:
        revision: Its number in the timeline.
        effect: What it changed; None if it was refused.
        error: Why it was refused; None if it was not.
    """

    revision: int
    effect: Effect | None = None
    error: SpotOnError | None = None
