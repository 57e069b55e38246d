"""A channel whose calls prove who makes them.

An interceptor of grpc.aio would carry each message of a stream through a queue of its
own; this adds metadata when a call begins and is out of its way afterwards.
"""

from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc import aio

Proof = Callable[[], Sequence[tuple[str, str]]]
"""Returns the metadata that proves who calls, fresh enough for a call."""


class SignedChannel(aio.Channel):
    """Adds proof to the metadata of every call of another channel."""

    def __init__(self, channel: aio.Channel, proof: Proof) -> None:
        self._channel = channel
        self._proof = proof

    async def __aenter__(self) -> "SignedChannel":
        await self._channel.__aenter__()
        return self

    async def __aexit__(self, *exception: Any) -> None:
        await self._channel.__aexit__(*exception)

    async def close(self, grace: float | None = None) -> None:
        """Close the channel."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - gRPC's signature.
        """Return the state of the connection."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(
        self, last_observed_state: grpc.ChannelConnectivity
    ) -> None:
        """Return when the connection's state is another."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Return when the channel is connected."""
        await self._channel.channel_ready()

    def unary_unary(self, *args: Any, **options: Any) -> Any:
        """Return what makes calls with one request and one answer."""
        return self._signed(self._channel.unary_unary(*args, **options))

    def unary_stream(self, *args: Any, **options: Any) -> Any:
        """Return what makes calls with one request and many answers."""
        return self._signed(self._channel.unary_stream(*args, **options))

    def stream_unary(self, *args: Any, **options: Any) -> Any:
        """Return what makes calls with many requests and one answer."""
        return self._signed(self._channel.stream_unary(*args, **options))

    def stream_stream(self, *args: Any, **options: Any) -> Any:
        """Return what makes calls with many requests and many answers."""
        return self._signed(self._channel.stream_stream(*args, **options))

    def _signed(self, multicallable: Callable[..., Any]) -> Callable[..., Any]:
        """Return what makes the same calls with proof."""

        def call(*args: Any, metadata: Any = (), **options: Any) -> Any:
            proven = (*(metadata or ()), *self._proof())
            return multicallable(*args, metadata=proven, **options)

        return call
