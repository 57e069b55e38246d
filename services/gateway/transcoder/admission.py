"""Let a request in: who calls, what they ask, and whether they may."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web
from google.protobuf.message import Message

from services.common.caller import Caller
from services.common.errors import Forbidden, InvalidInput
from services.gateway.audit import AuditEntry, AuditLog
from services.gateway.limits.admission import admit
from services.gateway.limits.client_address import remote_address
from services.gateway.request_context import (
    PURPOSE_HEADER,
    REQUEST_ID,
    purpose,
    read_body,
)
from services.gateway.transcoder.messages import off_loop
from services.gateway.transcoder.routes import Route


@dataclass(slots=True)
class Visit:
    """A request to a route, and what is known of it so far.

    Attributes:
        request: As it came.
        route: Where it goes.
        segments: Of its path, decoded.
        caller: Who calls, once known.
        environment_id: What it is about, once known; empty for none.
        purpose: Why, once known; empty when not said.
        body: As it came, once read.
        recorded: Whether the audit log has it.
    """

    request: web.Request
    route: Route
    segments: tuple[str, ...]
    caller: Caller | None = None
    environment_id: str = ""
    purpose: str = ""
    body: bytes = b""
    recorded: bool = False

    @property
    def request_id(self) -> str:
        """Return the request's id."""
        return self.request[REQUEST_ID]

    async def admit(self, caller: Caller) -> Message:
        """Return the message to send on, if the caller may.

        Where the path names the environment, nothing of the body is read for a caller
        who may not.

        Raises:
            Forbidden: The caller lacks the scope there.
            InvalidInput: Some part cannot be used, or the purpose is missing.
            HttpProblem: The body is too large, too slow, or no JSON.
            LimitReached: The caller asks too often.
            Unavailable: It cannot be counted how often the caller asks.
        """
        route = self.route
        await admit(self.request, caller, route.limited_as)
        self.caller = caller
        variable = route.environment_variable
        if variable is not None:
            self.environment_id = "/".join(self.segments[variable.begin : variable.end])
            self._require(caller, self.environment_id)
        self.purpose = purpose(self.request)
        if route.rpc.purpose_required and not self.purpose:
            raise InvalidInput(
                "is required: say why, for the audit log", field=PURPOSE_HEADER
            )
        self.body = await read_body(self.request, route.max_body_bytes)
        query = _query(self.request)
        message = await off_loop(
            len(self.body),
            lambda: route.requests.read(self.segments, query, self.body),
        )
        if variable is None:
            self._require_named(caller, message)
        return message

    def entry(self, caller: Caller, outcome: str) -> AuditEntry:
        """Return the audit log's entry of this request of a caller."""
        return AuditEntry(
            time=datetime.now(UTC),
            subject=caller.subject,
            name=caller.name,
            kind=caller.kind.value,
            action=self.route.rpc.full_name,
            environment_id=self.environment_id,
            resource=self.request.path,
            purpose=self.purpose,
            outcome=outcome,
            address=remote_address(self.request),
            request_id=self.request_id,
        )

    def _require_named(self, caller: Caller, message: Message) -> None:
        """Check the caller against the environment that the message names, if any."""
        field = self.route.environment
        if field is None:
            self._require(caller, None)
            return
        self.environment_id = field.value(message)
        if not self.environment_id:
            raise InvalidInput("is required", field=field.path)
        self._require(caller, self.environment_id)

    def _require(self, caller: Caller, environment_id: str | None) -> None:
        scope = self.route.rpc.required_scope
        if not caller.holds(scope, environment_id):
            where = f" in {environment_id}" if environment_id else ""
            raise Forbidden(f"this needs the scope {scope}{where}")


class Recorder:
    """Records what the protos ask to record, once a visit.

    Visits of those who are not known, or who ask too often, are not recorded: they
    change nothing, and anybody could fill the log with them.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def record(self, visit: Visit, outcome: str) -> None:
        """Keep the visit's entry; return once it is safe.

        Raises:
            Unavailable: It cannot be kept now, and the request must not be answered.
        """
        caller = visit.caller
        if visit.route.rpc.audited and caller is not None and not visit.recorded:
            await self._log.record(visit.entry(caller, outcome))
            visit.recorded = True


def _query(request: web.Request) -> dict[str, list[str]]:
    """Return the values of the query by name."""
    query = request.rel_url.query
    return {name: query.getall(name) for name in query} if query else {}
