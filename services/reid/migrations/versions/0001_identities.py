"""Create timelines, identities, prototypes, answers and the outbox."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public")
    op.execute(
        """
        -- One writer at a time: the holder of the newest epoch's newest stream.
        CREATE TABLE timelines (
            environment_id text COLLATE "C" NOT NULL,
            timeline_id text COLLATE "C" NOT NULL,
            epoch bigint NOT NULL CHECK (epoch >= 1),
            writer uuid NOT NULL,
            session_id text NOT NULL,
            frame_set bigint NOT NULL DEFAULT 0,
            time_ns bigint NOT NULL DEFAULT 0,
            state bytea,
            PRIMARY KEY (environment_id, timeline_id)
        );
        -- The state is compressed already.
        ALTER TABLE timelines ALTER COLUMN state SET STORAGE EXTERNAL;

        -- A ring of the latest answers, to repeat them in the same words.
        CREATE TABLE tick_answers (
            environment_id text COLLATE "C" NOT NULL,
            timeline_id text COLLATE "C" NOT NULL,
            slot integer NOT NULL,
            session_id text NOT NULL,
            frame_set bigint NOT NULL,
            answer bytea NOT NULL,
            PRIMARY KEY (environment_id, timeline_id, slot)
        );

        CREATE TABLE identities (
            global_id bigint PRIMARY KEY CHECK (global_id >= 1),
            environment_id text COLLATE "C" NOT NULL,
            timeline_id text COLLATE "C" NOT NULL,
            label integer NOT NULL CHECK (label >= 1),
            session_id text NOT NULL,
            first_seen_ns bigint NOT NULL,
            last_seen_ns bigint NOT NULL,
            merged_into bigint REFERENCES identities
                DEFERRABLE INITIALLY DEFERRED,
            provisional boolean NOT NULL,
            floor_id text,
            position double precision[],
            calibration_revision bigint,
            state jsonb NOT NULL,
            crop_key text,
            crop_quality real,
            crop_camera_id text,
            crop_captured_ns bigint,
            UNIQUE (environment_id, timeline_id, label)
        );
        CREATE INDEX identities_by_id
            ON identities (environment_id, global_id);
        CREATE INDEX identities_by_last_seen
            ON identities (environment_id, timeline_id, last_seen_ns)
            WHERE merged_into IS NULL;

        CREATE TABLE camera_sightings (
            global_id bigint NOT NULL REFERENCES identities ON DELETE CASCADE,
            camera_id text COLLATE "C" NOT NULL,
            detections bigint NOT NULL,
            first_seen_ns bigint NOT NULL,
            last_seen_ns bigint NOT NULL,
            PRIMARY KEY (global_id, camera_id)
        );

        -- Without a vector: forgotten, kept for those who follow the changes.
        CREATE TABLE prototypes (
            prototype_id bigint PRIMARY KEY,
            global_id bigint NOT NULL REFERENCES identities ON DELETE CASCADE,
            environment_id text COLLATE "C" NOT NULL,
            model_id text NOT NULL,
            session_id text NOT NULL,
            camera_id text NOT NULL,
            track_id bigint,
            vector public.vector,
            vector_count integer NOT NULL,
            captured_ns bigint NOT NULL,
            changed xid8 NOT NULL DEFAULT pg_current_xact_id(),
            changed_time timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX prototypes_by_person ON prototypes (global_id);
        CREATE INDEX prototypes_by_change ON prototypes (changed);

        CREATE TABLE outbox (
            number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            environment_id text NOT NULL,
            timeline_id text NOT NULL,
            event bytea NOT NULL
        );
        """
    )


def downgrade() -> None:
    """Remove the tables."""
    op.execute(
        """
        DROP TABLE outbox, prototypes, camera_sightings, identities, tick_answers,
            timelines;
        """
    )
