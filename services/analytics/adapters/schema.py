"""Where the tables are."""

from pathlib import Path

SCHEMA = "analytics"
VERSIONS = Path(__file__).parent.parent / "migrations" / "versions"
