"""Find out when each camera saw somebody, within each stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.analytics.domain.increment import AppearanceRow
from services.common.ids import CameraId

IntArray = NDArray[np.int64]
Open = dict[CameraId, tuple[int, int]]
"""First and latest sample of appearances that may go on, by camera."""


@dataclass(frozen=True, slots=True)
class Glances:
    """Samples once for each camera that saw them; arrays have the shape (G,).

    Attributes:
        camera_ids: Cameras by index.
        camera: int64, index of the camera; ascending.
        stay: int64, number of the stay; of one stay together, by time.
        first_us: int64, when the appearance began that the glance is known to be in.
        time_us: int64, when it was.
        is_new: bool, whether it is of this batch.
    """

    camera_ids: tuple[CameraId, ...]
    camera: IntArray
    stay: IntArray
    first_us: IntArray
    time_us: IntArray
    is_new: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        stay: IntArray,
        time_us: IntArray,
        view: IntArray,
        views: Mapping[int, tuple[str, ...]],
        carried: Sequence[tuple[int, CameraId, int, int]],
    ) -> "Glances":
        """Return the glances of samples, given by stay and time.

        Args:
            stay: int64, shape (N,), number of the stay.
            time_us: int64, shape (N,), capture time, microseconds since 1970.
            view: int64, shape (N,), id of the set of cameras; -1 in older batches.
            views: Sets of cameras by id.
            carried: Row, camera, first and latest sample of what may go on.
        """
        seen = {name for names in views.values() for name in names}
        names = tuple(
            CameraId(name) for name in sorted({*seen, *(one[1] for one in carried)})
        )
        number = {name: index for index, name in enumerate(names)}
        members = np.array(
            [
                (view_id, number[CameraId(name)])
                for view_id, cameras in sorted(views.items())
                for name in dict.fromkeys(cameras)
            ],
            np.int64,
        ).reshape(-1, 2)
        first = np.searchsorted(members[:, 0], view)
        counts = np.searchsorted(members[:, 0], view, "right") - first
        row = np.repeat(np.arange(len(view)), counts)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        camera = members[np.repeat(first, counts) + nth, 1]
        older = np.array(
            [(one[0], number[one[1]], one[2], one[3]) for one in carried], np.int64
        ).reshape(-1, 4)
        camera = np.concatenate((older[:, 1], camera))
        rows = np.concatenate((older[:, 0], row))
        order = np.lexsort((rows, camera))
        return cls(
            camera_ids=names,
            camera=camera[order],
            stay=stay[rows][order],
            first_us=np.concatenate((older[:, 2], time_us[row]))[order],
            time_us=np.concatenate((older[:, 3], time_us[row]))[order],
            is_new=(np.arange(len(rows)) >= len(older))[order],
        )


def appearances_of(
    glances: Glances, presence_gap_us: int
) -> tuple[list[AppearanceRow], dict[int, Open]]:
    """Return appearances that are new or go on, and what is open, by stay.

    Args:
        glances: Who was seen by whom.
        presence_gap_us: Longest time between two samples of an appearance.

    >>> view, at = np.array([1, 2, 1]), np.array([0, 2, 9])
    >>> seen = Glances.of(np.ones(3, np.int64), at, view, {1: ("a",), 2: ("b",)}, [])
    >>> rows, _ = appearances_of(seen, 5)
    >>> [(one.camera_id, one.start_us, one.end_us) for one in rows]
    [('a', 0, 0), ('a', 9, 9), ('b', 2, 2)]
    """
    if not len(glances.camera):
        return [], {}
    apart = (
        (np.diff(glances.camera) != 0)
        | (np.diff(glances.stay) != 0)
        | (np.diff(glances.time_us) > presence_gap_us)
    )
    firsts = np.flatnonzero(np.append(True, apart))
    lasts = np.append(firsts[1:], len(glances.camera)) - 1
    gained = np.logical_or.reduceat(glances.is_new, firsts)
    rows: list[AppearanceRow] = []
    still_open: dict[int, Open] = {}
    for camera, stay, start_us, end_us, grew in zip(
        glances.camera[firsts].tolist(),
        glances.stay[firsts].tolist(),
        glances.first_us[firsts].tolist(),
        glances.time_us[lasts].tolist(),
        gained.tolist(),
        strict=True,
    ):
        camera_id = glances.camera_ids[camera]
        # Later ones of a stay replace earlier ones: only the latest may go on.
        still_open.setdefault(stay, {})[camera_id] = (start_us, end_us)
        if grew:
            rows.append(AppearanceRow(camera_id, stay, start_us, end_us))
    return rows, still_open
