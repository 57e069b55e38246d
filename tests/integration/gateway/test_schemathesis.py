"""The served document tells the truth: schemathesis asks everything that it allows."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from services.common.caller import EVERY_ENVIRONMENT
from services.common.mesh.settings import MeshSettings
from services.gateway.config import OWN_AUDIENCES
from services.gateway.own_mesh import call_credentials
from services.gateway.transcoder.api import shipped_api
from services.gateway.transcoder.routes import all_routes
from stack.launcher import Stack, running
from stack.ports import BASE_VARIABLE, free_ports, ports_from_environment
from stack.services import SERVICES
from tests.fakes.gateway import KeptAudit, KnownCallers, caller
from tests.integration.gateway.running import client, running_gateway

CONFIG = Path(__file__).with_name("schemathesis.toml")
REPOSITORY = Path(__file__).parents[3]
HOOKS = "tests.integration.gateway.schemathesis_hooks"
SEED = "1"
_TESTED = re.compile(r"Tested: (\d+)")
TAGS = (
    "MapperService,TripwireService",
    "AnalyticsService",
    "AccountsService",
    "",
)
"""Runs at the same time, each of some services; the last of all others."""


@pytest.fixture
async def stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stack]:
    """Give every service on real stores."""
    kept = REPOSITORY / (os.environ.get("SPOTON_HOME") or ".spoton")
    monkeypatch.setenv("SPOTON_MODEL_CACHE", f"{kept}/models")
    (base,) = free_ports(1)
    ports = ports_from_environment({BASE_VARIABLE: str(base)})
    async with running(tmp_path / "home", ports, SERVICES) as running_stack:
        yield running_stack


@pytest.mark.timeout(600)
async def test_every_operation_answers_as_documented(
    stack: Stack, audit: KeptAudit, redis: Redis
) -> None:
    """No server error, no undocumented answer, nothing invalid accepted."""
    api = shipped_api()
    scopes = frozenset(rpc.required_scope for rpc in api.rpcs)
    tester = caller("tester", {EVERY_ENVIRONMENT: scopes})
    callers = KnownCallers({"tester-token": tester})
    addresses = {
        name: stack.addresses["gateway" if name in OWN_AUDIENCES else name]
        for name in api.audiences
    }
    credentials = call_credentials(
        MeshSettings("gateway", private_key_file=stack.keys.folder / "gateway.pem")
    )
    async with running_gateway(
        api, addresses, callers, audit, redis, credentials
    ) as address:
        await _make_plaza(address)
        runs = [_schemathesis(address, *_selection(tags)) for tags in TAGS]
        reports = await asyncio.gather(*runs)
    tested = 0
    for status, report in reports:
        assert status == 0, report
        said = _TESTED.search(report)
        assert said is not None, report
        tested += int(said[1])
    assert tested == len(all_routes(api))


def _selection(tags: str) -> list[str]:
    """Return the options that choose the operations of one run."""
    chosen = [tag for group in TAGS if group for tag in group.split(",")]
    if tags:
        return [part for tag in tags.split(",") for part in ("--include-tag", tag)]
    return [part for tag in chosen for part in ("--exclude-tag", tag)]


async def _make_plaza(address: str) -> None:
    headers = {"Authorization": "Bearer tester-token"}
    plaza = {"environment_id": "plaza", "floors": [{"floor_id": "ground"}]}
    async with (
        client(address, headers=headers) as session,
        session.post("/v1/environments", json=plaza) as answer,
    ):
        assert answer.status == 200


async def _schemathesis(address: str, *selection: str) -> tuple[int, str]:
    """Run schemathesis; return its exit status and what it says."""
    program = Path(sys.executable).with_name("schemathesis")
    process = await asyncio.create_subprocess_exec(
        str(program),
        *("--config-file", str(CONFIG)),
        *("run", f"{address}/openapi.json"),
        *("--header", "Authorization: Bearer tester-token"),
        *("--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "1", "--seed", SEED, "--no-shrink"),
        *("--checks", "all", "--continue-on-failure", "--no-color"),
        *selection,
        cwd=REPOSITORY,
        env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": "."},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    report, _ = await process.communicate()
    return process.returncode or 0, report.decode()[-20_000:]
