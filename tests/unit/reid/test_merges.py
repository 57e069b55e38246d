"""Whose vectors go to whom when identities merge."""

from services.common.ids import GlobalId
from services.reid.adapters.timeline_table import _merged
from services.reid.domain.live_set import NOBODY, Snapshot
from services.reid.domain.person import Person
from services.reid.service.timeline_store import Commit


def snapshot(number: int, into: int = NOBODY) -> Snapshot:
    """Return a person who stands for themself, or went on as another."""
    return Snapshot(Person(GlobalId(number), number), {}, GlobalId(into))


def test_chains_of_merges_end_with_the_last_survivor() -> None:
    """Merges of one commit are followed in whatever order they are stored."""
    commit = Commit(after=0)
    for one in (snapshot(2, into=1), snapshot(1), snapshot(4, into=3)):
        commit.identities[one.person.global_id] = one
    commit.identities[GlobalId(3)] = snapshot(3, into=2)
    assert _merged(commit) == {2: 1, 4: 1, 3: 1}
    assert _merged(Commit(after=0)) == {}
