"""Many made people, and how they get into PostgreSQL fast.

A person lies in a subspace that all share, and looks scatter around the person, so
that the nearest strangers are not far behind, as with real embedders.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.common.ids import CameraId, EnvironmentId, GlobalId, ModelId, TimelineId
from services.common.postgres import Pool
from services.reid.domain.live_state import person_to_json
from services.reid.domain.motion import Motion
from services.reid.domain.person import Person
from services.reid.domain.tracklet import CameraRecord
from services.reid.domain.values import Vector

MODEL_ID, DIMENSIONS = ModelId("bench-512"), 512

_SUBSPACE = 64
_PERSONS_AT_ONCE = 4_000
_CAMERA, _SESSION = CameraId("east"), "long-ago"


@dataclass(frozen=True)
class Crowd:
    """People by number, from 0; the same number is the same person in every crowd.

    Attributes:
        looks_each: Stored looks of each person.
        scatter: How far looks are from the person; 0.6 gives a cosine of 0.8 between
            two looks, and strangers one of 0.26, with a deviation of 0.07.
    """

    looks_each: int
    scatter: float = 0.6

    @cached_property
    def _axes(self) -> Vector:
        rng = np.random.default_rng(1)
        return rng.normal(size=(_SUBSPACE, DIMENSIONS)).astype(np.float32) / 8

    @cached_property
    def _common(self) -> Vector:
        rng = np.random.default_rng(2)
        return 0.7 * rng.normal(size=DIMENSIONS).astype(np.float32)

    def blocks(self, persons: int) -> Iterator[tuple[int, Vector]]:
        """Yield first numbers and looks, float32, shape (n, looks, dimensions)."""
        for first in range(0, persons, _PERSONS_AT_ONCE):
            places = self._places(first // _PERSONS_AT_ONCE)[: persons - first]
            rng = np.random.default_rng((3, first))
            yield first, self._looks(places, self.looks_each, rng)

    def looks_of(self, person: int, count: int, seed: int) -> Vector:
        """Return other looks of one person, float32, shape (count, dimensions)."""
        block, row = divmod(person, _PERSONS_AT_ONCE)
        rng = np.random.default_rng((4, person, seed))
        looks: Vector = self._looks(self._places(block)[row : row + 1], count, rng)[0]
        return looks

    def _places(self, block: int) -> Vector:
        rng = np.random.default_rng((5, block))
        return rng.standard_normal((_PERSONS_AT_ONCE, _SUBSPACE), np.float32)

    def _looks(self, places: Vector, count: int, rng: np.random.Generator) -> Vector:
        size = (len(places), count, DIMENSIONS)
        looks: Vector = rng.standard_normal(size, np.float32)
        looks *= np.float32(self.scatter)
        looks += self._common + (places @ self._axes)[:, None, :]
        looks /= np.linalg.norm(looks, axis=2, keepdims=True)
        return looks


async def store(
    pool: Pool,
    crowd: Crowd,
    persons: int,
    environment_id: EnvironmentId,
    timeline_id: TimelineId,
    first_id: int,
    seen_ns: int,
) -> None:
    """Store people as a timeline leaves them who were seen long ago.

    Person n has the id `first_id` + n and the label n + 1.
    """
    async with pool.connection() as connection:
        async with connection.cursor().copy(
            "COPY identities (global_id, environment_id, timeline_id, label, "
            "session_id, first_seen_ns, last_seen_ns, provisional, floor_id, position, "
            "calibration_revision, state) FROM STDIN"
        ) as copy:
            for number in range(persons):
                person = _person(first_id + number, number, seen_ns)
                await copy.write_row(
                    (
                        person.global_id,
                        environment_id,
                        timeline_id,
                        person.label,
                        _SESSION,
                        seen_ns,
                        seen_ns,
                        False,
                        "ground",
                        [0.0, 0.0, 0.1, 0.0, 0.1],
                        1,
                        json.dumps(person_to_json(person)),
                    )
                )
        await connection.execute(
            "INSERT INTO camera_sightings SELECT global_id, %s, 10, first_seen_ns, "
            "last_seen_ns FROM identities WHERE environment_id = %s",
            (_CAMERA, environment_id),
        )
        async with connection.cursor().copy(
            "COPY prototypes (prototype_id, global_id, environment_id, model_id, "
            "session_id, camera_id, vector, vector_count, captured_ns) FROM STDIN "
            "(FORMAT binary)"
        ) as copy:
            await copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for first, looks in crowd.blocks(persons):
                rows = _prototype_rows(looks, first_id, first, environment_id, seen_ns)
                await copy.write(rows)
            await copy.write(b"\xff\xff")


def _person(global_id: int, number: int, seen_ns: int) -> Person:
    """Return somebody who left long ago."""
    return Person(
        GlobalId(global_id),
        number + 1,
        motion=Motion(np.zeros(4), 0.1 * np.eye(4), seen_ns, "ground", 1),
        confirmed=True,
        cameras={_CAMERA: CameraRecord(10, seen_ns, seen_ns)},
    )


def _prototype_rows(
    looks: Vector, first_id: int, first: int, environment_id: str, seen_ns: int
) -> bytes:
    """Return rows in PostgreSQL's binary form: all have one length, so they are one.

    Each field is its length and its big-endian content.
    """
    persons, each, _ = looks.shape
    texts = {
        "environment": environment_id.encode(),
        "model": MODEL_ID.encode(),
        "session": _SESSION.encode(),
        "camera": _CAMERA.encode(),
    }
    fields: list[tuple[str, str, int]] = [("prototype", ">i8", 8), ("person", ">i8", 8)]
    fields += [(name, f"S{len(text)}", len(text)) for name, text in texts.items()]
    vector_bytes = 4 + 4 * DIMENSIONS
    layout: list[tuple[str, object]] = [("fields", ">i2")]
    for name, kind, length in fields:
        layout += [(f"{name}_length", ">i4"), (name, kind)]
        assert np.dtype(kind).itemsize == length
    layout += [("vector_length", ">i4"), ("dimensions", ">i2"), ("unused", ">i2")]
    layout += [("vector", (">f4", (DIMENSIONS,)))]
    layout += [("count_length", ">i4"), ("count", ">i4")]
    layout += [("captured_length", ">i4"), ("captured", ">i8")]
    rows = np.zeros(persons * each, np.dtype(layout))
    rows["fields"] = 9
    for name, _, length in fields:
        rows[f"{name}_length"] = length
    number = np.arange(persons * each) + first * each
    rows["person"] = first_id + number // each
    # Odd beside the persons' ids, which are far below.
    rows["prototype"] = first_id * 16 + number
    for name, text in texts.items():
        rows[name] = text
    rows["vector_length"], rows["dimensions"] = vector_bytes, DIMENSIONS
    rows["vector"] = looks.reshape(-1, DIMENSIONS)
    rows["count_length"], rows["count"] = 4, 1
    rows["captured_length"], rows["captured"] = 8, seen_ns
    return rows.tobytes()
