"""`python -m demo`: run the demo."""

import asyncio
import sys

from grpc import aio
from rich.console import Console

from demo.media import MediaUnavailable
from demo.options import parse_options
from demo.run import run
from demo.tracking import Stalled
from services.common.errors import SpotOnError
from services.common.models import WrongHash
from stack.home import StackError
from stack.signals import stop_on_signals

_PLAIN_WIDTH = 140


def main() -> int:
    """Run the demo and return its exit status."""
    options = parse_options()
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    console = Console(highlight=False, width=width)

    async def stoppable() -> int:
        stop_on_signals()
        return await run(options, console)

    try:
        return asyncio.run(stoppable())
    except (MediaUnavailable, StackError, SpotOnError, WrongHash) as error:
        console.print(str(error), style="red", markup=False)
    except aio.AioRpcError as error:
        name = error.code().name
        console.print(f"{name}: {error.details()}", style="red", markup=False)
        console.print(f"The logs are in {options.home / 'logs'}.")
    except Stalled as error:
        console.print(str(error), style="red", markup=False)
        console.print(f"The logs are in {options.home / 'logs'}.")
    except asyncio.CancelledError:
        console.print("Stopped.")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
