"""Migrate a service's schema as a program of its own, such as a Kubernetes Job."""

from dataclasses import dataclass, field
from pathlib import Path

from services.common.environ import Environ
from services.common.postgres import migrate
from services.common.program import run_service


@dataclass(frozen=True, slots=True)
class MigrationConfig:
    """What a migration is told.

    Attributes:
        postgres_dsn: Connection string of the role that owns the schema; secret.
    """

    postgres_dsn: str = field(repr=False)


def run_migration(schema: str, versions: Path) -> int:
    """Bring a schema to the newest version; return the exit status.

    Args:
        schema: Schema of the service, which is the service's name too.
        versions: Folder of the Alembic revisions.
    """
    environ = Environ(f"SPOTON_{schema.upper()}_")

    def load_config() -> MigrationConfig:
        return MigrationConfig(environ.secret("POSTGRES_DSN"))

    async def run(config: MigrationConfig) -> None:
        await migrate(config.postgres_dsn, schema, versions)

    return run_service(f"{schema}-migrate", load_config, run)
