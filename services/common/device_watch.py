"""Show on what models run, and end a service whose model lost its device."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from prometheus_client import Gauge

from services.common.devices import Device, DeviceFailed


class DeviceReport:
    """A DeviceWatch that sets a gauge, and ends what it guards."""

    def __init__(self, gauge: Gauge) -> None:
        """Begin to watch, inside a running event loop.

        Args:
            gauge: Has the labels `model` and `device`; 1 where a model runs.
        """
        self._gauge = gauge
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[DeviceFailed] = self._loop.create_future()

    def running(self, model: str, device: Device) -> None:
        """Show on which device a model runs."""
        for each in Device:
            self._gauge.labels(model, each.value).set(each is device)

    def lost(self, failure: DeviceFailed) -> None:
        """Remember the first model that cannot run any more."""
        self._loop.call_soon_threadsafe(self._end, failure)

    def _end(self, failure: DeviceFailed) -> None:
        if not self._lost.done():
            self._lost.set_result(failure)

    async def guard(self, serving: Coroutine[Any, Any, None]) -> None:
        """Serve until that ends, or until a model cannot run any more.

        Args:
            serving: Serves; cancelled, it reports NOT_SERVING and drains.

        Raises:
            DeviceFailed: A model cannot run any more.
        """
        served = asyncio.ensure_future(serving)
        try:
            await asyncio.wait(
                (served, self._lost), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            if not served.done():
                served.cancel()
            # One cancellation only: a second one would cut the draining short.
            await asyncio.wait((served,))
        if self._lost.done():
            raise self._lost.result()
        served.result()
