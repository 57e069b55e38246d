"""Which addresses of cameras are kept, and their credentials apart from them."""

from dataclasses import dataclass, replace

from services.common.outgoing.policy import AddressPolicy
from services.common.outgoing.url import Credentials, read_url
from services.mapper.domain.environment import Camera, NetworkSource, Source
from services.mapper.service.ports import Transaction


@dataclass(frozen=True, slots=True)
class CameraChange:
    """A camera to be written, and what becomes of its credentials.

    Attributes:
        camera: The camera, without credentials in its address.
        credentials: New ones; None when there are none.
        keeps: Whether those that are kept stay.
    """

    camera: Camera
    credentials: Credentials | None = None
    keeps: bool = False

    async def apply(self, transaction: Transaction, environment_id: str) -> None:
        """Store or forget credentials, after the camera was written."""
        key = environment_id, self.camera.camera_id
        if self.credentials is not None:
            await transaction.credentials.put(*key, self.credentials)
        elif not self.keeps:
            await transaction.credentials.forget(*key)


class CameraSources:
    """Says which addresses may be kept, and takes the credentials out of them."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    def change(self, camera: Camera, before: Camera | None, path: str) -> CameraChange:
        """Return what is to be written.

        Credentials are for one scheme, host and port: with another address they are
        forgotten, or whoever may change a camera could have them sent to a host of
        their own.

        Args:
            camera: The camera as it was sent, checked.
            before: The camera as it is stored; None when it is new.
            path: Path of the camera within the request.

        Raises:
            Forbidden: The address is not allowed.
        """
        network = camera.source.network
        if network is None:
            return CameraChange(camera)
        field = f"{path}.source.network.url"
        url, credentials = read_url(network.url, field)
        self._policy.check(url, field)
        keeps = network.has_credentials and _kept(before, url.origin)
        has = credentials is not None or keeps
        source = Source(network=NetworkSource(str(url), has_credentials=has))
        return CameraChange(replace(camera, source=source), credentials, keeps)


def _kept(before: Camera | None, origin: tuple[str, str, int]) -> bool:
    """Return whether credentials are kept that belong to an origin."""
    network = before.source.network if before is not None else None
    if network is None or not network.has_credentials:
        return False
    return read_url(network.url, "")[0].origin == origin
