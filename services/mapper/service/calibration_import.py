"""The use case of importing calibrations that other systems made."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.mapper.domain.calibration_files.source import FileCamera
from services.mapper.domain.calibration_import import (
    CalibrationSource,
    ImportedGeometry,
    geometry_for,
    match_cameras,
    read_cameras,
)
from services.mapper.domain.environment import Camera
from services.mapper.domain.stored import Stored, StoredCalibration
from services.mapper.service.geometry_cache import GeometryCache
from services.mapper.service.ports import Store, Transaction


@dataclass(frozen=True, slots=True)
class ImportedCamera:
    """What was imported for one camera.

    Attributes:
        name: Name in the files.
        camera_id: The camera.
        geometry: What the files tell.
        stored: The new calibration; None where the files do not tell the pose.
    """

    name: str
    camera_id: str
    geometry: ImportedGeometry
    stored: StoredCalibration | None = None


@dataclass(frozen=True, slots=True)
class CalibrationsImported:
    """What an import did.

    Attributes:
        cameras: One entry for each camera that there is, by camera_id.
        unmatched_names: Cameras of the files that there are not.
    """

    cameras: tuple[ImportedCamera, ...]
    unmatched_names: tuple[str, ...]


class CalibrationImport:
    """Adds calibrations that other systems made."""

    def __init__(self, store: Store, cache: GeometryCache) -> None:
        self._store = store
        self._cache = cache

    async def run(
        self, environment_id: str, source: CalibrationSource
    ) -> CalibrationsImported:
        """Add a calibration to each camera that files describe; all or nothing.

        Raises:
            InvalidInput: A file, an option or what results is not usable; it is named.
            NotFound: There is no such environment.
        """
        described = await asyncio.to_thread(read_cameras, source)
        parent = (environment_id,)
        async with self._store.transaction() as transaction:
            await transaction.environments.get(parent, lock="SHARE")
            cameras = await transaction.cameras.list(parent)
            camera_ids = [one.value.camera_id for one in cameras]
            matched = match_cameras(described, source.camera_ids, camera_ids)
            locked = [
                await transaction.cameras.get((*parent, camera_id), lock="UPDATE")
                for camera_id in matched
            ]
            imported = [
                await _stored(transaction, environment_id, one)
                for one in await asyncio.to_thread(_geometries, source, matched, locked)
            ]
            await transaction.announce(environment_id)
        await self._cache.refresh(environment_id)
        found = {camera.name for camera in imported}
        unmatched = tuple(one.name for one in described if one.name not in found)
        return CalibrationsImported(tuple(imported), unmatched)


def _geometries(
    source: CalibrationSource,
    matched: Mapping[str, FileCamera],
    cameras: Sequence[Stored[Camera]],
) -> list[ImportedCamera]:
    """Return what files tell about cameras, in their order."""
    return [
        ImportedCamera(
            name=described.name,
            camera_id=camera_id,
            geometry=geometry_for(source, described, camera.value),
        )
        for (camera_id, described), camera in zip(matched.items(), cameras, strict=True)
    ]


async def _stored(
    transaction: Transaction, environment_id: str, imported: ImportedCamera
) -> ImportedCamera:
    """Store the calibration of a camera whose pose is known."""
    if imported.geometry.position_m is None:
        return imported
    stored = await transaction.calibrations.append(
        environment_id, imported.camera_id, imported.geometry.calibration
    )
    return replace(imported, stored=stored)
