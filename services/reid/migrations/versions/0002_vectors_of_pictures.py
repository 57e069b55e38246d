"""Mark vectors that were computed from a stored picture, and find those of a model.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the mark and the index."""
    op.execute(
        """
        -- The picture; NULL: computed from what a camera saw, as it saw it.
        ALTER TABLE prototypes ADD COLUMN crop_key text;
        CREATE INDEX prototypes_by_model ON prototypes (environment_id, model_id)
            WHERE vector IS NOT NULL;
        """
    )


def downgrade() -> None:
    """Remove the mark and the index."""
    op.execute(
        """
        DROP INDEX prototypes_by_model;
        ALTER TABLE prototypes DROP COLUMN crop_key;
        """
    )
