"""Tell in capture time what each timeline lost; docs/analytics.md says how."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIMELINE_GAPS = """
    CREATE TABLE timeline_gaps (
        environment_id text NOT NULL,
        timeline_id text NOT NULL,
        first_sequence bigint NOT NULL,
        start_time timestamptz NOT NULL,
        end_time timestamptz,
        lost_events bigint NOT NULL,
        PRIMARY KEY (environment_id, timeline_id, first_sequence, start_time)
    );
    CREATE INDEX timeline_gaps_open ON timeline_gaps (environment_id)
        WHERE end_time IS NULL;
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(TIMELINE_GAPS)
