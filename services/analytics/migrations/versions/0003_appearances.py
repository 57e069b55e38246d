"""Keep when each camera saw somebody; docs/analytics.md tells what a row means."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEARANCES = """
    CREATE TABLE appearances (
        stay_id bigint NOT NULL REFERENCES stays,
        camera_id text NOT NULL,
        start_time timestamptz NOT NULL,
        end_time timestamptz NOT NULL CHECK (end_time >= start_time),
        PRIMARY KEY (stay_id, camera_id, start_time)
    );
"""
# The presence gap is not known here. Figures join what is no further apart than that,
# so that cutting at a shorter pause gives the same.
BACKFILL = """
    INSERT INTO appearances (stay_id, camera_id, start_time, end_time)
    SELECT stay_id, camera_id, min(capture_time), max(capture_time)
    FROM (
        SELECT stay_id, camera_id, capture_time,
            count(*) FILTER (WHERE pause > interval '0.5 seconds')
                OVER (PARTITION BY stay_id, camera_id ORDER BY capture_time) AS run
        FROM (
            SELECT stay_id, seen.name AS camera_id, capture_time,
                capture_time - lag(capture_time) OVER (
                    PARTITION BY stay_id, seen.name ORDER BY capture_time
                ) AS pause
            FROM positions
            JOIN stays USING (stay_id)
            JOIN views USING (environment_id, view_id)
            CROSS JOIN unnest(camera_ids) AS seen (name)
        ) glances
    ) runs
    GROUP BY stay_id, camera_id, run
"""


def upgrade() -> None:
    """Create the table, and fill it from the positions that are kept."""
    op.execute(APPEARANCES)
    op.execute(BACKFILL)
