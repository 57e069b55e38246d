"""A service with health and nothing else, to be supervised in tests.

It dies at once if the variable SPOTON_IDLE_DIES is set.
"""

import asyncio
import os
import signal

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


async def main() -> None:
    """Serve health until SIGTERM."""
    if os.environ.get("SPOTON_IDLE_DIES"):
        raise SystemExit("SPOTON_IDLE_DIES must not be set")
    server = aio.server()
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(os.environ["SPOTON_IDLE_LISTEN"])
    await server.start()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(0)


if __name__ == "__main__":
    asyncio.run(main())
