"""Create accounts, login sessions, signing keys, revocations and the audit log."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE users (
            user_id text COLLATE "C" PRIMARY KEY,
            name text COLLATE "C" NOT NULL,
            display_name text NOT NULL,
            roles jsonb NOT NULL,
            disabled boolean NOT NULL,
            external_issuer text NOT NULL DEFAULT '',
            external_subject text NOT NULL DEFAULT '',
            password_hash text,
            epoch bigint NOT NULL DEFAULT 1,
            etag text NOT NULL DEFAULT gen_random_uuid()::text,
            create_time timestamptz NOT NULL DEFAULT now(),
            last_login_time timestamptz,
            CHECK ((external_issuer = '') = (password_hash IS NOT NULL))
        );
        CREATE UNIQUE INDEX users_by_name ON users (name)
            WHERE external_issuer = '';
        CREATE UNIQUE INDEX users_by_issuer
            ON users (external_issuer, external_subject) WHERE external_issuer <> '';

        CREATE TABLE login_sessions (
            login_session_id text COLLATE "C" PRIMARY KEY,
            user_id text COLLATE "C" NOT NULL REFERENCES users ON DELETE CASCADE,
            create_time timestamptz NOT NULL DEFAULT now(),
            last_use_time timestamptz NOT NULL DEFAULT now(),
            expire_time timestamptz NOT NULL,
            idle_expire_time timestamptz NOT NULL,
            address text NOT NULL,
            user_agent text NOT NULL
        );
        CREATE INDEX login_sessions_by_user ON login_sessions (user_id);

        CREATE TABLE refresh_tokens (
            token_hash bytea PRIMARY KEY,
            login_session_id text COLLATE "C" NOT NULL
                REFERENCES login_sessions ON DELETE CASCADE,
            used boolean NOT NULL DEFAULT false
        );
        CREATE INDEX refresh_tokens_by_session ON refresh_tokens (login_session_id);

        CREATE TABLE service_accounts (
            service_account_id text COLLATE "C" PRIMARY KEY,
            display_name text COLLATE "C" NOT NULL UNIQUE,
            scopes text[] NOT NULL,
            environment_ids text[] NOT NULL,
            disabled boolean NOT NULL,
            epoch bigint NOT NULL DEFAULT 1,
            etag text NOT NULL DEFAULT gen_random_uuid()::text,
            create_time timestamptz NOT NULL DEFAULT now()
        );

        CREATE TABLE service_account_secrets (
            secret_id text COLLATE "C" PRIMARY KEY,
            service_account_id text COLLATE "C" NOT NULL
                REFERENCES service_accounts ON DELETE CASCADE,
            secret_hash bytea NOT NULL,
            create_time timestamptz NOT NULL DEFAULT now(),
            expire_time timestamptz,
            last_use_time timestamptz
        );
        CREATE INDEX secrets_by_account
            ON service_account_secrets (service_account_id);

        CREATE TABLE signing_keys (
            key_id text COLLATE "C" PRIMARY KEY,
            public_key bytea NOT NULL,
            private_key bytea NOT NULL,
            create_time timestamptz NOT NULL DEFAULT now(),
            activate_time timestamptz NOT NULL,
            expire_time timestamptz
        );

        CREATE TABLE revocations (
            kind text COLLATE "C" NOT NULL,
            id text COLLATE "C" NOT NULL,
            epoch bigint NOT NULL DEFAULT 0,
            expire_time timestamptz NOT NULL,
            published boolean NOT NULL DEFAULT false,
            PRIMARY KEY (kind, id)
        );
        """
    )
    _create_audit_log()


def _create_audit_log() -> None:
    """Create a table that only grows, each row sealed by a hash over all before it."""
    op.execute(
        """
        CREATE TABLE audit_entries (
            entry_id bigint PRIMARY KEY,
            time timestamptz NOT NULL,
            subject text COLLATE "C" NOT NULL,
            name text NOT NULL,
            kind text NOT NULL,
            address text NOT NULL,
            action text COLLATE "C" NOT NULL,
            environment_id text COLLATE "C" NOT NULL,
            resource text NOT NULL,
            purpose text NOT NULL,
            outcome text NOT NULL,
            detail text NOT NULL,
            trace_id text NOT NULL,
            reporter text COLLATE "C" NOT NULL,
            report_id text COLLATE "C" NOT NULL,
            chain_hash bytea NOT NULL,
            UNIQUE (reporter, report_id)
        );
        CREATE INDEX audit_entries_by_time ON audit_entries (time);
        CREATE INDEX audit_entries_by_subject ON audit_entries (subject, entry_id);
        CREATE INDEX audit_entries_by_environment
            ON audit_entries (environment_id, entry_id);

        CREATE FUNCTION audit_chain_hash(before bytea, entry audit_entries)
        RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
            SELECT sha256(before || convert_to(jsonb_build_array(
                entry.entry_id, extract(epoch FROM entry.time), entry.subject,
                entry.name, entry.kind, entry.address, entry.action,
                entry.environment_id, entry.resource, entry.purpose, entry.outcome,
                entry.detail, entry.trace_id, entry.reporter, entry.report_id
            )::text, 'UTF8'))
        $$;

        -- One at a time: a reader that has seen entry n has seen all before it.
        CREATE FUNCTION seal_audit_entry() RETURNS trigger LANGUAGE plpgsql
        SET search_path FROM CURRENT AS $$
        DECLARE
            last_id bigint;
            last_hash bytea;
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtext('spoton audit_entries'));
            SELECT entry_id, chain_hash INTO last_id, last_hash
                FROM audit_entries ORDER BY entry_id DESC LIMIT 1;
            NEW.entry_id := coalesce(last_id, 0) + 1;
            NEW.chain_hash := audit_chain_hash(coalesce(last_hash, ''), NEW);
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER seal BEFORE INSERT ON audit_entries
            FOR EACH ROW EXECUTE FUNCTION seal_audit_entry();

        CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'entries of the audit log are never changed or removed';
        END
        $$;
        CREATE TRIGGER keep BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
        REVOKE UPDATE, DELETE, TRUNCATE ON audit_entries FROM CURRENT_USER;
        """
    )
