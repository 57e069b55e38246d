"""Create the credentials of cameras' addresses."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(
        """
        CREATE TABLE camera_credentials (
            environment_id text COLLATE "C" NOT NULL,
            camera_id text COLLATE "C" NOT NULL,
            encrypted bytea NOT NULL,
            update_time timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (environment_id, camera_id),
            FOREIGN KEY (environment_id, camera_id)
                REFERENCES cameras ON DELETE CASCADE
        );

        COMMENT ON COLUMN camera_credentials.encrypted IS
            'User name and password with the names of the row, by Fernet.';
        """
    )
