"""Bring the schema to the newest version, and end.

`python -m services.analytics.migrate`, for a Kubernetes Job. A service that starts does
the same first, under the same lock.
"""

import sys
from dataclasses import dataclass, field

from services.analytics.adapters.schema import SCHEMA, VERSIONS
from services.common.environ import Environ
from services.common.postgres import migrate
from services.common.program import run_service


@dataclass(frozen=True, slots=True)
class MigrationConfig:
    """What a migration is told: the role that owns the schema."""

    postgres_dsn: str = field(repr=False)


def load_config(environ: Environ) -> MigrationConfig:
    """Read the configuration.

    Raises:
        ConfigError: The variable is missing or cannot be read.
    """
    return MigrationConfig(environ.secret("POSTGRES_DSN"))


async def run(config: MigrationConfig) -> None:
    """Migrate once PostgreSQL answers."""
    await migrate(config.postgres_dsn, SCHEMA, VERSIONS)


if __name__ == "__main__":
    sys.exit(
        run_service(
            "analytics-migrate", lambda: load_config(Environ("SPOTON_ANALYTICS_")), run
        )
    )
