"""The tables at the end of a run."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from google.protobuf.duration_pb2 import Duration
from rich.table import Table

from demo.agreement import Distances, PairAgreement, all_free_m, all_hidden_m
from demo.observation import People
from demo.palette import hex_of
from spoton.pipeline.v1 import pipeline_pb2

_REASON_PREFIX = "DROP_REASON_"


def camera_table(session: pipeline_pb2.Session, people: People) -> Table:
    """Return what became of each camera's frames, and what was seen in them."""
    table = Table(title="Cameras", title_justify="left")
    table.add_column("camera")
    for name in ("received", "processed"):
        table.add_column(name, justify="right")
    table.add_column("dropped")
    for name in ("lost upstream", "detections", "strong", "tracks", "embeddings"):
        table.add_column(name, justify="right")
    table.add_column("persons", justify="right")
    for camera in session.cameras:
        table.add_row(
            camera.camera_id,
            str(camera.received),
            str(camera.processed),
            dropped_text(camera),
            str(camera.lost_upstream),
            str(camera.detections),
            str(camera.strong_detections),
            str(camera.tracks),
            f"{camera.embeddings} ({_share(camera.embeddings, camera.detections)})",
            str(persons_of_camera(people, camera.camera_id)),
        )
    return table


def latency_table(session: pipeline_pb2.Session) -> Table:
    """Return where the time goes: p50 and p95 per camera and stage, milliseconds."""
    stages = list(
        dict.fromkeys(
            stage.stage for camera in session.cameras for stage in camera.stages
        )
    )
    table = Table(title="Latency, p50 / p95 ms", title_justify="left")
    table.add_column("camera")
    for stage in stages:
        table.add_column(stage, justify="right")
    table.add_column("end to end", justify="right")
    for camera in session.cameras:
        cells = {stage.stage: _latency_text(stage.latency) for stage in camera.stages}
        table.add_row(camera.camera_id, *(cells.get(stage, "") for stage in stages), "")
    end_to_end = _latency_text(session.end_to_end_latency)
    table.add_row("frame sets", *("" for _ in stages), end_to_end)
    return table


def people_table(people: People, camera_ids: Iterable[str]) -> Table:
    """Return each person with how often each camera detected them."""
    table = Table(
        title="Persons, with their detections by camera", title_justify="left"
    )
    table.add_column("person")
    table.add_column("global id", justify="right")
    columns = sorted(camera_ids)
    for camera_id in columns:
        table.add_column(camera_id, justify="right")
    table.add_column("from", justify="right")
    table.add_column("to", justify="right")
    start_s = min(
        (person.first_seen_time.ToMicroseconds() / 1e6 for person in people.identities),
        default=0.0,
    )
    for person in people.identities:
        seen = {sighting.camera_id: sighting.detections for sighting in person.cameras}
        first_s = person.first_seen_time.ToMicroseconds() / 1e6 - start_s
        last_s = person.last_seen_time.ToMicroseconds() / 1e6 - start_s
        name = f"P{person.label}" + ("?" if person.provisional else "")
        table.add_row(
            f"[{hex_of(person.label)}]●[/] {name}",
            str(person.global_id),
            *(str(seen.get(camera_id, "")) for camera_id in columns),
            f"{first_s:.1f} s",
            f"{last_s:.1f} s",
        )
    return table


def coverage_table(people: People, cameras: int) -> Table:
    """Return how many persons were seen by how many cameras."""
    counts = Counter(len(person.cameras) for person in people.identities)
    table = Table(title="Coverage", title_justify="left")
    table.add_column("persons", justify="right")
    for number in range(1, cameras + 1):
        table.add_column(
            f"seen by {number} camera" + ("s" if number > 1 else ""), justify="right"
        )
    table.add_row(
        str(len(people.identities)),
        *(str(counts[number]) for number in range(1, cameras + 1)),
    )
    return table


def agreement_table(agreement: Sequence[PairAgreement]) -> Table:
    """Return how far apart each two cameras place one person at one time."""
    table = Table(
        title="Floor agreement: distance between two cameras' positions of one person",
        title_justify="left",
    )
    table.add_column("cameras")
    for feet in ("free feet", "hidden feet"):
        for name in (f"{feet}: pairs", "median", "90 %"):
            table.add_column(name, justify="right")
    for pair in agreement:
        names = " - ".join(pair.camera_ids)
        table.add_row(names, *_distances(pair.free_m), *_distances(pair.hidden_m))
    table.add_section()
    free_m, hidden_m = all_free_m(agreement), all_hidden_m(agreement)
    table.add_row("all", *_distances(free_m), *_distances(hidden_m))
    return table


def dropped_text(camera: pipeline_pb2.CameraProgress) -> str:
    """Return the frames given up, by reason."""
    parts = []
    for entry in camera.dropped:
        name = pipeline_pb2.DropReason.Name(entry.reason)
        parts.append(f"{name.removeprefix(_REASON_PREFIX).lower()} {entry.count}")
    return ", ".join(parts) or "none"


def persons_of_camera(people: People, camera_id: str) -> int:
    """Return how many persons a camera saw."""
    return sum(
        any(sighting.camera_id == camera_id for sighting in person.cameras)
        for person in people.identities
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _distances(distances_m: Distances) -> tuple[str, str, str]:
    """Return how many there are, their median and their 90th percentile."""
    if not len(distances_m):
        return "0", "-", "-"
    median_m, most_m = np.quantile(distances_m, (0.5, 0.9))
    return str(len(distances_m)), f"{median_m:.2f} m", f"{most_m:.2f} m"


def _latency_text(latency: pipeline_pb2.Latency) -> str:
    if not latency.count:
        return "-"
    return f"{_milliseconds(latency.p50):.1f} / {_milliseconds(latency.p95):.1f}"


def _milliseconds(duration: Duration) -> float:
    return duration.ToMicroseconds() / 1e3
