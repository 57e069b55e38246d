"""Keep what operators say, and scores of pairs whose truth is known.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add commands, constraints, what undoes a merge, scores and fits."""
    op.execute(
        """
        -- A stream that holds the timeline says so again and again.
        ALTER TABLE timelines
            ADD COLUMN held_until timestamptz,
            ADD COLUMN command_revision bigint NOT NULL DEFAULT 0,
            ADD COLUMN applied_revision bigint NOT NULL DEFAULT 0;

        -- What a merge joined; NULL where nobody wrote it down.
        ALTER TABLE identities ADD COLUMN merge jsonb;
        -- Identities by whose merges a prototype came to its person, in order.
        ALTER TABLE prototypes
            ADD COLUMN came_by bigint[] NOT NULL DEFAULT '{}';

        -- Without an outcome: waits for whoever writes to the timeline.
        CREATE TABLE identity_commands (
            environment_id text COLLATE "C" NOT NULL,
            timeline_id text COLLATE "C" NOT NULL,
            revision bigint NOT NULL,
            command jsonb NOT NULL,
            command_time timestamptz NOT NULL DEFAULT now(),
            outcome jsonb,
            outcome_time timestamptz,
            PRIMARY KEY (environment_id, timeline_id, revision)
        );

        -- Persons who are different people, as they were named when it was said.
        CREATE TABLE told_apart (
            environment_id text COLLATE "C" NOT NULL,
            timeline_id text COLLATE "C" NOT NULL,
            first_id bigint NOT NULL,
            second_id bigint NOT NULL CHECK (first_id < second_id),
            told_time timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (environment_id, timeline_id, first_id, second_id)
        );

        -- Of each kind those of the greatest priority stay: a random sample that
        -- prefers what is newer.
        CREATE TABLE score_samples (
            environment_id text COLLATE "C" NOT NULL,
            model_id text NOT NULL,
            kind text NOT NULL,
            score double precision NOT NULL,
            left_track text NOT NULL,
            right_track text NOT NULL,
            captured_ns bigint NOT NULL,
            priority double precision NOT NULL
        );
        CREATE INDEX score_samples_by_priority
            ON score_samples (environment_id, model_id, kind, priority);

        CREATE TABLE score_fits (
            environment_id text COLLATE "C" NOT NULL,
            model_id text NOT NULL,
            fit jsonb NOT NULL,
            fit_time timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (environment_id, model_id)
        );
        """
    )


def downgrade() -> None:
    """Remove all of it."""
    op.execute(
        """
        DROP TABLE score_fits, score_samples, told_apart, identity_commands;
        ALTER TABLE prototypes DROP COLUMN came_by;
        ALTER TABLE identities DROP COLUMN merge;
        ALTER TABLE timelines DROP COLUMN held_until, DROP COLUMN command_revision,
            DROP COLUMN applied_revision;
        """
    )
