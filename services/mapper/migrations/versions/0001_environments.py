"""Create environments and what lies in them."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE environments (
            environment_id text COLLATE "C" PRIMARY KEY,
            body jsonb NOT NULL,
            etag text NOT NULL DEFAULT gen_random_uuid()::text,
            create_time timestamptz NOT NULL DEFAULT now(),
            update_time timestamptz NOT NULL DEFAULT now()
        );

        CREATE TABLE cameras (
            environment_id text COLLATE "C" NOT NULL
                REFERENCES environments ON DELETE CASCADE,
            camera_id text COLLATE "C" NOT NULL,
            body jsonb NOT NULL,
            etag text NOT NULL DEFAULT gen_random_uuid()::text,
            create_time timestamptz NOT NULL DEFAULT now(),
            update_time timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (environment_id, camera_id)
        );

        CREATE TABLE zones (
            environment_id text COLLATE "C" NOT NULL
                REFERENCES environments ON DELETE CASCADE,
            zone_id text COLLATE "C" NOT NULL,
            body jsonb NOT NULL,
            etag text NOT NULL DEFAULT gen_random_uuid()::text,
            create_time timestamptz NOT NULL DEFAULT now(),
            update_time timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (environment_id, zone_id)
        );

        CREATE TABLE calibrations (
            environment_id text COLLATE "C" NOT NULL,
            camera_id text COLLATE "C" NOT NULL,
            revision bigint NOT NULL CHECK (revision >= 1),
            body jsonb NOT NULL,
            create_time timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (environment_id, camera_id, revision),
            FOREIGN KEY (environment_id, camera_id)
                REFERENCES cameras ON DELETE CASCADE
        );

        CREATE TABLE floor_plans (
            environment_id text COLLATE "C" NOT NULL
                REFERENCES environments ON DELETE CASCADE,
            floor_id text COLLATE "C" NOT NULL,
            image bytea NOT NULL,
            image_to_floor double precision[] NOT NULL,
            etag text NOT NULL DEFAULT gen_random_uuid()::text,
            PRIMARY KEY (environment_id, floor_id)
        );
        """
    )
