"""What the demo tells of the history: a table and a picture."""

import io
from pathlib import Path

import cv2
import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from rich.console import Console

from demo.analytics import (
    CELL_M,
    WhatHappened,
    ask,
    draw_heatmap,
    heat_colour,
    history_table,
)
from spoton.analytics.v1 import movement_pb2, presence_pb2
from spoton.mapper.v1 import environment_pb2


def _happened() -> WhatHappened:
    """Return three persons, one of whom visited the stage for a minute."""
    heatmap = movement_pb2.GetHeatmapResponse(floor_id="ground", cell_size_m=CELL_M)
    for column, row, dwell_s in ((0, 0, 60), (1, 0, 15), (-4, 6, 1)):
        cell = heatmap.cells.add(column=column, row=row, passages=1)
        cell.dwell.FromSeconds(dwell_s)
    dwell = presence_pb2.GetDwellResponse()
    everywhere = dwell.distributions.add(visits=3, persons=3)
    everywhere.total.FromSeconds(76)
    stage = dwell.distributions.add(zone_id="stage", visits=1, persons=1)
    stage.total.FromSeconds(60)
    for percent in (50, 90):
        stage.percentiles.add(percent=percent).duration.FromSeconds(60)
    return WhatHappened(
        unique=presence_pb2.GetUniquePersonsResponse(
            persons=3, zones=[{"zone_id": "stage", "persons": 1}]
        ),
        dwell=dwell,
        crossings=presence_pb2.GetCrossingsResponse(
            zones=[{"zone_id": "stage", "entries": 1, "exits": 1}],
            tripwires=[{"tripwire_id": "gate", "left_to_right": 2}],
        ),
        heatmap=heatmap,
    )


class _Analytics:
    """A service whose history knows nothing, then half, then everything."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self._stored = [None, 10, 20]

    async def GetOccupancy(self, request, timeout):
        stored_s = self._stored.pop(0)
        if stored_s is None:
            raise aio.AioRpcError(
                grpc.StatusCode.NOT_FOUND, aio.Metadata(), aio.Metadata()
            )
        answer = presence_pb2.GetOccupancyResponse()
        answer.coverage.stored_until.FromSeconds(stored_s)
        return answer

    async def GetUniquePersons(self, request, timeout):
        self.asked.append(request)
        return _happened().unique

    async def GetDwell(self, request, timeout):
        self.asked.append(request)
        return _happened().dwell

    async def GetCrossings(self, request, timeout):
        self.asked.append(request)
        return _happened().crossings

    async def GetHeatmap(self, request, timeout):
        self.asked.append(request)
        return _happened().heatmap


async def test_the_analytics_are_asked_once_all_is_stored() -> None:
    """Every question is about the one timeline, the last frame set included."""
    analytics = _Analytics()
    start, last = Timestamp(seconds=5), Timestamp(seconds=20)
    happened = await ask(analytics, "plaza", "timeline-1", start, last)
    assert happened == _happened()
    assert len(analytics.asked) == 4
    for request in analytics.asked:
        assert list(request.timeline_ids) == ["timeline-1"]
        assert request.start_time == start
        assert request.end_time.ToMicroseconds() == 20_000_001


def test_the_table_tells_persons_crossings_and_dwell() -> None:
    """The environment, each zone and each tripwire have a row."""
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(history_table(_happened()))
    text = console.export_text()
    rows = {
        words[0]: words
        for words in (line.replace("│", " ").split() for line in text.splitlines())
        if words
    }
    assert rows["everywhere"][1:] == ["3", "-", "-", "76.0", "s"]
    assert rows["stage"][1:] == ["1", "1", "1", *("60.0", "s") * 3]
    assert rows["gate"][1:] == ["(tripwire)", "2", "→", "←", "0"]


def test_the_heatmap_is_darkest_where_most_time_was_spent(tmp_path: Path) -> None:
    """Cells have the colours of their dwell, zones are drawn, and no cell is lost."""
    zone = environment_pb2.Zone(zone_id="stage", floor_id="ground")
    for x_m, y_m in ((-0.5, 0.2), (0.8, 0.2), (0.8, 1.0), (-0.5, 1.0)):
        zone.corners.add(x_m=x_m, y_m=y_m)
    with_zone, without = tmp_path / "with.png", tmp_path / "without.png"
    draw_heatmap(with_zone, _happened().heatmap, [zone], "plaza")
    draw_heatmap(without, _happened().heatmap, [], "plaza")
    plain = cv2.cvtColor(cv2.imread(str(without)), cv2.COLOR_BGR2RGB)
    for share in (1.0, 0.25, 1 / 60):
        cell = (plain == np.array(heat_colour(share), np.uint8)).all(axis=2)
        assert cell.sum() > 1000
    assert (cv2.imread(str(with_zone)) != cv2.imread(str(without))).any()


def test_an_empty_heatmap_is_an_empty_floor(tmp_path: Path) -> None:
    """Nobody was there: there is a picture all the same."""
    path = tmp_path / "empty.png"
    draw_heatmap(path, movement_pb2.GetHeatmapResponse(), [], "plaza")
    assert cv2.imread(str(path)).shape[0] > 100


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0, 2.0])
def test_colours_grow_darker(share: float) -> None:
    """More time is never brighter."""
    assert sum(heat_colour(share)) <= sum(heat_colour(share / 2))
