"""Run a stack in a process of its own: `launcher_program.py HOME PORT...`."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from stack.launcher import running
from stack.ports import Port, Ports
from stack.services import Service
from stack.signals import stop_on_signals

IDLE_SERVICE = {
    "idle": Service(
        "tests.integration.stack.health_program", postgres=True, redis=True, s3=True
    )
}


def ports_on(numbers: Sequence[int]) -> Ports:
    """Arrange fifteen port numbers as the ports of a stack with one service."""
    service, metrics, postgres, valkey, s3, *peers = numbers
    return Ports(
        services={"idle": Port(service, "SPOTON_IDLE_PORT")},
        metrics={"idle": Port(metrics, "SPOTON_IDLE_METRICS_PORT")},
        stores={
            "postgres": Port(postgres, "SPOTON_POSTGRES_PORT"),
            "valkey": Port(valkey, "SPOTON_VALKEY_PORT"),
            "s3": Port(s3, "SPOTON_S3_PORT"),
        },
        seaweedfs_peers=tuple(Port(peer, "SPOTON_PORT_BASE") for peer in peers),
    )


async def main(home: Path, numbers: Sequence[int]) -> None:
    """Run the stack until a signal, and say `up` when it is."""
    stop_on_signals()
    with suppress(asyncio.CancelledError):
        async with running(home, ports_on(numbers), IDLE_SERVICE) as stack:
            sys.stdout.write("up\n")
            sys.stdout.flush()
            await stack.wait_until_stopped()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), [int(text) for text in sys.argv[2:]]))
