"""Keep who was recalled from the archive, who expired, and where vectors were taken.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns and the index that expiry reads by."""
    op.execute(
        """
        -- Persons in the live state who were long absent, to load them with it.
        ALTER TABLE timelines ADD COLUMN recalled bigint[] NOT NULL DEFAULT '{}';

        -- When everything but the id and its lineage was forgotten.
        ALTER TABLE identities ADD COLUMN expired_time timestamptz;
        CREATE INDEX identities_by_age ON identities (last_seen_ns)
            WHERE expired_time IS NULL;
        CREATE INDEX identities_with_stale_crop ON identities (global_id)
            WHERE expired_time IS NOT NULL AND crop_key IS NOT NULL;

        CREATE INDEX prototypes_forgotten ON prototypes (changed_time)
            WHERE vector IS NULL;

        ALTER TABLE prototypes ADD COLUMN floor_id text,
            ADD COLUMN position double precision[],
            ADD COLUMN calibration_revision bigint;
        """
    )


def downgrade() -> None:
    """Remove them."""
    op.execute(
        """
        ALTER TABLE prototypes DROP COLUMN floor_id, DROP COLUMN position,
            DROP COLUMN calibration_revision;
        DROP INDEX prototypes_forgotten, identities_with_stale_crop,
            identities_by_age;
        ALTER TABLE identities DROP COLUMN expired_time;
        ALTER TABLE timelines DROP COLUMN recalled;
        """
    )
