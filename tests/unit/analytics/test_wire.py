"""The column reader understands what the library writes."""

import random

import numpy as np
import pytest

from services.analytics.domain.intake import Intake
from services.analytics.domain.memory import Memory
from services.analytics.tracking_columns import read_updates
from services.analytics.wire import Kind, Spans, Wire
from spoton.common.v1 import events_pb2


def spans_of(parts: list[bytes]) -> Spans:
    """Return where parts lie once they are joined."""
    ends = np.cumsum([len(part) for part in parts])
    return Spans(ends - [len(part) for part in parts], ends)


def random_person(chance: random.Random) -> events_pb2.PersonState:
    """Return a person with fields left out, extreme numbers, and unknown fields."""
    person = events_pb2.PersonState(
        global_id=chance.choice((0, 1, 127, 128, 2**35, 2**63 - 1, -1, -(2**63))),
        label=chance.choice((0, 5, 2**32 - 1)),
        camera_ids=chance.sample(
            ("a", "", "east-gate", "x" * 63), chance.randint(0, 4)
        ),
        provisional=chance.random() < 0.5,
    )
    if chance.random() < 0.7:
        person.position.point.x_m = chance.choice((0.0, -1.5, 1e300))
        person.position.floor_id = chance.choice(("", "ground"))
    if chance.random() < 0.7:
        person.velocity_x_mps = chance.choice((0.0, -0.25, 3e38))
    extra = bytes([0xFA, 0x07, 3, 1, 2, 3]) if chance.random() < 0.3 else b""
    return events_pb2.PersonState.FromString(extra + person.SerializeToString())


@pytest.mark.parametrize("seed", range(50))
def test_numbers_and_places_are_as_the_library_reads_them(seed: int) -> None:
    """Every field of every message, absent ones and unknown ones included."""
    chance = random.Random(seed)
    persons = [random_person(chance) for _ in range(chance.randint(1, 40))]
    parts = [person.SerializeToString() for person in persons]
    wire = Wire(b"".join(parts))
    table = wire.read(
        spans_of(parts),
        {
            1: Kind.VARINT,
            2: Kind.VARINT,
            3: Kind.SPAN,
            4: Kind.OPTIONAL_FLOAT,
            6: Kind.ALL,
        },
    )
    assert table.numbers[1].tolist() == [p.global_id for p in persons]
    assert table.numbers[2].tolist() == [p.label for p in persons]
    assert table.spans[3].present.tolist() == [p.HasField("position") for p in persons]
    for row, person in enumerate(persons):
        velocity = table.numbers[4][row]
        assert np.isnan(velocity) != person.HasField("velocity_x_mps")
        assert np.isnan(velocity) or velocity == np.float32(person.velocity_x_mps)
    places = wire.read(table.spans[3], {1: Kind.SPAN, 3: Kind.SPAN})
    point = wire.read(places.spans[1], {1: Kind.DOUBLE})
    assert point.numbers[1].tolist() == [p.position.point.x_m for p in persons]
    names, which = wire.distinct(places.spans[3])
    assert [names[i].decode() for i in which] == [p.position.floor_id for p in persons]
    blobs, which = wire.distinct(table.spans[6])
    for index, person in zip(which, persons, strict=True):
        read = events_pb2.PersonState.FromString(blobs[index])
        assert read.camera_ids == person.camera_ids


def test_a_repeated_field_keeps_owners_and_order() -> None:
    """Messages of a repeated field come owner by owner, in order."""
    updates = []
    for count in (2, 0, 3):
        update = events_pb2.TrackingUpdate(session_id="s")
        for number in range(count):
            update.persons.add(global_id=number + 1)
        updates.append(update.SerializeToString())
    wire = Wire(b"".join(updates))
    persons = wire.read(spans_of(updates), {6: Kind.EACH}).each[6]
    assert persons.owner.tolist() == [0, 0, 2, 2, 2]
    numbers = wire.read(persons.spans, {1: Kind.VARINT}).numbers[1]
    assert numbers.tolist() == [1, 2, 1, 2, 3]


@pytest.mark.parametrize("seed", range(100))
def test_damage_is_an_error_or_a_message(seed: int) -> None:
    """Changed and cut bytes never end in anything but ValueError."""
    chance = random.Random(seed)
    update = events_pb2.EnvironmentEvent(environment_id="plaza")
    update.tracking.persons.append(random_person(chance))
    update.tracking.persons[0].global_id = 5
    encoded = bytearray(update.SerializeToString())
    for _ in range(chance.randint(1, 3)):
        encoded[chance.randrange(len(encoded))] = chance.randrange(256)
    cut = bytes(encoded[: chance.randint(1, len(encoded))])
    try:
        updates = read_updates([cut])
        updates.person_columns(Intake(Memory(), {}, 1))
    except ValueError:
        return
    assert len(updates.is_update) == 1
