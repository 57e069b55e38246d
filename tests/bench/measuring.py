"""The measurements: pairs of sessions, one on each arm, one after the other."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from demo.client import import_environment
from tests.bench.arms import Arms
from tests.bench.meters import memory_mib, traffic_by_port
from tests.bench.scene import Scene
from tests.bench.sessions import SessionCost, run_session
from tests.bench.statistics import Spread, percentile_ms, rate_per_s, spread

WARM_UP_SETS = 10
"""Frame sets at the beginning of a session that do not count for its throughput."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ArmThroughput:
    """How much one arm gets done.

    Attributes:
        frames_per_s: Pictures per second, all cameras together.
        cpu_ms_per_frame: Processor time of the services.
        stores_cpu_ms_per_frame: Processor time of the stores.
        cpu_ms_by_service: Median processor time of each service for a frame.
        embeddings_per_frame: Vectors that were computed, median.
        others_share: Share of the processors that other programs had meanwhile; what
            is far from nothing spoils frames per second.
    """

    frames_per_s: Spread
    cpu_ms_per_frame: Spread
    stores_cpu_ms_per_frame: Spread
    cpu_ms_by_service: Mapping[str, float]
    embeddings_per_frame: float
    others_share: Spread


@dataclass(frozen=True, slots=True)
class Throughput:
    """Throughput of both arms with one model.

    Attributes:
        model: Name of the model.
        ratio: Frames per second of the mesh by those of the one process, pair by pair.
        cpu_ratio: Processor time of the mesh by that of the one process.
        mesh: The mesh.
        one_process: The one process.
    """

    model: str
    ratio: Spread
    cpu_ratio: Spread
    mesh: ArmThroughput
    one_process: ArmThroughput


@dataclass(frozen=True, slots=True)
class AddedLatency:
    """What the hops add to the time from a picture to its commit.

    Attributes:
        added_p50_ms: Median in the mesh less that in the one process, pair by pair.
        added_p99_ms: The same for the 99th percentile.
        mesh_p50_ms: In the mesh, all pairs together.
        mesh_p99_ms: The same for the 99th percentile.
        one_process_p50_ms: In the one process, all pairs together.
        one_process_p99_ms: The same for the 99th percentile.
        frame_sets: Frame sets measured in each arm.
    """

    added_p50_ms: Spread
    added_p99_ms: Spread
    mesh_p50_ms: float
    mesh_p99_ms: float
    one_process_p50_ms: float
    one_process_p99_ms: float
    frame_sets: int


@dataclass(frozen=True, slots=True)
class HopTraffic:
    """Bytes on the wire between a server and its clients, for one frame.

    Attributes:
        server: The service or store.
        to_server: Bytes to it.
        from_server: Bytes from it.
    """

    server: str
    to_server: float
    from_server: float


Pair = tuple[SessionCost, SessionCost]
"""A session on the mesh and one in the one process."""


async def prepare(arms: Arms, warm_up: Scene, scenes: Sequence[Scene]) -> None:
    """Import the scenes on both arms, and run one short session on each."""
    for arm in (arms.mesh, arms.one_process):
        for scene in (warm_up, *scenes):
            await import_environment(arm.mesh, scene.environment_id, scene.document())
        await run_session(arm, warm_up)


async def pairs(
    arms: Arms, scene: Scene, count: int, *, speed: float | None = None
) -> AsyncIterator[Pair]:
    """Yield pairs of sessions; every other pair begins with the one process."""
    for number in range(count):
        order = (arms.mesh, arms.one_process)
        first, second = order if number % 2 == 0 else order[::-1]
        costs = {
            arm.name: await run_session(arm, scene, speed=speed)
            for arm in (first, second)
        }
        yield costs[arms.mesh.name], costs[arms.one_process.name]


def frames_per_s(cost: SessionCost, scene: Scene) -> float:
    """Return the pictures per second that a session got through, once under way."""
    return rate_per_s(cost.commit_times_ms, scene.cameras, WARM_UP_SETS)


def throughput(model: str, scene: Scene, measured: Sequence[Pair]) -> Throughput:
    """Return what pairs of sessions at full speed tell."""

    def fps(cost: SessionCost) -> float:
        return frames_per_s(cost, scene)

    def cpu_ms(cost: SessionCost) -> float:
        return cost.services_cpu_ms_per_frame + cost.stores_cpu_ms_per_frame

    return Throughput(
        model=model,
        ratio=spread([fps(mesh) / fps(one) for mesh, one in measured]),
        cpu_ratio=spread([cpu_ms(mesh) / cpu_ms(one) for mesh, one in measured]),
        mesh=_arm_throughput([mesh for mesh, _ in measured], fps),
        one_process=_arm_throughput([one for _, one in measured], fps),
    )


def _arm_throughput(
    costs: Sequence[SessionCost], fps: Callable[[SessionCost], float]
) -> ArmThroughput:
    services = costs[0].services_cpu_s
    return ArmThroughput(
        frames_per_s=spread([fps(cost) for cost in costs]),
        cpu_ms_per_frame=spread([cost.services_cpu_ms_per_frame for cost in costs]),
        stores_cpu_ms_per_frame=spread(
            [cost.stores_cpu_ms_per_frame for cost in costs]
        ),
        cpu_ms_by_service={
            name: 1e3
            * spread([cost.services_cpu_s[name] / cost.frames for cost in costs]).median
            for name in services
        },
        embeddings_per_frame=spread(
            [cost.embeddings / cost.frames for cost in costs]
        ).median,
        others_share=spread([cost.others_share for cost in costs]),
    )


def added_latency(measured: Sequence[Pair]) -> AddedLatency:
    """Return what pairs of sessions in real time tell."""

    def added(percent: float) -> Spread:
        return spread(
            [
                percentile_ms(mesh.latencies_s, percent)
                - percentile_ms(one.latencies_s, percent)
                for mesh, one in measured
            ]
        )

    in_mesh = [value for mesh, _ in measured for value in mesh.latencies_s]
    in_one = [value for _, one in measured for value in one.latencies_s]
    return AddedLatency(
        added_p50_ms=added(50),
        added_p99_ms=added(99),
        mesh_p50_ms=percentile_ms(in_mesh, 50),
        mesh_p99_ms=percentile_ms(in_mesh, 99),
        one_process_p50_ms=percentile_ms(in_one, 50),
        one_process_p99_ms=percentile_ms(in_one, 99),
        frame_sets=len(in_mesh),
    )


def traffic(arms: Arms, cost: SessionCost) -> list[HopTraffic] | None:
    """Return the bytes per frame of a session on the mesh; None if unknown."""
    if cost.before is None or cost.after is None:
        return None
    # Nothing but this program and sessions' events calls the pipeline.
    ports = {name: port for name, port in arms.ports.items() if name != "pipeline"}
    return [
        HopTraffic(name, total.to_server / cost.frames, total.from_server / cost.frames)
        for name, total in traffic_by_port(cost.before, cost.after, ports).items()
    ]


def memory(arms: Arms) -> dict[str, float]:
    """Return the memory of every process now, MiB, by its name."""
    return (
        memory_mib(arms.mesh.services)
        | memory_mib(arms.one_process.services)
        | memory_mib(arms.mesh.stores)
    )
