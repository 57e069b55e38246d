"""The one directory that holds all that a stack keeps."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_LONGEST_SOCKET_PATH = 100


class StackError(Exception):
    """The stack cannot do what it was asked; the message says what to do about it."""


class AlreadyRunning(StackError):
    """Another launcher runs the stack of this home."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below the stack's directory.

    Attributes:
        root: Absolute path of the directory.
    """

    root: Path

    @property
    def logs(self) -> Path:
        """One log file per program."""
        return self.root / "logs"

    @property
    def stores(self) -> Path:
        """One data directory per store."""
        return self.root / "stores"

    @property
    def media(self) -> Path:
        """Recordings, unless the environment names another folder."""
        return self.root / "media"

    @property
    def credentials(self) -> Path:
        """Passwords and keys, readable by their owner only."""
        return self.root / "credentials.json"

    @property
    def mesh_keys(self) -> Path:
        """Keys by which services prove who they are, readable by their owner only."""
        return self.root / "mesh"

    @property
    def supervisor_configuration(self) -> Path:
        """What supervisord runs; it has secrets, so its owner only reads it."""
        return self.root / "supervisord.conf"

    @property
    def supervisor_socket(self) -> Path:
        """Where supervisord takes commands."""
        inside = self.root / "supervisor.sock"
        if len(str(inside)) < _LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(str(self.root).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"spoton-{digest}.sock"

    @property
    def launcher_lock(self) -> Path:
        """Held, and naming its holder, while a launcher runs."""
        return self.root / "launcher.pid"

    def create(self) -> None:
        """Create the directories that are missing."""
        for folder in (self.root, self.logs, self.stores, self.media):
            folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only launcher of this home while the block runs.

        The kernel gives the lock back when we die, however that happens.

        Raises:
            AlreadyRunning: Another launcher holds the lock.
        """
        with self.launcher_lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"The stack in {self.root} is already running, started by process "
                    f"{self.launcher_lock.read_text().strip()}."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def launcher_pid(self) -> int | None:
        """Return the process id of the running launcher, or None."""
        try:
            with self.launcher_lock.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return int(self.launcher_lock.read_text())
        return None
