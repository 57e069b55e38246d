"""A real TimescaleDB understands all that is sent, and answers the same.

It runs in-process under Node (tests/timescale), which speaks no protocol; so what is
sent to PostgreSQL is recorded, executed there once more, and the answers compared.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory

from services.analytics.adapters import history_store
from services.analytics.adapters.number_arrays import BigInts
from services.analytics.adapters.position_copy import COPY_POSITIONS
from services.analytics.adapters.schema import VERSIONS
from services.analytics.domain.borders import Borders, Zone
from tests.fakes.history_events import Seen, identity, session, update
from tests.fakes.history_store import HistoryWriter
from tests.integration.analytics.conftest import NewWriter

ROOT = Path(__file__).parents[3]
PLAYER = ROOT / "build" / "timescale"
DAY = date(2026, 1, 1)
QUESTIONS = (
    """
    SELECT published_id, global_id, person_id, floor_id, start_time::text,
           end_time::text, samples, hidden::text
    FROM stays ORDER BY stay_id
    """,
    "SELECT count(*), sum(x_m)::numeric(9, 2), min(capture_time)::text FROM positions",
    """
    SELECT hour::text, cell_x, cell_y, present_us, passages FROM cell_hours
    ORDER BY 1, 2, 3
    """,
    "SELECT speed_bin, present_us FROM speed_hours ORDER BY 1",
    """
    SELECT date_bin('1 minute', start_time, 'epoch'::timestamptz)::text, came, went
    FROM visits ORDER BY stay_id, start_time
    """,
)
_ZONE = """
    INSERT INTO zones
        (zone_key, environment_id, zone_id, display_name, floor_id, corners_m)
    OVERRIDING SYSTEM VALUE VALUES (%s, 'e', 'square', '', 'ground', '{}')
"""
_ENVIRONMENT = """
    INSERT INTO environments (environment_id, number, epoch)
    OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s)
"""
_ZONE_KEY = 900

Step = dict[str, str]


@contextmanager
def recorded(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Step]]:
    """Record every statement and COPY of this process, with its values."""
    steps: list[Step] = []
    execute = psycopg.AsyncConnection.execute
    copy_blocks = history_store.copy_blocks
    with psycopg.connect(dsn) as connection:
        cursor = psycopg.ClientCursor(connection)

        async def recording(
            self: Any, query: Any, params: Any = None, **options: Any
        ) -> Any:
            steps.append({"sql": cursor.mogrify(query, _plain(params))})
            return await execute(self, query, params, **options)

        def copying(*arguments: Any) -> list[bytes]:
            blocks = list(copy_blocks(*arguments))
            data = base64.b64encode(b"".join(blocks)).decode()
            steps.append({"copy": COPY_POSITIONS, "data": data})
            return blocks

        with monkeypatch.context() as patch:
            patch.setattr(psycopg.AsyncConnection, "execute", recording)
            patch.setattr(history_store, "copy_blocks", copying)
            yield steps


def _plain(params: Any) -> Any:
    """Return parameters that can be written into a statement."""

    def plain(value: Any) -> Any:
        return value.values.tolist() if isinstance(value, BigInts) else value

    if isinstance(params, dict):
        return {name: plain(value) for name, value in params.items()}
    return None if params is None else [plain(value) for value in params]


def schema_steps() -> list[Step]:
    """Return the statements of all migrations on a database with TimescaleDB."""
    folder = ScriptDirectory(str(VERSIONS.parent), version_locations=[str(VERSIONS)])
    first, *later = reversed(list(folder.walk_revisions()))
    statements = list(first.module.statements(hypertables=True))
    for revision in later:
        statements += [
            text
            for name, text in vars(revision.module).items()
            if name.isupper() and isinstance(text, str)
        ]
    return [
        {"sql": "CREATE EXTENSION timescaledb"},
        {"sql": "CREATE SCHEMA analytics"},
        {"sql": "SET search_path TO analytics, public"},
        {"sql": "SET timezone TO 'UTC'"},
        *({"sql": statement} for statement in statements),
    ]


def played(steps: list[Step]) -> list[list[list[str]]]:
    """Return what a TimescaleDB answers."""
    node = shutil.which("node")
    assert node is not None
    player = subprocess.run(  # noqa: S603 - our own program.
        [node, "play.mjs"],
        cwd=PLAYER,
        input=json.dumps(steps),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert player.returncode == 0, player.stderr
    answers: list[list[list[str]]] = json.loads(player.stdout)
    return answers


@pytest.fixture(scope="module")
def player() -> None:
    """Install TimescaleDB under Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node to run TimescaleDB in-process")
    install = subprocess.run(  # noqa: S603 - our own program.
        [str(ROOT / "scripts" / "timescale.sh")], check=False, timeout=100
    )
    if install.returncode:
        pytest.skip("npm cannot install TimescaleDB")


