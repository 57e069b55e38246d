"""Whose vectors go to whom when identities merge."""

from services.common.ids import GlobalId
from services.reid.adapters.timeline_table import _merges
from services.reid.domain.values import EventKind, IdentityChange
from services.reid.service.timeline_store import Commit


def change(kind: EventKind, one: int, other: int = 0) -> IdentityChange:
    """Return something that happened to identities."""
    return IdentityChange(kind, GlobalId(one), GlobalId(other), 1, 0)


def test_chains_of_merges_are_followed_one_by_one() -> None:
    """Vectors take every step of a chain, so that each can be undone."""
    commit = Commit(after=0)
    commit.events = [
        change(EventKind.MERGED, 3, 4),
        change(EventKind.SPLIT, 3, 9),
        change(EventKind.MERGED, 2, 3),
        change(EventKind.CREATED, 5),
        change(EventKind.MERGED, 1, 2),
    ]
    assert _merges(commit) == [(3, 4), (2, 3), (1, 2)]
    assert not _merges(Commit(after=0))
