"""Where everybody walks: agendas of places, kept apart by a short-ranged push."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.accuracy.scenes.rig import HALL_M
from tests.accuracy.scenes.script import Action, Script

Array = NDArray[np.float64]

PILLAR_RADIUS_M = 0.45
_MARGIN_M = 1.5
_REACHED_M = 0.4
_PERSONAL_M = 0.6
_GROUP_SIZE = 3
_GROUP_SPACING_M = 0.8
_SPEED_MEMORY_S = 0.4
_DOORS_M = ((0.0, 3.0), (HALL_M[0], 9.0), (6.0, HALL_M[1]), (12.0, 0.0))


@dataclass(frozen=True, slots=True)
class Stop:
    """Somewhere to go.

    Attributes:
        place_m: Where.
        rest_s: How long to stay there.
        away: Whether nobody can be seen meanwhile.
    """

    place_m: tuple[float, float]
    rest_s: float = 0.0
    away: bool = False


def pillars_m(script: Script) -> Array:
    """Return where the pillars stand, shape (P, 2)."""
    rng = np.random.default_rng((script.seed, 2))
    spread = np.linspace(0.2, 0.8, max(script.pillars, 1))[: script.pillars]
    across = 0.5 + 0.2 * np.where(np.arange(script.pillars) % 2, 1, -1)
    places = np.column_stack((spread * HALL_M[0], across * HALL_M[1]))
    return np.asarray(places + rng.uniform(-0.5, 0.5, places.shape), np.float64)


def paths_m(script: Script) -> Array:
    """Return where everybody stands, shape (frames, people, 2); NaN while away."""
    rng = np.random.default_rng((script.seed, 1))
    agendas = [_agenda(script, who, rng) for who in range(script.people)]
    stops = [next(agenda) for agenda in agendas]
    at = np.array([one.place_m for one in stops], np.float64)
    stops = [next(agenda) for agenda in agendas]
    speed = rng.normal(1.25, 0.15, script.people).clip(0.8, 1.7)
    velocity = np.zeros_like(at)
    resting_s = np.zeros(script.people)
    dt_s = 1.0 / script.rate_hz
    posts = pillars_m(script)
    leader = _leaders(script)
    offsets = _group_offsets(script.people)
    found = np.empty((script.frames, script.people, 2))
    for frame in range(script.frames):
        target = np.array([one.place_m for one in stops])
        own = leader == np.arange(script.people)
        target[~own] = at[leader[~own]] + offsets[~own]
        way = target - at
        distance = np.linalg.norm(way, axis=1)
        wanted = (
            way
            * np.minimum(
                speed / np.maximum(distance, 1e-6), np.where(own, np.inf, 1.5)
            )[:, None]
        )
        wanted[resting_s > 0] = 0.0
        wanted[~own] = _capped(way[~own] / 0.6, 1.3 * speed[~own])
        gone = np.array([one.away for one in stops]) & (resting_s > 0)
        wanted += _push(at, gone, posts)
        velocity += (wanted - velocity) * min(dt_s / _SPEED_MEMORY_S, 1.0)
        velocity = _capped(velocity, np.full(script.people, 2.2))
        at = at + velocity * dt_s
        for who in np.flatnonzero(own):
            if resting_s[who] > 0:
                resting_s[who] -= dt_s
                if resting_s[who] <= 0:
                    at[who], stops[who] = _departed(at[who], stops[who], agendas[who])
            elif distance[who] < _REACHED_M:
                resting_s[who] = max(stops[who].rest_s, 1e-9)
        away = np.array([one.away for one in stops]) & (resting_s > 0)
        found[frame] = np.where(away[:, None], np.nan, at)
    return found


def _departed(at: Array, stop: Stop, agenda: Iterator[Stop]) -> tuple[Array, Stop]:
    """Return where somebody goes on from, and where to."""
    if not stop.away:
        return at, next(agenda)
    return np.array(next(agenda).place_m), next(agenda)


def _agenda(script: Script, who: int, rng: np.random.Generator) -> Iterator[Stop]:
    """Yield where a person begins and goes, without end.

    After a stop that is away comes the door of return.
    """
    own = np.random.default_rng(rng.integers(2**63))
    if script.action is Action.CROSS:
        yield from _crossing(who, script.people, own)
    while True:
        yield _somewhere(own)
        if script.action is Action.RETURN:
            for _ in range(int(own.integers(0, 2))):
                yield _somewhere(own)
            away_s = script.away_s * own.uniform(1.0, 2.0)
            yield Stop(_DOORS_M[own.integers(len(_DOORS_M))], away_s, away=True)
            yield Stop(_DOORS_M[own.integers(len(_DOORS_M))])


def _crossing(who: int, people: int, rng: np.random.Generator) -> Iterator[Stop]:
    """Yield the ends of a line through the middle, one after the other."""
    angle = np.pi * (who + 0.5) / people
    middle = np.array(HALL_M) / 2 + rng.uniform(-0.4, 0.4, 2)
    reach = np.array([np.cos(angle) * 6.5, np.sin(angle) * 4.0])
    side = rng.choice((-1.0, 1.0))
    while True:
        x_m, y_m = middle + side * reach
        yield Stop((float(x_m), float(y_m)), float(rng.uniform(0.2, 1.0)))
        side = -side


def _somewhere(rng: np.random.Generator) -> Stop:
    x_m, y_m = (rng.uniform(_MARGIN_M, side - _MARGIN_M) for side in HALL_M)
    rest_s = rng.uniform(1.0, 4.0) if rng.random() < 0.5 else 0.2
    return Stop((float(x_m), float(y_m)), float(rest_s))


def _leaders(script: Script) -> NDArray[np.int64]:
    """Return whom each person walks with; oneself for who walks alone."""
    everybody = np.arange(script.people)
    if script.action is not Action.GROUP:
        return everybody
    return everybody - everybody % _GROUP_SIZE


def _group_offsets(people: int) -> Array:
    """Return where each person walks in a group, from its first member."""
    place = np.arange(people) % _GROUP_SIZE
    angle = place * 2.1
    offsets = np.column_stack((np.cos(angle), np.sin(angle))) * _GROUP_SPACING_M
    return np.asarray(offsets * (place > 0)[:, None], np.float64)


def _push(at: Array, gone: NDArray[np.bool_], posts: Array) -> Array:
    """Return the speed by which people and pillars push each other away."""
    push = np.zeros_like(at)
    apart = at[:, None] - at[None]
    distance = np.linalg.norm(apart, axis=-1) + 10.0 * np.eye(len(at))
    near = (distance < _PERSONAL_M) & ~gone[:, None] & ~gone[None, :]
    strength = np.where(near, 2.0 * (_PERSONAL_M - distance), 0.0)
    push += (strength[..., None] * apart / np.maximum(distance, 0.05)[..., None]).sum(1)
    if len(posts):
        apart = at[:, None] - posts[None]
        distance = np.linalg.norm(apart, axis=-1)
        strength = 3.0 * np.maximum(PILLAR_RADIUS_M + 0.4 - distance, 0.0)
        # A little sideways, or who comes straight on would never pass.
        turned = np.stack((-apart[..., 1], apart[..., 0]), axis=-1)
        way = (apart + 0.7 * turned) / np.maximum(distance, 0.05)[..., None]
        push += (strength[..., None] * way).sum(1)
    return push


def _capped(velocity: Array, most: Array) -> Array:
    size = np.maximum(np.linalg.norm(velocity, axis=1), 1e-9)
    return velocity * np.minimum(1.0, most / size)[:, None]