async def answers_here(writer: HistoryWriter) -> list[list[list[str]]]:
    """Return what PostgreSQL answers."""
    answers = []
    for question in QUESTIONS:
        rows = await writer.rows(question)
        answers.append([[_text(value) for value in row] for row in rows])
    return answers


def _text(value: object) -> str:
    return str(value)


@pytest.mark.usefixtures("player")
async def test_timescaledb_stores_and_answers_the_same(
    new_writer: NewWriter, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Merges, seeks and visits included; then also compressed, and dropped."""
    square = ((1.0, -1.0), (3.0, -1.0), (3.0, 1.0), (1.0, 1.0))
    writer = await new_writer()
    await writer.rows("SELECT set_config('timezone', 'UTC', false)")
    async with writer._pool.connection() as connection:
        await connection.execute("TRUNCATE stays, cell_hours, speed_hours CASCADE")
        await connection.execute(_ZONE, (_ZONE_KEY,))
    writer.borders = Borders(zones=(Zone(_ZONE_KEY, "ground", square),))
    await writer.history._partitions.ensure([DAY])
    lease = writer.lease
    with psycopg.connect(postgres_dsn) as plain:
        cursor = psycopg.ClientCursor(plain)
        environment = (lease.environment_id, lease.number, lease.epoch)
        there = [
            {"sql": cursor.mogrify(_ZONE, (_ZONE_KEY,))},
            {"sql": cursor.mogrify(_ENVIRONMENT, environment)},
        ]
    with recorded(postgres_dsn, monkeypatch) as steps:
        await writer.write(_events(), 20)
    queries = [{"query": question} for question in QUESTIONS]
    chunks = "SELECT count(*) FROM show_chunks('positions')"
    compressed = "SELECT compress_chunk(chunk) FROM show_chunks('positions') chunk"
    dropped = "SELECT drop_chunks('positions', older_than => '2027-01-01'::timestamptz)"
    answers = played(
        [
            *schema_steps(),
            *there,
            *steps,
            *queries,
            {"query": chunks},
            {"sql": compressed},
            *queries,
            {"sql": dropped},
            {"query": "SELECT count(*) FROM positions"},
        ]
    )
    here, count = await answers_here(writer), len(QUESTIONS)
    assert answers[:count] == here
    assert answers[count] == [["1"]]
    assert answers[count + 1 : 2 * count + 1] == here
    assert answers[-1] == [["0"]]


def _events() -> list[Any]:
    walk = [
        update(i / 10, [Seen(1, (i * 0.1, 0.0)), Seen(2, (3 - i * 0.1, 0.2))])
        for i in range(40)
    ]
    again = [update(1 + i / 10, [Seen(1, (i * 0.2, 0.5))]) for i in range(15)]
    return [
        *walk,
        identity("merged", 1, 2, at_s=4.0, frame_set=41),
        session("sought", at_s=4.0),
        *again,
        identity("split", 1, 2, at_s=5.0, frame_set=56),
    ]
