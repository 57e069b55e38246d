"""Who looks at pictures, written down once for each look."""

from datetime import UTC, datetime

from aiohttp import web
from google.rpc import code_pb2

from services.common.caller import Caller
from services.gateway.audit import AuditEntry, AuditLog
from services.gateway.http_errors import known_status
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
        """Record that somebody was shown nothing.

        Raises:
            Unavailable: It cannot be recorded.
        """
        status = known_status(error, request[REQUEST_ID])
        await self._record(request, action, caller, code_pb2.Code.Name(status.code))

    async def shown(self, request: web.Request, action: str, caller: Caller) -> None:
        """Record that somebody begins to see pictures.

        Raises:
            Unavailable: It cannot be recorded, and nothing must be shown.
        """
        await self._record(request, action, caller, "OK")

    async def _record(
        self, request: web.Request, action: str, caller: Caller | None, outcome: str
    ) -> None:
        await self._log.record(
            AuditEntry(
                time=datetime.now(UTC),
                subject=caller.subject if caller else "",
                name=caller.name if caller else "",
                kind=caller.kind.value if caller else "",
                action=action,
                environment_id=request.match_info.get("environment_id", ""),
                resource=request.path,
                purpose=purpose(request),
                outcome=outcome,
                address=request.remote or "",
                request_id=request[REQUEST_ID],
            )
        )
