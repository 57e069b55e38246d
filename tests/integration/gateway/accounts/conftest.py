"""Accounts on real stores."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes.accounts import AccountsServer, running_accounts


@pytest.fixture
async def server(postgres_dsn: str, valkey_url: str) -> AsyncIterator[AccountsServer]:
    """Give accounts that are served."""
    async with running_accounts(postgres_dsn, valkey_url) as server:
        yield server
