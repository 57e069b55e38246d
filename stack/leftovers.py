"""Processes that an earlier run of the stack left behind."""

from contextlib import suppress

import psutil

from stack.home import Home
from stack.supervisor import HOME_VARIABLE

_CLEAN_END_TIMEOUT_S = 15.0


def end_leftovers(home: Home) -> int:
    """End what is left of a stack whose launcher and supervisor were killed.

    A process is ours if it was started with the home in its environment, which also
    holds when its id is one that another process had before.

    Returns:
        How many processes were ended.
    """
    ours = [process for process in psutil.process_iter() if _belongs(process, home)]
    ids = {process.pid for process in ours}
    for process in ours:
        if _parent_id(process) in ids:
            continue  # Its parent ends it, in good order.
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(ours, timeout=_CLEAN_END_TIMEOUT_S)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=_CLEAN_END_TIMEOUT_S)
    return len(ours)


def _belongs(process: psutil.Process, home: Home) -> bool:
    try:
        return process.environ().get(HOME_VARIABLE) == str(home.root)
    except (psutil.Error, OSError):
        return False


def _parent_id(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return 0
