"""Where the owner of a session can be asked for its pictures."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the address; owners of before have none until they renew their lease."""
    op.execute(
        """
        ALTER TABLE sessions
            ADD COLUMN owner_address text NOT NULL DEFAULT '';
        """
    )
