"""Create tripwires."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE tripwires (
            environment_id text COLLATE "C" NOT NULL
                REFERENCES environments ON DELETE CASCADE,
            tripwire_id text COLLATE "C" NOT NULL,
            body jsonb NOT NULL,
            etag text NOT NULL DEFAULT gen_random_uuid()::text,
            create_time timestamptz NOT NULL DEFAULT now(),
            update_time timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (environment_id, tripwire_id)
        );
        """
    )
