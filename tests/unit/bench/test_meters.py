"""What processes and connections have used."""

import os

from tests.bench.meters import (
    MachineTime,
    Traffic,
    connections_from_ss,
    cpu_s,
    memory_mib,
    others_share,
    traffic_by_port,
)

BEFORE = """\
0 0 127.0.0.1:7101 127.0.0.1:50000 bytes_sent:10 bytes_received:100
0 0 127.0.0.1:50000 127.0.0.1:7101 bytes_sent:100 bytes_received:10
"""
AFTER = """\
0 0 127.0.0.1:7101 127.0.0.1:50000 bytes_sent:15 bytes_received:400
0 0 127.0.0.1:50000 127.0.0.1:7101 bytes_sent:400 bytes_received:15
0 0 127.0.0.1:7101 127.0.0.1:50001 bytes_received:7
0 0 127.0.0.1:9999 127.0.0.1:50002 bytes_sent:1000 bytes_received:1000
"""


def test_traffic_is_the_difference_of_two_readings() -> None:
    """Each byte is counted once, at the server's end; new connections count whole."""
    before, after = connections_from_ss(BEFORE), connections_from_ss(AFTER)
    hops = traffic_by_port(before, after, {"detector": 7101, "reid": 7102})
    assert hops == {"detector": Traffic(307, 5), "reid": Traffic()}


def test_processor_time_grows_with_work() -> None:
    """A process that computes is charged for it."""
    pids = {"us": os.getpid()}
    before_s = cpu_s(pids)["us"]
    while cpu_s(pids)["us"] < before_s + 0.02:
        sum(range(10_000))
    assert cpu_s(pids)["us"] > before_s


def test_memory_of_a_process_is_more_than_nothing() -> None:
    """Python alone takes some MiB."""
    assert memory_mib({"us": os.getpid()})["us"] > 5


def test_what_is_not_ours_is_the_others() -> None:
    """Two processors for ten seconds: they worked twelve, of which nine were ours."""
    before, after = MachineTime(100.0, 500.0), MachineTime(112.0, 520.0)
    assert others_share(before, after, ours_s=9.0) == 0.15
    assert others_share(before, after, ours_s=13.0) == 0.0
