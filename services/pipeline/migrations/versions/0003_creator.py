"""Who created a session."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the creator; that of sessions made before is not known."""
    op.execute(
        """
        ALTER TABLE sessions
            ADD COLUMN creator_subject text NOT NULL DEFAULT '',
            ADD COLUMN creator_name text NOT NULL DEFAULT '';

        CREATE INDEX sessions_of_a_creator
            ON sessions (environment_id, creator_subject, create_time DESC);
        """
    )
