"""Create the tables of history; docs/analytics.md tells what each means."""

from alembic import op

from services.analytics.migrations import timescale

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORKERS = """
    CREATE TABLE workers (
        owner text PRIMARY KEY,
        seen_at timestamptz NOT NULL
    );

    CREATE TABLE environments (
        environment_id text PRIMARY KEY,
        number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
        owner text NOT NULL DEFAULT '',
        epoch bigint NOT NULL DEFAULT 0,
        lease_expires_at timestamptz NOT NULL DEFAULT 'epoch',
        sequence bigint NOT NULL DEFAULT 0,
        event_time timestamptz,
        memory bytea,
        borders_read_at timestamptz,
        create_time timestamptz NOT NULL DEFAULT clock_timestamp()
    );

    COMMENT ON COLUMN environments.sequence IS
        'Last event of the log that is stored.';
    COMMENT ON COLUMN environments.memory IS
        'What the worker carries from one batch to the next, JSON, deflated.';

    CREATE TABLE history_gaps (
        gap_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        environment_id text NOT NULL,
        first_sequence bigint NOT NULL,
        last_sequence bigint NOT NULL,
        start_time timestamptz,
        end_time timestamptz NOT NULL,
        cause text NOT NULL CHECK (cause IN ('removed', 'log_replaced', 'refused')),
        UNIQUE (environment_id, first_sequence, end_time)
    );
"""

SESSIONS = """
    CREATE TABLE sessions (
        environment_id text NOT NULL,
        session_id text NOT NULL,
        timeline_id text NOT NULL,
        state text NOT NULL DEFAULT '',
        detail text NOT NULL DEFAULT '',
        epoch bigint NOT NULL DEFAULT 0,
        updates bigint NOT NULL DEFAULT 0,
        first_event_time timestamptz NOT NULL,
        last_event_time timestamptz NOT NULL,
        first_capture_time timestamptz,
        last_capture_time timestamptz,
        PRIMARY KEY (environment_id, session_id)
    );

    CREATE TABLE session_events (
        session_event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        environment_id text NOT NULL,
        session_id text NOT NULL,
        timeline_id text NOT NULL,
        kind text NOT NULL,
        epoch bigint NOT NULL,
        detail text NOT NULL,
        sequence bigint NOT NULL,
        event_time timestamptz NOT NULL
    );
    CREATE INDEX session_events_by_time ON session_events (environment_id, event_time);

    CREATE TABLE passes (
        environment_id text NOT NULL,
        timeline_id text NOT NULL,
        pass integer NOT NULL CHECK (pass >= 1),
        start_time timestamptz NOT NULL,
        end_time timestamptz NOT NULL,
        first_frame_set bigint NOT NULL,
        last_frame_set bigint NOT NULL,
        updates bigint NOT NULL,
        PRIMARY KEY (environment_id, timeline_id, pass)
    );
"""

PERSONS = """
    CREATE TABLE persons (
        environment_id text NOT NULL,
        global_id bigint NOT NULL CHECK (global_id >= 1),
        timeline_id text NOT NULL,
        label integer NOT NULL DEFAULT 0,
        person_id bigint NOT NULL,
        merged_into bigint,
        split_from bigint,
        first_time timestamptz,
        last_time timestamptz,
        PRIMARY KEY (environment_id, global_id)
    );
    CREATE INDEX persons_by_person ON persons (environment_id, person_id);
    CREATE INDEX persons_by_timeline ON persons (environment_id, timeline_id);

    CREATE TABLE identity_events (
        identity_event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        environment_id text NOT NULL,
        timeline_id text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('created', 'merged', 'split', 'returned')),
        global_id bigint NOT NULL,
        other_global_id bigint,
        frame_set bigint,
        capture_time timestamptz,
        sequence bigint NOT NULL,
        event_time timestamptz NOT NULL
    );
    CREATE INDEX identity_events_by_person
        ON identity_events (environment_id, global_id);

    CREATE TABLE tracks (
        environment_id text NOT NULL,
        session_id text NOT NULL,
        camera_id text NOT NULL,
        track_id bigint NOT NULL,
        timeline_id text NOT NULL,
        global_id bigint,
        provisional boolean NOT NULL,
        first_time timestamptz NOT NULL,
        last_time timestamptz NOT NULL,
        frames bigint NOT NULL,
        coasted_frames bigint NOT NULL,
        score_sum double precision NOT NULL,
        PRIMARY KEY (environment_id, session_id, camera_id, track_id)
    );
    CREATE INDEX tracks_by_time ON tracks (environment_id, first_time);
    CREATE INDEX tracks_by_person ON tracks (environment_id, global_id);
"""

STAYS = """
    CREATE TABLE stays (
        stay_id bigint PRIMARY KEY,
        environment_id text NOT NULL,
        timeline_id text NOT NULL,
        pass integer NOT NULL,
        session_id text NOT NULL,
        published_id bigint NOT NULL,
        global_id bigint NOT NULL,
        person_id bigint NOT NULL,
        floor_id text NOT NULL,
        camera_id text,
        track_id bigint,
        start_time timestamptz NOT NULL,
        end_time timestamptz NOT NULL CHECK (end_time >= start_time),
        samples bigint NOT NULL,
        distance_m double precision NOT NULL,
        handed_over boolean NOT NULL,
        passage boolean NOT NULL,
        moved_frame_set bigint,
        hidden tstzmultirange NOT NULL DEFAULT '{}'
    );
    CREATE INDEX stays_by_start ON stays (environment_id, start_time);
    CREATE INDEX stays_by_end ON stays (environment_id, end_time);
    CREATE INDEX stays_by_person ON stays (environment_id, person_id, start_time);
    CREATE INDEX stays_by_identity ON stays (environment_id, global_id);
    CREATE INDEX stays_by_track
        ON stays (environment_id, session_id, camera_id, track_id)
        WHERE track_id IS NOT NULL;

    CREATE TABLE views (
        environment_id text NOT NULL,
        view_id integer NOT NULL,
        camera_ids text[] NOT NULL,
        PRIMARY KEY (environment_id, view_id)
    );
"""

