"""End tasks for certain."""

import asyncio
from typing import Any

_CANCEL_AGAIN_S = 0.5


async def end_tasks(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel tasks and return once they have ended, whatever they raise.

    In Python 3.11 `asyncio.wait_for`, which the clients of our stores use, swallows a
    cancellation that meets its result. So a task that goes on is cancelled again.
    """
    while going_on := [task for task in tasks if not task.done()]:
        for task in going_on:
            task.cancel()
        await asyncio.wait(going_on, timeout=_CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)
