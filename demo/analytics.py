"""What happened, as the analytics tell it: a table, and a heatmap of the floor."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from rich.table import Table

from demo.canvas import INK, MUTED, WHITE, blank, line, write
from demo.palette import Colour
from services.pipeline.domain.frames import Pixels
from spoton.analytics.v1 import movement_pb2, presence_pb2
from spoton.mapper.v1 import environment_pb2

if TYPE_CHECKING:  # Names that exist in the type stubs only.
    from spoton.analytics.v1.analytics_pb2_grpc import AnalyticsServiceAsyncStub

CELL_M = 0.5
_TIMEOUT_S = 20.0
_STORED_TIMEOUT_S = 60.0
_POLL_S = 0.2

_WIDTH_PX, _MAX_HEIGHT_PX = 1100, 900
_TITLE_PX, _MARGIN_PX, _LEGEND_PX = 78, 28, 64
_MARGIN_M, _SCALE_M = 1.0, 5
_PAPER: Colour = (250, 250, 248)
_HEAT: Sequence[Colour] = (
    (255, 243, 205),
    (253, 199, 107),
    (240, 120, 61),
    (196, 43, 58),
    (92, 14, 66),
)
"""From little to much."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WhatHappened:
    """Answers about one timeline.

    Attributes:
        unique: How many different persons there were.
        dwell: How long visits lasted.
        crossings: Who entered and left.
        heatmap: Where on the floor people were.
    """

    unique: presence_pb2.GetUniquePersonsResponse
    dwell: presence_pb2.GetDwellResponse
    crossings: presence_pb2.GetCrossingsResponse
    heatmap: movement_pb2.GetHeatmapResponse


async def ask(
    analytics: "AnalyticsServiceAsyncStub",
    environment_id: str,
    timeline_id: str,
    start: Timestamp,
    last: Timestamp,
) -> WhatHappened:
    """Return what happened in a timeline, once all of it is stored.

    Args:
        analytics: The service.
        environment_id: Environment.
        timeline_id: Timeline of the session.
        start: Capture time of the first frame set.
        last: Capture time of the last frame set.

    Raises:
        TimeoutError: The history stays behind.
        grpc.aio.AioRpcError: A call failed.
    """
    end = Timestamp()
    end.FromNanoseconds(last.ToNanoseconds() + 1000)
    asked: dict[str, Any] = {
        "environment_id": environment_id,
        "timeline_ids": [timeline_id],
        "start_time": start,
        "end_time": end,
    }
    async with asyncio.timeout(_STORED_TIMEOUT_S):
        await _stored(analytics, environment_id, timeline_id, last)
    return WhatHappened(
        unique=await analytics.GetUniquePersons(
            presence_pb2.GetUniquePersonsRequest(**asked), timeout=_TIMEOUT_S
        ),
        dwell=await analytics.GetDwell(
            presence_pb2.GetDwellRequest(**asked, percentiles=[50, 90]),
            timeout=_TIMEOUT_S,
        ),
        crossings=await analytics.GetCrossings(
            presence_pb2.GetCrossingsRequest(**asked), timeout=_TIMEOUT_S
        ),
        heatmap=await analytics.GetHeatmap(
            movement_pb2.GetHeatmapRequest(**asked, cell_size_m=CELL_M),
            timeout=_TIMEOUT_S,
        ),
    )


async def _stored(
    analytics: "AnalyticsServiceAsyncStub",
    environment_id: str,
    timeline_id: str,
    last: Timestamp,
) -> None:
    """Wait until the history reaches a capture time."""
    request = presence_pb2.GetOccupancyRequest(
        environment_id=environment_id, timeline_ids=[timeline_id]
    )
    while True:
        try:
            answer = await analytics.GetOccupancy(request, timeout=_TIMEOUT_S)
        except aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
        else:
            stored_until = answer.coverage.stored_until
            if stored_until.ToNanoseconds() // 1000 >= last.ToNanoseconds() // 1000:
                return
        await asyncio.sleep(_POLL_S)


def history_table(happened: WhatHappened) -> Table:
    """Return how many were where, how long, and who entered and left."""
    persons = {zone.zone_id: zone.persons for zone in happened.unique.zones}
    crossings = {zone.zone_id: zone for zone in happened.crossings.zones}
    table = Table(title="What happened", title_justify="left")
    table.add_column("where")
    for name in ("persons", "entries", "exits", "dwell p50", "p90", "total"):
        table.add_column(name, justify="right")
    for dwell in happened.dwell.distributions:
        zone = crossings.get(dwell.zone_id)
        lengths = [_seconds(one.duration) for one in dwell.percentiles]
        table.add_row(
            dwell.zone_id or "[bold]everywhere[/]",
            str(persons.get(dwell.zone_id, happened.unique.persons)),
            str(zone.entries) if zone else "",
            str(zone.exits) if zone else "",
            *(lengths or ("-", "-")),
            _seconds(dwell.total),
        )
    for wire in happened.crossings.tripwires:
        there, back = wire.left_to_right, wire.right_to_left
        table.add_row(f"{wire.tripwire_id} (tripwire)", "", f"{there} →", f"← {back}")
    return table


def _seconds(length: Duration) -> str:
    return f"{length.ToMicroseconds() / 1e6:.1f} s"


