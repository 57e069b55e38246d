"""The table of cameras' credentials, encrypted: a dump of it tells nothing."""

import json

from cryptography.fernet import InvalidToken, MultiFernet
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.common.errors import NotReady
from services.common.outgoing.url import Credentials

_NO_KEY = "no credentials of cameras can be kept: SPOTON_MAPPER_SECRET is not set"


class CameraCredentialsTable:
    """Credentials of cameras within a transaction."""

    def __init__(
        self, connection: AsyncConnection[TupleRow], cipher: MultiFernet | None
    ) -> None:
        """Keep the collaborators.

        Args:
            connection: In a transaction.
            cipher: What they are encrypted with; None keeps none.
        """
        self._connection = connection
        self._cipher = cipher

    async def put(
        self, environment_id: str, camera_id: str, credentials: Credentials
    ) -> None:
        """Keep the credentials of a camera.

        Raises:
            NotReady: There is no key to encrypt them with.
        """
        if self._cipher is None:
            raise NotReady(_NO_KEY)
        # The names are encrypted too, so that no row passes for another.
        content = [
            environment_id,
            camera_id,
            credentials.username,
            credentials.password,
        ]
        encrypted = self._cipher.encrypt(json.dumps(content).encode())
        await self._connection.execute(
            """
            INSERT INTO camera_credentials (environment_id, camera_id, encrypted)
            VALUES (%s, %s, %s)
            ON CONFLICT (environment_id, camera_id) DO UPDATE
            SET encrypted = excluded.encrypted, update_time = now()
            """,
            (environment_id, camera_id, encrypted),
        )

    async def find(self, environment_id: str, camera_id: str) -> Credentials | None:
        """Return the credentials of a camera; None when there are none.

        Raises:
            NotReady: They were encrypted with a key that is not configured.
        """
        cursor = await self._connection.execute(
            "SELECT encrypted FROM camera_credentials "
            "WHERE environment_id = %s AND camera_id = %s",
            (environment_id, camera_id),
        )
        row = await cursor.fetchone()
        if row is None:
            return None
        if self._cipher is None:
            raise NotReady(_NO_KEY)
        try:
            content = json.loads(self._cipher.decrypt(bytes(row[0])))
        except InvalidToken:
            raise NotReady(
                "the credentials were kept with a secret that is not in "
                "SPOTON_MAPPER_SECRET any more"
            ) from None
        if content[:2] != [environment_id, camera_id]:
            raise NotReady("the credentials that are kept are of another camera")
        return Credentials(*content[2:])

    async def forget(self, environment_id: str, camera_id: str) -> None:
        """Forget the credentials of a camera."""
        await self._connection.execute(
            "DELETE FROM camera_credentials "
            "WHERE environment_id = %s AND camera_id = %s",
            (environment_id, camera_id),
        )
