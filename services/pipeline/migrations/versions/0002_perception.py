"""Which models and which tracker a session runs with."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the choice; sessions made before it keep to the services' defaults."""
    op.execute(
        """
        ALTER TABLE sessions
            ADD COLUMN detector_model_id text NOT NULL DEFAULT '',
            ADD COLUMN embedder_model_id text NOT NULL DEFAULT '',
            ADD COLUMN tracker text NOT NULL DEFAULT '';
        """
    )
