"""Accounts on real stores, reached by HTTP and gRPC, and people who have them."""

import contextlib
import math
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from argon2 import PasswordHasher
from grpc import aio

from services.common.auth import current_caller
from services.common.caller import EVERY_ENVIRONMENT, Caller, CallerKind
from services.common.errors import Unauthenticated
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.common.mesh.policy import Admission, Call
from services.common.postgres import open_pool
from services.common.redis_client import open_redis
from services.common.roles import ASSIGNABLE_SCOPES, Role
from services.gateway.accounts.adapters.login_sessions import SessionLifetime
from services.gateway.accounts.adapters.oidc import OidcSettings
from services.gateway.accounts.bootstrap import Accounts, open_accounts
from services.gateway.accounts.config import AccountsConfig
from services.gateway.accounts.domain.accounts import UserSettings
from services.gateway.accounts.http import add_routes
from services.gateway.http_server import serving
from services.gateway.request_context import tell_failures
from spoton.accounts.v1 import accounts_pb2_grpc

SECRET = secrets.token_hex(32)
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ROOT = Caller(
    subject="root",
    name="root",
    kind=CallerKind.SERVICE,
    grants={EVERY_ENVIRONMENT: ASSIGNABLE_SCOPES},
    expires_s=math.inf,
)
"""Holds everything that can be given."""

ADMIN = {EVERY_ENVIRONMENT: Role.ADMIN}
Stub = accounts_pb2_grpc.AccountsServiceStub


class TokenPolicy:
    """Knows callers by access tokens, and one service by its name."""

    def __init__(self) -> None:
        self.accounts: Accounts | None = None

    async def admit(self, call: Call) -> Admission:
        if service := call.only("spoton-service"):
            grants = {EVERY_ENVIRONMENT: frozenset({"audit:write"})}
            kind = CallerKind.SERVICE
            return Admission(Caller(service, service, kind, grants, math.inf))
        token = call.only("authorization").removeprefix("Bearer ")
        if not token or self.accounts is None:
            raise Unauthenticated("there is no token")
        return Admission(await self.accounts.tokens.caller(token, address="192.0.2.1"))


@dataclass(frozen=True, slots=True)
class Person:
    """A user.

    Attributes:
        user_id: Id of the user.
        name: To log in with.
        password: Of the user.
    """

    user_id: str
    name: str
    password: str


@dataclass(frozen=True, slots=True)
class AccountsServer:
    """Accounts that are served.

    Attributes:
        accounts: What is served.
        url: Of its HTTP routes.
        http: Client of them.
        channel: To its RPCs.
    """

    accounts: Accounts
    url: str
    http: aiohttp.ClientSession
    channel: aio.Channel

    @property
    def stub(self) -> Stub:
        """Client of its RPCs."""
        return Stub(self.channel)

    async def person(
        self, roles: Mapping[str, Role] | None = None, name: str = ""
    ) -> Person:
        """Return a new user."""
        name = name or f"person-{secrets.token_hex(4)}"
        settings = UserSettings("A Person", roles or {})
        user, password = await self.accounts.use_cases.users.create(
            ROOT, name, settings
        )
        return Person(user.user_id, name, password)

    async def log_in(self, person: Person, **more: str) -> dict[str, str]:
        """Return the tokens of a person who logs in."""
        said = {"name": person.name, "password": person.password, **more}
        async with self.http.post("/v1/auth/login", json=said) as answer:
            assert answer.status == 200, await answer.text()
            return dict(await answer.json())

    async def admin(self) -> tuple[tuple[str, str], ...]:
        """Return what a new administrator's calls carry."""
        tokens = await self.log_in(await self.person(ADMIN))
        return bearer(tokens["access_token"])

    async def post(self, path: str, **said: str) -> tuple[int, dict[str, object]]:
        """Return status and body of a request with a JSON object."""
        async with self.http.post(path, json=said) as answer:
            body = await answer.json(content_type=None) if answer.status != 204 else {}
            return answer.status, dict(body)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata of a call with an access token."""
    return (("authorization", f"Bearer {token}"),)


def config(*, oidc: OidcSettings | None = None, secret: str = SECRET) -> AccountsConfig:
    """Return a configuration."""
    return AccountsConfig(secret, "spoton", SessionLifetime(3600.0, 600.0), oidc)


@contextlib.asynccontextmanager
async def running_accounts(
    postgres_dsn: str,
    redis_url: str,
    *,
    oidc: OidcSettings | None = None,
    hasher: PasswordHasher = QUICK,
    pool_timeout_s: float = 5.0,
) -> AsyncIterator[AccountsServer]:
    """Serve accounts on free ports while the context is open, once they are ready."""
    policy = TokenPolicy()
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        pool = await enter(open_pool(postgres_dsn, "gateway", timeout_s=pool_timeout_s))
        redis = await enter(open_redis(redis_url))
        accounts = await enter(
            open_accounts(config(oidc=oidc), postgres_dsn, pool, redis, hasher=hasher)
        )
        policy.accounts = accounts
        await accounts.ready
        app = web.Application(middlewares=[tell_failures])
        add_routes(app, accounts.routes)
        http = await enter(serving(app, "127.0.0.1:0"))
        register = accounts.registration(current_caller)
        address = await enter(running_server(register, policy))
        jar = aiohttp.DummyCookieJar()
        url = f"http://{http}"
        session = await enter(aiohttp.ClientSession(url, cookie_jar=jar))
        channel = await enter(open_channel(address))
        yield AccountsServer(accounts, url, session, channel)
