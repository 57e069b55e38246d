"""Calls that are refused."""

from collections.abc import Awaitable

import pytest
from grpc import aio

from services.common.errors import SpotOnError
from services.common.grpc_errors import error_from_rpc


async def failure(call: Awaitable[object]) -> SpotOnError:
    """Return the error that a call ends with."""
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return error_from_rpc(caught.value)