POSITIONS = """
    CREATE TABLE positions (
        capture_time timestamptz NOT NULL,
        stay_id bigint NOT NULL,
        frame_set bigint NOT NULL,
        x_m real,
        y_m real,
        velocity_x_mps real,
        velocity_y_mps real,
        sigma_m real,
        view_id integer NOT NULL
    )
"""
POSITIONS_INDEX = "CREATE INDEX positions_by_stay ON positions (stay_id, capture_time)"

BORDERS = """
    CREATE TABLE zones (
        zone_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        environment_id text NOT NULL,
        zone_id text NOT NULL,
        display_name text NOT NULL,
        floor_id text NOT NULL,
        corners_m double precision[] NOT NULL,
        valid_from timestamptz NOT NULL DEFAULT clock_timestamp(),
        valid_to timestamptz
    );
    CREATE UNIQUE INDEX zones_valid ON zones (environment_id, zone_id)
        WHERE valid_to IS NULL;

    CREATE TABLE tripwires (
        tripwire_key integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        environment_id text NOT NULL,
        tripwire_id text NOT NULL,
        display_name text NOT NULL,
        floor_id text NOT NULL,
        start_x_m double precision NOT NULL,
        start_y_m double precision NOT NULL,
        end_x_m double precision NOT NULL,
        end_y_m double precision NOT NULL,
        valid_from timestamptz NOT NULL DEFAULT clock_timestamp(),
        valid_to timestamptz
    );
    CREATE UNIQUE INDEX tripwires_valid ON tripwires (environment_id, tripwire_id)
        WHERE valid_to IS NULL;

    CREATE TABLE visits (
        zone_key integer NOT NULL REFERENCES zones,
        stay_id bigint NOT NULL REFERENCES stays,
        start_time timestamptz NOT NULL,
        end_time timestamptz NOT NULL CHECK (end_time >= start_time),
        came text NOT NULL CHECK (came IN ('entered', 'appeared', 'stayed')),
        went text NOT NULL CHECK (went IN ('inside', 'exited', 'stayed')),
        samples bigint NOT NULL,
        PRIMARY KEY (stay_id, zone_key, start_time)
    );
    CREATE INDEX visits_by_zone ON visits (zone_key, start_time);

    CREATE TABLE crossings (
        tripwire_key integer NOT NULL REFERENCES tripwires,
        stay_id bigint NOT NULL REFERENCES stays,
        capture_time timestamptz NOT NULL,
        direction smallint NOT NULL CHECK (direction IN (-1, 1)),
        PRIMARY KEY (stay_id, tripwire_key, capture_time)
    );
    CREATE INDEX crossings_by_tripwire ON crossings (tripwire_key, capture_time);
"""

ROLLUPS = """
    CREATE TABLE cell_hours (
        environment_id text NOT NULL,
        timeline_id text NOT NULL,
        floor_id text NOT NULL,
        hour timestamptz NOT NULL,
        cell_x integer NOT NULL,
        cell_y integer NOT NULL,
        present_us bigint NOT NULL,
        passages bigint NOT NULL,
        PRIMARY KEY (environment_id, timeline_id, floor_id, hour, cell_x, cell_y)
    );

    CREATE TABLE speed_hours (
        environment_id text NOT NULL,
        timeline_id text NOT NULL,
        floor_id text NOT NULL,
        hour timestamptz NOT NULL,
        speed_bin smallint NOT NULL,
        present_us bigint NOT NULL,
        PRIMARY KEY (environment_id, timeline_id, floor_id, hour, speed_bin)
    );

    CREATE TABLE camera_minutes (
        environment_id text NOT NULL,
        timeline_id text NOT NULL,
        camera_id text NOT NULL,
        minute timestamptz NOT NULL,
        frames bigint NOT NULL,
        tracks bigint NOT NULL,
        coasted bigint NOT NULL,
        unidentified bigint NOT NULL,
        most_tracks integer NOT NULL,
        PRIMARY KEY (environment_id, timeline_id, camera_id, minute)
    );

    CREATE TABLE timeline_minutes (
        environment_id text NOT NULL,
        timeline_id text NOT NULL,
        minute timestamptz NOT NULL,
        updates bigint NOT NULL,
        persons bigint NOT NULL,
        located bigint NOT NULL,
        most_persons integer NOT NULL,
        delay_us bigint NOT NULL,
        PRIMARY KEY (environment_id, timeline_id, minute)
    );
"""


def upgrade() -> None:
    """Create the tables; positions as a hypertable where TimescaleDB is."""
    for statement in statements(hypertables=timescale.is_installed(op.get_bind())):
        op.execute(statement)


def statements(*, hypertables: bool) -> list[str]:
    """Return the statements that create the tables.

    Args:
        hypertables: Whether TimescaleDB is there.
    """
    partitioned = "" if hypertables else " PARTITION BY RANGE (capture_time)"
    return [
        WORKERS,
        SESSIONS,
        PERSONS,
        STAYS,
        POSITIONS + partitioned,
        POSITIONS_INDEX,
        *(timescale.HYPERTABLE if hypertables else ()),
        BORDERS,
        ROLLUPS,
    ]
