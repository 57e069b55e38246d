"""Whether the gateway lives and what it misses, with its metrics, on their own port."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.gateway.json_text import json_bytes

PROBE_S = 2.0
"""How long a probe may take before what it asks counts as away, seconds."""

Probe = Callable[[], Awaitable[object]]
"""Returns if something answers, and raises if it does not."""

_log = structlog.get_logger(__name__)


class Readiness:
    """Asks what the gateway needs.

    A store that is away makes the gateway not ready. A service that is away is named
    and the gateway stays ready: all other routes work, and the next replica would
    miss it too.
    """

    def __init__(
        self, stores: Mapping[str, Probe], services: Mapping[str, Probe]
    ) -> None:
        self._stores = stores
        self._services = services
        self.stopping = False

    async def missing(self) -> tuple[list[str], list[str]]:
        """Return the names of the stores and of the services that do not answer."""
        probes = {**self._stores, **self._services}
        answers = await asyncio.gather(*(_answers(*each) for each in probes.items()))
        away = [name for name, there in zip(probes, answers, strict=True) if not there]
        return (
            [name for name in away if name in self._stores],
            [name for name in away if name in self._services],
        )


def health_app(readiness: Readiness) -> web.Application:
    """Return the application with /livez, /readyz and /metrics."""

    async def livez(_request: web.Request) -> web.Response:
        return _answer(HTTPStatus.OK, {"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        if readiness.stopping:
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "stopping"})
        stores, services = await readiness.missing()
        missing = [*stores, *services]
        if stores:
            body = {"status": "not ready", "missing": missing}
            return _answer(HTTPStatus.SERVICE_UNAVAILABLE, body)
        status = "degraded" if services else "ok"
        return _answer(HTTPStatus.OK, {"status": status, "missing": missing})

    async def metrics(_request: web.Request) -> web.Response:
        text = await asyncio.to_thread(generate_latest)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


async def _answers(name: str, probe: Probe) -> bool:
    try:
        async with asyncio.timeout(PROBE_S):
            await probe()
    except Exception as error:  # noqa: BLE001 - whatever it is, it does not answer.
        _log.warning("does not answer", name=name, cause=str(error))
        return False
    return True


def _answer(status: HTTPStatus, body: Mapping[str, object]) -> web.Response:
    return web.Response(
        status=status, body=json_bytes(body), content_type="application/json"
    )