def draw_heatmap(
    path: Path,
    heatmap: movement_pb2.GetHeatmapResponse,
    zones: Sequence[environment_pb2.Zone],
    title: str,
) -> None:
    """Write a picture of where on the floor people spent their time.

    Args:
        path: PNG file to write.
        heatmap: The cells.
        zones: Zones, whose borders are drawn over them.
        title: First line of the picture.
    """
    dwell_s = {
        (cell.column, cell.row): cell.dwell.ToMicroseconds() / 1e6
        for cell in heatmap.cells
    }
    shown = [zone for zone in zones if zone.floor_id in ("", heatmap.floor_id)]
    floor = _Floor.around(list(dwell_s), heatmap.cell_size_m or CELL_M, shown)
    ground = blank(floor.width_px, floor.height_px, _PAPER)
    _draw_cells(ground, floor, dwell_s)
    for zone in shown:
        _draw_zone(ground, floor, zone)
    _draw_scale_bar(ground, floor)
    picture = _framed(ground, title, max(dwell_s.values(), default=0.0))
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


@dataclass(frozen=True, slots=True)
class _Floor:
    """The part of the floor that is drawn; x to the right, y upwards.

    Attributes:
        left_m: Smallest x.
        top_m: Largest y.
        cell_m: Side of a cell.
        px_per_m: Scale.
        width_px: Width of the drawing.
        height_px: Height of the drawing.
    """

    left_m: float
    top_m: float
    cell_m: float
    px_per_m: float
    width_px: int
    height_px: int

    @classmethod
    def around(
        cls,
        cells: Sequence[tuple[int, int]],
        cell_m: float,
        zones: Sequence[environment_pb2.Zone],
    ) -> "_Floor":
        """Return the floor around cells and zones; a small one without any."""
        points = [(one.x_m, one.y_m) for zone in zones for one in zone.corners]
        for column, row in cells:
            points += [(column * cell_m, row * cell_m)]
            points += [((column + 1) * cell_m, (row + 1) * cell_m)]
        corners = np.array(points or [(-5.0, -5.0), (5.0, 5.0)])
        low, high = corners.min(axis=0) - _MARGIN_M, corners.max(axis=0) + _MARGIN_M
        width_m, height_m = high - low
        px_per_m = min(_WIDTH_PX / width_m, _MAX_HEIGHT_PX / height_m)
        return cls(
            left_m=float(low[0]),
            top_m=float(high[1]),
            cell_m=cell_m,
            px_per_m=float(px_per_m),
            width_px=round(width_m * px_per_m),
            height_px=round(height_m * px_per_m),
        )

    def to_px(self, points_m: npt.ArrayLike) -> Points:
        """Return pixels of the drawing for metres, shape (N, 2)."""
        points = np.atleast_2d(np.asarray(points_m, np.float64))
        scaled: Points = (points - (self.left_m, self.top_m)) * (1, -1) * self.px_per_m
        return scaled


def heat_colour(share: float) -> Colour:
    """Return the colour of a cell.

    Args:
        share: Its dwell by that of the cell with most, [0, 1]. The scale is a square
            root: else one who sits still would leave everybody else pale.
    """
    place = min(max(share, 0.0), 1.0) ** 0.5 * (len(_HEAT) - 1)
    below = min(int(place), len(_HEAT) - 2)
    mix = place - below
    red, green, blue = (
        round(low + (high - low) * mix)
        for low, high in zip(_HEAT[below], _HEAT[below + 1], strict=True)
    )
    return red, green, blue


def _draw_cells(
    ground: Pixels, floor: _Floor, dwell_s: Mapping[tuple[int, int], float]
) -> None:
    most_s = max(dwell_s.values(), default=0.0) or 1.0
    for (column, row), spent_s in dwell_s.items():
        left_m, bottom_m = column * floor.cell_m, row * floor.cell_m
        corners = floor.to_px(
            [(left_m, bottom_m + floor.cell_m), (left_m + floor.cell_m, bottom_m)]
        )
        (left, top), (right, bottom) = np.rint(corners).astype(int).tolist()
        colour = heat_colour(spent_s / most_s)
        cv2.rectangle(ground, (left, top), (right - 1, bottom - 1), colour, cv2.FILLED)


def _draw_zone(ground: Pixels, floor: _Floor, zone: environment_pb2.Zone) -> None:
    corners_px = floor.to_px([(one.x_m, one.y_m) for one in zone.corners])
    line(ground, corners_px, WHITE, 4, closed=True)
    line(ground, corners_px, INK, 1, closed=True)
    left, top = corners_px.min(axis=0)
    write(ground, zone.display_name or zone.zone_id, left + 6, top + 18, height_px=12)


def _draw_scale_bar(ground: Pixels, floor: _Floor) -> None:
    left, base = 20, floor.height_px - 20
    right = left + _SCALE_M * floor.px_per_m
    bar = [(left, base - 9), (left, base), (right, base), (right, base - 9)]
    line(ground, bar, WHITE, 7)
    line(ground, bar, INK, 3)
    write(ground, f"{_SCALE_M} m", left + 8, base - 12, height_px=14)


def _framed(ground: Pixels, title: str, most_s: float) -> Pixels:
    """Return the floor with a title above and the meaning of colours below."""
    height, width = ground.shape[:2]
    picture = blank(
        _MARGIN_PX + width + _MARGIN_PX, _TITLE_PX + height + _LEGEND_PX, _PAPER
    )
    picture[_TITLE_PX : _TITLE_PX + height, _MARGIN_PX : _MARGIN_PX + width] = ground
    write(picture, title, _MARGIN_PX, 38, height_px=20)
    subtitle = "Time that people spent there, several cameras counted once"
    write(picture, subtitle, _MARGIN_PX, 63, height_px=12, colour=MUTED)
    top, bar_px = _TITLE_PX + height + 20, 240
    for offset in range(bar_px):
        colour = heat_colour(offset / (bar_px - 1))
        x = _MARGIN_PX + offset
        picture[top : top + 14, x] = colour
    write(picture, "0", _MARGIN_PX, top + 34, colour=MUTED)
    right = _MARGIN_PX + bar_px - 20
    write(picture, f"{most_s:.0f} s", right, top + 34, colour=MUTED)
    return picture
