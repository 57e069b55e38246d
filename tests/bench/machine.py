"""Where the numbers were measured."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts that numbers depend on.

    Attributes:
        cpu: Model of the processor.
        cores: Cores that we may use.
        memory_gib: Main memory.
        system: Kernel and its version.
        python: Version.
        load_before: Processes that wanted to run before we began, average of a minute.
    """

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load_before: float

    def text(self) -> str:
        """Return one line for people."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, "
            f"{self.system}, Python {self.python}; load before: {self.load_before:.1f}"
        )


def this_machine() -> Machine:
    """Return the facts of this machine."""
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=psutil.virtual_memory().total / 2**30,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        load_before=os.getloadavg()[0],
    )


def _cpu_model() -> str:
    """Return the processor's name as the kernel tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()
