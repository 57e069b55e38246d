"""What services find in the stores: roles, schemas and a bucket of their own."""

from collections.abc import Mapping

import psycopg
from psycopg import sql

from stack.stores.postgres import Postgres

DATABASE = "spoton"
BUCKET = "spoton-crops"


def provision_postgres(postgres: Postgres, passwords: Mapping[str, str]) -> None:
    """Create the database, and a role and its schema per service.

    A role owns its schema and cannot look into another's.

    Args:
        postgres: A server that answers.
        passwords: By name of the role, which is the name of its schema too.
    """
    postgres.create_database(DATABASE)
    with psycopg.connect(postgres.dsn(DATABASE)) as connection:
        connection.execute(
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(
                sql.Identifier(DATABASE)
            )
        )
        for role, password in passwords.items():
            _provision_role(connection, role, password)


def _provision_role(
    connection: psycopg.Connection[tuple[object, ...]], role: str, password: str
) -> None:
    name = sql.Identifier(role)
    exists = connection.execute(
        "SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)
    ).fetchone()
    if not exists:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    connection.execute(
        sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(password))
    )
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(DATABASE), name
        )
    )
    connection.execute(
        sql.SQL("CREATE SCHEMA IF NOT EXISTS {0} AUTHORIZATION {0}").format(name)
    )
