"""Run a store as a child of this process, for tests and tools."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

import psutil

from stack.stores.store import Store, StoreError

_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.05


_S = TypeVar("_S", bound=Store)


class StoreProcess(Generic[_S]):
    """The server process of one store: started, stopped, killed and started again.

    The process dies with ours, also when ours is killed.
    """

    def __init__(self, store: _S, *, start_timeout_s: float = 30.0) -> None:
        self.store = store
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            StoreError: When it ends, or does not answer in time; with its last words.
        """
        self.store.prepare()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 — our own program, no shell.
                _dying_with_us(self.store.command()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready(self._process)

    @property
    def pid(self) -> int:
        """Number of the server's process, the parent of all of its processes.

        Raises:
            StoreError: It is not running.
        """
        if self._process is None:
            raise StoreError(f"{self.store.name} is not running")
        return self._process.pid

    def stop(self) -> None:
        """Ask the server to end and wait; a server that is not running is fine."""
        self._end(signal.Signals[f"SIG{self.store.stop_signal}"])

    def kill(self) -> None:
        """End the server as a crash would, with all of its processes."""
        self._end(signal.SIGKILL)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while not self.store.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = self._log.read_text(errors="replace").splitlines()[-20:]
                raise StoreError(
                    f"{self.store.name} did not start; its log ends with:\n"
                    + "\n".join(tail)
                )
            time.sleep(_POLL_S)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        family = _family(process.pid)
        process.send_signal(how)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _, alive = psutil.wait_procs(family, timeout=5)
        for straggler in alive:
            straggler.kill()
        self.store.clean_up()

    @property
    def _log(self) -> Path:
        folder = self.store.data_dir
        return folder.with_name(f"{folder.name}.log")


@contextmanager
def running_store(store: _S) -> Iterator[StoreProcess[_S]]:
    """Run a store while a block runs; nothing is left behind but its directory."""
    process = StoreProcess(store)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _dying_with_us(command: list[str]) -> list[str]:
    """Let the kernel end a command when its parent is gone, where it can."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return command
    if command[0] == setpriv:
        return [setpriv, "--pdeathsig=KILL", *command[1:]]
    return [setpriv, "--pdeathsig=KILL", *command]
