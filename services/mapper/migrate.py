"""Bring the schema to the newest version, and end.

`python -m services.mapper.migrate` is for a Kubernetes Job. A service that starts
does the same first, under the same lock.
"""

import sys
from pathlib import Path

from services.common.migration import run_migration

SCHEMA = "mapper"
VERSIONS = Path(__file__).parent / "migrations" / "versions"

if __name__ == "__main__":
    sys.exit(run_migration(SCHEMA, VERSIONS))
