"""Read what processes and connections have used."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

_BYTES = re.compile(r"\bbytes_(sent|received):(\d+)")

Connection = tuple[str, str]
"""Address of the server's end and of the client's end."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of TCP payload on one hop, framing of HTTP/2 included.

    Attributes:
        to_server: From client to server.
        from_server: From server to client.
    """

    to_server: int = 0
    from_server: int = 0

    def __add__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.to_server + other.to_server, self.from_server + other.from_server
        )

    def __sub__(self, other: "Traffic") -> "Traffic":
        return Traffic(
            self.to_server - other.to_server, self.from_server - other.from_server
        )


def cpu_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the processor time of each process with its children, seconds.

    Children that ended are in it, as their parent's.
    """
    return {name: _family_cpu_s(pid) for name, pid in pids.items()}


@dataclass(frozen=True, slots=True)
class MachineTime:
    """What all processors did since the machine started, seconds.

    Attributes:
        busy_s: Time in which they worked, or another guest had them.
        total_s: All time, of all processors together.
    """

    busy_s: float
    total_s: float


def machine_time() -> MachineTime:
    """Return what all processors did until now."""
    times = psutil.cpu_times()
    # Time of guests is part of user time.
    total_s = sum(times) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    return MachineTime(total_s - idle_s, total_s)


def others_share(before: MachineTime, after: MachineTime, ours_s: float) -> float:
    """Return the share of the processors' time that other programs took, [0, 1].

    Args:
        before: First reading.
        after: Second reading.
        ours_s: Processor time of the programs that do not count as others, seconds.
    """
    others_s = after.busy_s - before.busy_s - ours_s
    return max(0.0, others_s) / max(after.total_s - before.total_s, 1e-9)


def memory_mib(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the resident memory of each process with its children, MiB.

    Pages that a family shares are counted once for each member.
    """
    return {
        name: sum(process.memory_info().rss for process in _family(pid)) / 2**20
        for name, pid in pids.items()
    }


def _family_cpu_s(pid: int) -> float:
    total_s = 0.0
    for process in _family(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total_s += times.user + times.system
            total_s += times.children_user + times.children_system
    return total_s


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def connections() -> dict[Connection, Traffic] | None:
    """Return the kernel's counters of every open connection, seen from both ends.

    Returns:
        Traffic by the near and the far end, the near end taken as the server; None
        where there is no `ss` (Debian's package iproute2) to ask.
    """
    program = shutil.which("ss")
    if program is None:
        return None
    told = subprocess.run(  # noqa: S603 - our own words only.
        [program, "-tinHO", "state", "established"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return connections_from_ss(told.stdout)


def connections_from_ss(text: str) -> dict[Connection, Traffic]:
    """Return what `ss -tinHO state established` tells about each connection."""
    found = {}
    for line in text.splitlines():
        fields = line.split()
        counts = {name: int(value) for name, value in _BYTES.findall(line)}
        found[(fields[2], fields[3])] = Traffic(
            counts.get("received", 0), counts.get("sent", 0)
        )
    return found


def traffic_by_port(
    before: Mapping[Connection, Traffic],
    after: Mapping[Connection, Traffic],
    ports: Mapping[str, int],
) -> dict[str, Traffic]:
    """Return what went to and from each server between two readings.

    Connections that were closed before the second reading are not in it.

    Args:
        before: First reading.
        after: Second reading.
        ports: Where each server listens, by name.
    """
    totals = dict.fromkeys(ports, Traffic())
    names = {str(port): name for name, port in ports.items()}
    for ends, traffic in after.items():
        name = names.get(ends[0].rpartition(":")[2])
        if name is not None:
            totals[name] += traffic - before.get(ends, Traffic())
    return totals
