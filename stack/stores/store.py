"""What every embedded store can do, whoever runs its process."""

from pathlib import Path
from typing import Protocol


class StoreError(Exception):
    """A store cannot be started; the message says what to do about it."""


class Store(Protocol):
    """One server program with one data directory.

    A store knows how it is started and how to ask whether it answers.
    Who runs the process is not its business: supervisord does in the stack,
    `StoreProcess` does in tests.

    Attributes:
        name: Name of the program, in logs and messages.
        stop_signal: Signal that asks the server for a clean and quick end.
        data_dir: Everything that the server keeps.
    """

    @property
    def name(self) -> str:
        """Name of the program, in logs and messages."""

    @property
    def stop_signal(self) -> str:
        """Signal that asks the server for a clean and quick end, such as `TERM`."""

    @property
    def data_dir(self) -> Path:
        """Everything that the server keeps."""

    def prepare(self) -> None:
        """Create the data directory and the configuration where they are missing.

        Raises:
            StoreError: When the data directory is not usable.
        """

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""

    def is_ready(self) -> bool:
        """Tell whether the server answers its clients now."""

    def clean_up(self) -> None:
        """Remove what a stopped server leaves outside its data directory."""
