"""Analytics services as processes of their own, to be killed and stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from stack.ports import free_ports


class Process:
    """One service, under a name of its own."""

    def __init__(self, variables: dict[str, str], log: Path) -> None:
        """Keep what it is told, without the prefix of the variables."""
        self._variables = variables
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self.owner = ""
        self.address = ""

    def start(self) -> None:
        """Start it, under a new name."""
        self._starts += 1
        self.owner = f"{self._variables['OWNER']}-{self._starts}"
        port, metrics_port = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        told = {
            **self._variables,
            "OWNER": self.owner,
            "LISTEN": self.address,
            "METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        }
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.analytics"],
                env={
                    **os.environ,
                    **{f"SPOTON_ANALYTICS_{k}": v for k, v in told.items()},
                },
                stdout=log,
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        self.send(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10.0)
