"""Give persons vectors of another model: `python -m services.reid.reembed`.

Asks a running service, which does the work; repeated, it goes on where it ended.
The variable SPOTON_ACCESS_TOKEN holds the token to call with.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from grpc import aio

from services.common.grpc_client import access_token_from, open_channel
from services.common.grpc_errors import error_from_rpc
from services.reid.config import DEFAULT_PORT
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m services.reid.reembed",
        description="Give persons vectors of another model, from their pictures.",
    )
    parser.add_argument("--environment", required=True, help="whose persons")
    parser.add_argument("--model", required=True, help="a running embedder")
    parser.add_argument("--timeline", default="", help="only persons of this one")
    parser.add_argument(
        "--address", default=f"127.0.0.1:{DEFAULT_PORT}", help="of the service"
    )
    return parser.parse_args(arguments)


async def run(options: argparse.Namespace) -> int:
    """Show how far it is until it ends; return the exit status."""
    request = reid_pb2.ReembedIdentitiesRequest(
        environment_id=options.environment,
        model_id=options.model,
        timeline_id=options.timeline,
    )
    async with open_channel(options.address, access_token_from(os.environ)) as channel:
        stub = reid_pb2_grpc.ReidServiceStub(channel)
        try:
            async for progress in stub.ReembedIdentities(request):
                _say(progress)
        except aio.AioRpcError as error:
            sys.stderr.write(f"{error_from_rpc(error)}\n")
            return 1
    return 0


def _say(progress: reid_pb2.ReembedIdentitiesResponse) -> None:
    """Write one line at once, also into a pipe."""
    sys.stdout.write(
        f"{progress.done} done, {progress.skipped} skipped, {progress.failed} failed "
        f"of {progress.total}\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(parse())))
