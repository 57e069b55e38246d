"""Ending tasks."""

import asyncio

from services.common.tasks import end_tasks


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    """It is cancelled until it has ended."""
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end_tasks(task)
    assert task.cancelled()
    assert swallowed == 2


async def test_what_an_ended_task_raised_is_not_raised_again() -> None:
    """Tasks that failed or returned before are left as they are."""

    async def failing() -> None:
        raise ValueError

    async def returning() -> int:
        return 1

    tasks = asyncio.create_task(failing()), asyncio.create_task(returning())
    await asyncio.wait(tasks)
    await end_tasks(*tasks)
    assert tasks[1].result() == 1
