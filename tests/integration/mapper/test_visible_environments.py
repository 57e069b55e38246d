"""Which environments a list shows to whom."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.caller import EVERY_ENVIRONMENT, Caller
from services.common.drain import DrainSignal
from services.common.grpc_client import open_channel
from services.common.grpc_server import running_server
from services.mapper.bootstrap import open_mapper
from spoton.mapper.v1 import environment_pb2, mapper_pb2, mapper_pb2_grpc
from tests.fakes.mesh import FakeMesh, make_mesh, user

Stub = mapper_pb2_grpc.MapperServiceStub


@pytest.fixture
def members(tmp_path: Path) -> FakeMesh:
    """Give members that believe each other."""
    return make_mesh(tmp_path)


@pytest.fixture
async def stub(postgres_dsn: str, members: FakeMesh) -> AsyncIterator[Stub]:
    """Give a client of a mapper of the mesh."""
    async with open_mapper(postgres_dsn, DrainSignal()) as mapper:
        await mapper.ready
        async with (
            running_server(mapper.register, members.policy("mapper")) as address,
            open_channel(address) as channel,
        ):
            yield Stub(channel)


async def listed(
    stub: Stub, members: FakeMesh, caller: Caller | None, page_size: int
) -> list[str]:
    """Return the names of all environments that a caller, or analytics, is shown."""
    member = "analytics" if caller is None else "gateway"
    names, token = [], ""
    while True:
        page = await stub.ListEnvironments(
            mapper_pb2.ListEnvironmentsRequest(page_size=page_size, page_token=token),
            metadata=members.identity(member).metadata("mapper", caller),
        )
        assert len(page.environments) <= page_size
        names += [one.environment_id for one in page.environments]
        token = page.next_page_token
        if not token:
            return names


async def test_a_list_shows_what_the_caller_may_read(
    stub: Stub, members: FakeMesh
) -> None:
    """Pages are full, and hold nothing of environments without the scope."""
    prefix = f"e{secrets.token_hex(4)}"
    names = [f"{prefix}-{number}" for number in range(6)]
    admin = user({EVERY_ENVIRONMENT: {"environments:read", "environments:write"}})
    for name in names:
        await stub.CreateEnvironment(
            mapper_pb2.CreateEnvironmentRequest(
                environment=environment_pb2.Environment(environment_id=name)
            ),
            metadata=members.identity("gateway").metadata("mapper", admin),
        )
    some = user(
        {
            names[1]: {"environments:read"},
            names[2]: {"tracking:read"},
            names[4]: {"environments:read"},
        }
    )
    assert await listed(stub, members, some, 1) == [names[1], names[4]]
    assert set(names) <= set(await listed(stub, members, admin, 2))
    assert set(names) <= set(await listed(stub, members, None, 100))
