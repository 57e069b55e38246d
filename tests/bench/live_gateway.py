"""The gateway of the live measurement; `python -m tests.bench.live_gateway`."""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

import psutil
import structlog
import uvloop
from prometheus_client import REGISTRY

from services.common.redis_client import open_redis
from tests.bench.live_child import answer_lines
from tests.fakes.live_gateway import live_gateway


async def _main(addresses: Mapping[str, str]) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    services = {name: addresses[name] for name in ("pipeline", "reid", "mapper")}
    process = psutil.Process()
    async with (
        open_redis(addresses["redis"]) as redis,
        live_gateway(services, redis) as gateway,
    ):

        async def answer(_request: Mapping[str, Any]) -> Mapping[str, Any]:
            """Tell the address, the memory and the processor time of this process."""
            cpu = process.cpu_times()
            return {
                "address": str(gateway.http._base_url),
                "rss_mib": process.memory_info().rss / 2**20,
                "cpu_s": cpu.user + cpu.system,
                "cut_off": REGISTRY.get_sample_value(
                    "spoton_gateway_live_closed_total", {"code": "4429"}
                )
                or 0,
                "viewers": REGISTRY.get_sample_value("spoton_gateway_live_viewers"),
            }

        await answer_lines(answer)


if __name__ == "__main__":
    uvloop.run(_main(json.loads(sys.argv[1])))
