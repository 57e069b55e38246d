"""Who looks at pictures, written down once for each look."""

from datetime import UTC, datetime

from aiohttp import web
from google.rpc import code_pb2

from services.common.caller import Caller
from services.gateway.audit import AuditEntry, AuditLog
from services.gateway.http_errors import known_status
from services.gateway.limits.client_address import remote_address
from services.gateway.request_context import REQUEST_ID, purpose


class PictureAudit:
    """Records looks at pictures, allowed or refused."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def refused(
        self,
        request: web.Request,
        action: str,
        caller: Caller | None,
        error: Exception,
    ) -> None:
        """Record that somebody was shown nothing; nobody, and nothing is recorded.

        A refusal of who is not known would let anybody fill the log.

        Raises:
            Unavailable: It cannot be recorded.
        """
        if caller is None:
            return
        status = known_status(error, request[REQUEST_ID])
        await self._record(request, action, caller, code_pb2.Code.Name(status.code))

    async def shown(self, request: web.Request, action: str, caller: Caller) -> None:
        """Record that somebody begins to see pictures.

        Raises:
            Unavailable: It cannot be recorded, and nothing must be shown.
        """
        await self._record(request, action, caller, "OK")

    async def _record(
        self, request: web.Request, action: str, caller: Caller, outcome: str
    ) -> None:
        await self._log.record(
            AuditEntry(
                time=datetime.now(UTC),
                subject=caller.subject,
                name=caller.name,
                kind=caller.kind.value,
                action=action,
                environment_id=request.match_info.get("environment_id", ""),
                resource=request.path,
                purpose=purpose(request),
                outcome=outcome,
                address=remote_address(request),
                request_id=request[REQUEST_ID],
            )
        )
