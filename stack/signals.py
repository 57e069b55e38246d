"""The signals that end a program in the foreground."""

import asyncio
import signal


def stop_on_signals() -> None:
    """Cancel the current task on Ctrl-C, SIGTERM and the terminal's hang-up."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
