"""Sessions, their commands and their leases."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of sessions."""
    op.execute(
        """
        CREATE TABLE sessions (
            session_id text PRIMARY KEY,
            environment_id text NOT NULL,
            timeline_id text NOT NULL,
            request_id text,

            camera_ids text[] NOT NULL CHECK (cardinality(camera_ids) > 0),
            recordings boolean NOT NULL,
            ignore_floor boolean NOT NULL,
            ignore_appearance boolean NOT NULL,
            frame_set_rate_hz double precision,
            late_tolerance_s double precision,

            desired_revision bigint NOT NULL DEFAULT 0,
            desired_mode text NOT NULL DEFAULT 'running'
                CHECK (desired_mode IN ('running', 'paused', 'stopped')),
            desired_speed double precision,
            seek_revision bigint,
            seek_position_ns bigint,

            state text NOT NULL DEFAULT 'pending' CHECK (state IN (
                'pending', 'running', 'paused', 'completed', 'stopped', 'failed')),
            applied_revision bigint NOT NULL DEFAULT 0,
            error bytea,
            progress bytea,

            epoch bigint NOT NULL DEFAULT 0,
            owner text NOT NULL DEFAULT '',
            lease_expires_at timestamptz NOT NULL DEFAULT 'epoch',

            create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
            update_time timestamptz NOT NULL DEFAULT clock_timestamp()
        );

        COMMENT ON COLUMN sessions.error IS 'Serialised google.rpc.Status.';
        COMMENT ON COLUMN sessions.progress IS
            'Serialised spoton.pipeline.v1.Session with nothing but progress.';

        CREATE UNIQUE INDEX sessions_by_request
            ON sessions (environment_id, request_id);
        CREATE INDEX sessions_newest_first
            ON sessions (environment_id, create_time DESC, session_id DESC);
        CREATE UNIQUE INDEX sessions_one_running_per_timeline
            ON sessions (timeline_id)
            WHERE state IN ('pending', 'running', 'paused');
        CREATE INDEX sessions_to_own
            ON sessions (create_time)
            WHERE state IN ('pending', 'running', 'paused');
        """
    )
