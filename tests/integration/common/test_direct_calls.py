"""Calls of people and other systems that do not come by the gateway."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc import aio

from services.common.auditing import AuditEntry
from services.common.auth import ScopeInterceptor
from services.common.call_audit import PURPOSE_KEY
from services.common.caller import Caller
from services.common.errors import NotFound, Unauthenticated, Unavailable
from services.common.grpc_client import open_channel
from services.common.grpc_server import start_server
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc
from tests.fakes.mesh import make_mesh, user

SEARCHER = user({"plaza": {"identities:search", "identities:read", "identities:write"}})
METHOD = "/spoton.reid.v1.ReidService/"


class Reid(reid_pb2_grpc.ReidServiceServicer):
    """Finds nobody, and waits where it is told."""

    def __init__(self) -> None:
        self.done = 0
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def SearchIdentities(self, request, context):
        self.begun.set()
        await self.go_on.wait()
        self.done += 1
        return reid_pb2.SearchIdentitiesResponse()

    async def GetIdentityCrop(self, request, context):
        raise NotFound("nobody", field="global_id")

    async def ReembedIdentities(self, request, context):
        while True:
            yield reid_pb2.ReembedIdentitiesResponse()
            await asyncio.sleep(0.01)


class Book:
    """An audit log that may be away."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.ready = self.takes = True

    def require_ready(self) -> None:
        if not self.ready:
            raise Unavailable("away")

    async def record(self, entry: AuditEntry) -> None:
        if not self.takes:
            raise Unavailable("away")
        self.entries.append(entry)


class Tokens:
    """Knows one token, of whoever it is told."""

    def __init__(self, caller: Caller) -> None:
        self.caller_of_good = caller

    async def caller(self, token: str, *, address: str = "") -> Caller:
        if token != "good":  # noqa: S105 - of the test.
            raise Unauthenticated("the access token is not valid")
        return replace(self.caller_of_good, address=address)


@asynccontextmanager
async def serving(
    tmp_path: Path, book: Book | None, caller: Caller = SEARCHER
) -> AsyncIterator[tuple[reid_pb2_grpc.ReidServiceStub, Reid]]:
    """Serve a reid of the mesh."""
    reid = Reid()

    def register(server: aio.Server) -> Sequence[str]:
        reid_pb2_grpc.add_ReidServiceServicer_to_server(reid, server)
        return ("spoton.reid.v1.ReidService",)

    policy = make_mesh(tmp_path).policy("reid", Tokens(caller))
    guard = ScopeInterceptor(policy, book)
    server, port, health = await start_server("127.0.0.1:0", register, guard)
    await health.set_serving(True)
    try:
        async with open_channel(f"127.0.0.1:{port}", "good") as channel:
            yield reid_pb2_grpc.ReidServiceStub(channel), reid
    finally:
        await server.stop(0)


def search(environment_id: str = "plaza") -> reid_pb2.SearchIdentitiesRequest:
    """Return a search."""
    return reid_pb2.SearchIdentitiesRequest(environment_id=environment_id)


WHY = ((PURPOSE_KEY, "a lost child"),)


async def refused(call: aio.UnaryUnaryCall) -> grpc.StatusCode:
    """Return how a call is refused."""
    with pytest.raises(aio.AioRpcError) as failure:
        await call
    return failure.value.code()


async def drained(call: aio.UnaryStreamCall) -> None:
    """Read a stream to its end."""
    async for _ in call:
        pass


async def test_a_search_is_recorded_with_its_purpose(tmp_path: Path) -> None:
    """Who, what, where, why, from where, and how it ended."""
    book = Book()
    async with serving(tmp_path, book) as (stub, reid):
        await stub.SearchIdentities(search(), metadata=WHY)
        assert reid.done == 1
    (entry,) = book.entries
    assert entry.actor.subject == "u-1"
    assert entry.actor.address == "127.0.0.1"
    assert entry.method == METHOD + "SearchIdentities"
    assert (entry.environment_id, entry.purpose) == ("plaza", "a lost child")
    assert (entry.outcome, entry.detail) == ("OK", "")


async def test_a_search_needs_a_purpose(tmp_path: Path) -> None:
    """Without one nothing is searched, and the attempt is recorded."""
    book = Book()
    async with serving(tmp_path, book) as (stub, reid):
        for metadata in ((), ((PURPOSE_KEY, "  "),)):
            call = stub.SearchIdentities(search(), metadata=metadata)
            assert await refused(call) is grpc.StatusCode.INVALID_ARGUMENT
        assert not reid.done
    assert [entry.outcome for entry in book.entries] == ["INVALID_ARGUMENT"] * 2


async def test_refused_and_failed_calls_are_recorded(tmp_path: Path) -> None:
    """With the status that the caller saw, and why."""
    book = Book()
    async with serving(tmp_path, book) as (stub, reid):
        foreign = stub.SearchIdentities(search("factory"), metadata=WHY)
        assert await refused(foreign) is grpc.StatusCode.PERMISSION_DENIED
        crop = reid_pb2.GetIdentityCropRequest(environment_id="plaza", global_id=7)
        assert await refused(stub.GetIdentityCrop(crop)) is grpc.StatusCode.NOT_FOUND
        assert not reid.done
    first, second = book.entries
    assert (first.environment_id, first.outcome) == ("factory", "PERMISSION_DENIED")
    assert "identities:search" in first.detail
    assert (second.outcome, second.detail) == ("NOT_FOUND", "global_id: nobody")


async def test_nothing_is_done_while_it_could_not_be_recorded(tmp_path: Path) -> None:
    """A log that is away, and none at all."""
    book = Book()
    book.ready = False
    for log in (book, None):
        async with serving(tmp_path, log) as (stub, reid):
            call = stub.SearchIdentities(search(), metadata=WHY)
            assert await refused(call) is grpc.StatusCode.UNAVAILABLE
            assert not reid.done


async def test_an_answer_is_withheld_until_it_is_recorded(tmp_path: Path) -> None:
    """A log that goes away meanwhile fails the call."""
    book = Book()
    book.takes = False
    async with serving(tmp_path, book) as (stub, reid):
        call = stub.SearchIdentities(search(), metadata=WHY)
        assert await refused(call) is grpc.StatusCode.UNAVAILABLE
        assert reid.done == 1


async def test_hanging_up_does_not_avoid_the_record(tmp_path: Path) -> None:
    """A call that was begun goes on and is recorded, whoever still waits for it."""
    book = Book()
    async with serving(tmp_path, book) as (stub, reid):
        reid.go_on.clear()
        call = stub.SearchIdentities(search(), metadata=WHY)
        asking = asyncio.ensure_future(call)
        await reid.begun.wait()
        call.cancel()
        await asyncio.wait([asking])
        reid.go_on.set()
        async with asyncio.timeout(10):
            while not book.entries:
                await asyncio.sleep(0.01)
    assert [entry.outcome for entry in book.entries] == ["OK"]


async def test_a_stream_ends_with_the_token_that_opened_it(tmp_path: Path) -> None:
    """The caller is told to open it again."""
    short = replace(SEARCHER, expires_s=time.time() + 0.3)
    async with serving(tmp_path, Book(), short) as (stub, _):
        request = reid_pb2.ReembedIdentitiesRequest(environment_id="plaza")
        with pytest.raises(aio.AioRpcError) as failure:
            await drained(stub.ReembedIdentities(request, timeout=20))
    assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED
