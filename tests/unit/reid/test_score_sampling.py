"""Which scores are kept: pairs whose truth is known, a bounded sample of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from services.common.errors import Unavailable
from services.common.ids import EnvironmentId, SessionId
from services.reid.domain.live_set import LiveSet
from services.reid.domain.score_pairs import PairKind, ScoredPair
from services.reid.domain.score_pairs import scored_pairs as scored_if_sure
from services.reid.domain.values import Tick
from services.reid.service.score_sampling import (
    HALF_LIFE_S,
    Drawn,
    ScoreSampler,
    Stratum,
    priority,
)
from tests.unit.reid.scenes import CONFIG, MODEL, Scene, Seen, tick

PLAZA = EnvironmentId("plaza")


def scored_pairs(live: LiveSet, one: Tick) -> list[ScoredPair]:
    """Return scores, almost as sure as a merge must be."""
    return scored_if_sure(live, one, 0.9 * CONFIG.merge_evidence)


def played(seen: Sequence[Seen]) -> Scene:
    """Return a scene that every camera has watched for four seconds."""
    scene = Scene()
    scene.play(1, 40, lambda _: seen)
    return scene


def kinds_of(scene: Scene, seen: Sequence[Seen], number: int = 60) -> list[PairKind]:
    """Return the kinds of the scores that one more tick gives."""
    return [one.kind for one in scored_pairs(scene.live, tick(number, seen))]


def test_a_track_is_compared_with_itself() -> None:
    """Crops a second apart show one person; two of one moment are copies."""
    seen = [Seen("east", 1, 0.0, looks=1)]
    scene = played(seen)
    (one,) = scored_pairs(scene.live, tick(60, seen))
    assert one.kind is PairKind.WITHIN_TRACK
    assert one.score == pytest.approx(1.0, abs=1e-5)
    assert one.left == one.right == "session/east/1"
    newest_ns = scene.live.tracks[next(iter(scene.live.tracks))].asked_ns
    near = tick(60, seen)
    near = replace(
        near,
        cameras=tuple(replace(c, captured_ns=newest_ns + 10**8) for c in near.cameras),
    )
    assert not scored_pairs(scene.live, near)


def test_the_floor_and_cameras_tell_who_is_who() -> None:
    """Two cameras in one place, two in different places, one that sees two."""

    def walking(number: int) -> list[Seen]:
        at_m = 0.1 * number
        return [
            Seen("east", 1, at_m, looks=1),
            Seen("west", 1, at_m + 0.1, looks=1),
            Seen("west", 2, at_m + 9.0, looks=2),
        ]

    scene = Scene()
    scene.play(1, 40, walking)
    found = {
        (one.kind, one.left[8:], one.right[8:]): one.score
        for one in scored_pairs(scene.live, tick(60, walking(41)))
    }
    same, other = 1.0, found[PairKind.AT_ONCE, "west/1", "west/2"]
    assert found[PairKind.ACROSS_CAMERAS, "east/1", "west/1"] == pytest.approx(same)
    assert found[PairKind.APART_ON_FLOOR, "east/1", "west/2"] == pytest.approx(other)
    assert other < 0.9


def test_without_a_floor_nothing_is_said_about_other_cameras() -> None:
    """Appearance never labels itself."""
    seen = [Seen("east", 1, looks=1), Seen("west", 1, looks=1)]
    assert set(kinds_of(played(seen), seen)) == {PairKind.WITHIN_TRACK}


def test_another_session_or_no_vectors_give_nothing() -> None:
    """Tracks of another session have other numbers."""
    seen = [Seen("east", 1, 0.0, looks=1)]
    scene = played(seen)
    other = replace(tick(60, seen), session_id=SessionId("next"))
    assert not scored_pairs(scene.live, other)
    assert not scored_pairs(scene.live, tick(60, [Seen("east", 1, 0.0)]))
    assert not scored_pairs(Scene().live, tick(60, seen))


@dataclass
class Samples:
    """A table that keeps the greatest priorities, and can be away."""

    away: bool = False
    rows: list[Drawn] = field(default_factory=list)
    calls: int = 0

    async def keep(self, drawn: Sequence[Drawn], most: int) -> Mapping[Stratum, float]:
        """Keep three of each stratum."""
        self.calls += 1
        if self.away:
            raise Unavailable("the database is away")
        self.rows += drawn
        self.rows.sort(key=lambda one: -one.priority)
        del self.rows[3:]
        return {self.rows[0].stratum: self.rows[-1].priority}


async def test_scores_below_what_is_kept_are_not_written() -> None:
    """Once a sample is full, most scores cost no write."""
    seen = [Seen("east", 1, 0.0, looks=1)]
    live, one = played(seen).live, tick(60, seen)
    shares = iter([0.5, 0.6, 0.7, 0.1, 0.9])
    table = Samples()
    sampler = ScoreSampler(
        table, lambda: next(shares), sure_nats=6.0, now_s=lambda: 0.0
    )
    for _ in range(3):
        sampler.offer(PLAZA, MODEL.model_id, live, one)
    await sampler.store()
    sampler.offer(PLAZA, MODEL.model_id, live, one)
    await sampler.store()
    assert table.calls == 1
    sampler.offer(PLAZA, MODEL.model_id, live, one)
    await sampler.store()
    assert [row.priority for row in table.rows] == [
        priority(0.0, share) for share in (0.9, 0.7, 0.6)
    ]


async def test_a_store_that_is_away_costs_scores_only() -> None:
    """What cannot be stored is lost, and the next is stored."""
    seen = [Seen("east", 1, 0.0, looks=1)]
    live, one = played(seen).live, tick(60, seen)
    table = Samples(away=True)
    sampler = ScoreSampler(table, lambda: 0.5, sure_nats=6.0)
    sampler.offer(PLAZA, MODEL.model_id, live, one)
    with pytest.raises(Unavailable):
        await sampler.store()
    table.away = False
    await sampler.store()
    assert not table.rows
    sampler.offer(PLAZA, MODEL.model_id, live, one)
    await sampler.store()
    assert len(table.rows) == 1


def test_a_sample_prefers_what_is_newer() -> None:
    """Of scores a half-life apart, the newer ones are about two thirds of a sample."""
    rng = np.random.default_rng(1)
    shares = rng.random(20_000)
    drawn = [
        (priority(age * HALF_LIFE_S, share), age)
        for age, half in ((0, shares[:10_000]), (1, shares[10_000:]))
        for share in half
    ]
    kept = sorted(drawn)[-1000:]
    newer = sum(age for _, age in kept)
    assert newer == pytest.approx(667, abs=60)
