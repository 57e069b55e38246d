"""A gateway with live events and pictures, whose callers the test decides on."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from redis.asyncio import Redis

from services.common.caller import EVERY_ENVIRONMENT
from services.common.event_log import EventLog
from services.common.grpc_client import open_channel
from services.common.ids import EnvironmentId
from services.common.redis_client import open_redis
from services.gateway.app import Ports, build_app
from services.gateway.bootstrap import open_channels
from services.gateway.credentials import NoCredentials
from services.gateway.http_server import serving
from services.gateway.idempotency import KeptAnswers
from services.gateway.live.pipeline_source import PipelineSource
from services.gateway.live.quota import ViewerQuota
from services.gateway.live.routes import live_routes
from services.gateway.live.tickets import RedisTickets
from services.gateway.transcoder.api import shipped_api
from services.gateway.transcoder.peers import Peers
from services.gateway.transcoder.unary import Deadlines
from spoton.common.v1 import events_pb2
from tests.fakes.gateway import KeptAudit, KnownCallers, caller
from tests.fakes.limits import limiter_on

VIEWER = frozenset({"tracking:read", "pictures:read", "identities:read"})
FLOOR_PAGE = "https://floor.example"
TOKENS = {
    "viewer": caller("viewer", {EVERY_ENVIRONMENT: VIEWER}),
    "elsewhere": caller("elsewhere", {"other": VIEWER}),
}
BEARER = {"Authorization": "Bearer viewer"}


@dataclass(frozen=True, slots=True)
class LiveGateway:
    """A running gateway.

    Attributes:
        http: Calls it, as nobody.
        callers: Who is known to it.
        audit: What it recorded.
        log: Where events are published.
    """

    http: aiohttp.ClientSession
    callers: KnownCallers
    audit: KeptAudit
    log: EventLog

    def live(self, environment_id: str, **options: Any) -> Any:
        """Open an environment's WebSocket, as the viewer unless told otherwise."""
        options.setdefault("headers", BEARER)
        return self.http.ws_connect(
            f"/v1/environments/{environment_id}/live", **options
        )

    async def ticket(self, purpose: str) -> str:
        """Return a ticket of the viewer."""
        async with self.http.post(
            "/v1/auth/tickets", json={"purpose": purpose}, headers=BEARER
        ) as answer:
            assert answer.status == 200, await answer.text()
            return str((await answer.json())["ticket"])

    async def publish(self, environment_id: str, numbers: range) -> None:
        """Append tracking updates with these frame sets, of one person who walks."""
        for number in numbers:
            tracking = events_pb2.TrackingUpdate(
                session_id="s", timeline_id="t", frame_set=number
            )
            tracking.capture_time.FromNanoseconds(number * 10**9)
            person = tracking.persons.add(global_id=7, label=1, camera_ids=["north"])
            person.position.point.x_m = number
            person.position.floor_id = "ground"
            await self.log.append(
                EnvironmentId(environment_id),
                events_pb2.EnvironmentEvent(tracking=tracking),
                producer="test",
                producer_sequence=number,
            )


@asynccontextmanager
async def live_gateway(
    addresses: Mapping[str, str], redis: Redis, quota: ViewerQuota | None = None
) -> AsyncIterator[LiveGateway]:
    """Run a gateway before some services while the context is open."""
    callers, audit = KnownCallers(TOKENS), KeptAudit()
    tickets, kept = RedisTickets(redis, callers), KeptAnswers(redis)
    async with open_channels(addresses) as channels:
        ports = Ports(
            peers=Peers(channels, NoCredentials()),
            authenticator=callers,
            tickets=tickets,
            validity=callers,
            audit=audit,
            kept=kept,
            deadlines=Deadlines(10.0, 20.0),
            limiter=limiter_on(redis),
            origins=frozenset({FLOOR_PAGE}),
        )
        source = PipelineSource(open_channel, addresses["pipeline"])
        extend = live_routes(
            ports.peers, source, NoCredentials(), tickets, audit, quota, recheck_s=0.2
        )
        app = build_app(shipped_api(), ports, [extend])
        async with (
            serving(app, "127.0.0.1:0") as address,
            aiohttp.ClientSession(f"http://{address}") as http,
        ):
            yield LiveGateway(http, callers, audit, EventLog(redis))


@asynccontextmanager
async def redis_client(url: str) -> AsyncIterator[Redis]:
    """Give a client of the event store."""
    async with open_redis(url) as redis:
        yield redis


async def received(socket: aiohttp.ClientWebSocketResponse, kind: str) -> Any:
    """Return the next message of a kind; others before it are left out."""
    async with asyncio.timeout(15.0):
        while True:
            message = json.loads(await socket.receive_str())
            if kind in message:
                return message[kind]


async def frame_sets(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[int]:
    """Return the frame sets of the next updates."""
    numbers: list[int] = []
    async with asyncio.timeout(15.0):
        while len(numbers) < count:
            update = await received(socket, "update")
            if update.get("event"):
                numbers.append(int(update["event"]["tracking"]["frame_set"]))
    return numbers


async def subscribed(
    socket: aiohttp.ClientWebSocketResponse, **subscription: Any
) -> Any:
    """Ask for something, and return what is told about it."""
    await socket.send_json({"subscribe": subscription})
    return await received(socket, "subscribed")
