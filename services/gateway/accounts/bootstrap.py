"""Wire accounts, for the gateway's bootstrap and for its commands."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass

import aiohttp
import structlog
from argon2 import PasswordHasher
from grpc import aio
from redis.asyncio import Redis

from services.common.access_tokens import AccessTokens
from services.common.caller import Caller
from services.common.errors import Unavailable
from services.common.postgres import Pool, migrate
from services.common.revocations import RedisRevocations
from services.common.tasks import end_tasks
from services.gateway.accounts.adapters.login_throttle import RedisLoginThrottle
from services.gateway.accounts.adapters.oidc import OidcIssuer
from services.gateway.accounts.adapters.password_hashes import Argon2Hashes
from services.gateway.accounts.adapters.revocations import RevocationPublisher
from services.gateway.accounts.adapters.sealing import KeySeal, SignedDeviceProofs
from services.gateway.accounts.adapters.store import SCHEMA, VERSIONS, RowStore
from services.gateway.accounts.config import AccountsConfig
from services.gateway.accounts.grpc_api import UseCases, registration
from services.gateway.accounts.http import AuthRoutes
from services.gateway.accounts.service.auditing import Auditing
from services.gateway.accounts.service.exchanges import Exchanges
from services.gateway.accounts.service.logins import Logins
from services.gateway.accounts.service.service_accounts import ServiceAccounts
from services.gateway.accounts.service.signing import SigningKeys
from services.gateway.accounts.service.users import Users

_CLEAN_EVERY_S = 60.0
_RETRY_S = 0.5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Wired accounts.

    Attributes:
        use_cases: What can be done.
        tokens: Verifies access tokens.
        revocations: Which of them are revoked.
        routes: What has no RPC.
        ready: Done once the schema is the newest, there is a key to sign with and
            Redis knows what is revoked; waits while a store is away, and fails if the
            keys cannot be opened.
    """

    use_cases: UseCases
    tokens: AccessTokens
    revocations: RedisRevocations
    routes: AuthRoutes
    ready: "asyncio.Future[None]"

    def registration(
        self, current_caller: Callable[[], Caller]
    ) -> Callable[[aio.Server], Sequence[str]]:
        """Return what adds the RPCs to a server."""
        return registration(self.use_cases, current_caller)


@contextlib.asynccontextmanager
async def open_accounts(
    config: AccountsConfig,
    postgres_dsn: str,
    pool: Pool,
    redis: Redis,
    *,
    origins: Collection[str] = (),
    hasher: PasswordHasher | None = None,
) -> AsyncIterator[Accounts]:
    """Wire accounts, and keep them in order while the context is open.

    Succeeds while PostgreSQL and Redis are away.

    Args:
        config: What an operator chose.
        postgres_dsn: Connection string of the role that owns the schema `gateway`.
        pool: Connections with this role.
        redis: Client of Redis.
        origins: Origins of pages, beside the gateway's own, that may use cookies.
        hasher: Parameters of password hashes; absent means those of the service.
    """
    publisher = RevocationPublisher(pool, redis)
    store = RowStore(pool, publisher, config.lifetime)
    keys = SigningKeys(store, KeySeal(config.secret), config.issuer)
    throttle = RedisLoginThrottle(redis)
    revocations = RedisRevocations(redis)
    tokens = AccessTokens(config.issuer, keys, revocations)
    hashes = Argon2Hashes(hasher)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(hashes.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        proofs = SignedDeviceProofs(config.secret)
        issuer = OidcIssuer(session, config.oidc) if config.oidc else None
        ready = asyncio.ensure_future(_prepare(postgres_dsn, keys, publisher))
        following = asyncio.ensure_future(publisher.follow(ready))
        cleaning = asyncio.ensure_future(_clean(ready, store))
        for task in (following, cleaning):
            task.add_done_callback(_tell_failure)
        stack.push_async_callback(end_tasks, ready, following, cleaning)
        yield Accounts(
            use_cases=UseCases(
                users=Users(store, hashes, throttle),
                service_accounts=ServiceAccounts(store),
                keys=keys,
                auditing=Auditing(store),
            ),
            tokens=tokens,
            revocations=revocations,
            routes=AuthRoutes(
                logins=Logins(store, hashes, throttle, proofs, keys),
                exchanges=Exchanges(store, keys, issuer),
                keys=keys,
                tokens=tokens,
                origins=origins,
                session_s=config.lifetime.absolute_s,
            ),
            ready=ready,
        )


async def _prepare(
    postgres_dsn: str, keys: SigningKeys, publisher: RevocationPublisher
) -> None:
    """Bring the schema up to date, see to a key to sign with, and tell Redis."""
    await migrate(postgres_dsn, SCHEMA, VERSIONS)
    while True:
        try:
            await keys.ensure()
            await publisher.catch_up(everything=True)
        except Unavailable as error:
            _log.warning("accounts wait", cause=error.message)
            await asyncio.sleep(_RETRY_S)
        else:
            return


def _tell_failure(task: "asyncio.Future[None]") -> None:
    """Log what ended that should have gone on."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("a task of the accounts ended", exc_info=error)


async def _clean(ready: "asyncio.Future[None]", store: RowStore) -> None:
    """Remove what is past, again and again, once the schema is there."""
    await asyncio.wait([ready])
    while True:
        try:
            await store.remove_expired()
        except Unavailable as error:
            _log.warning("what is past is kept for now", cause=error.message)
        await asyncio.sleep(_CLEAN_EVERY_S)
