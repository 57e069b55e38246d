"""Secrets are made once, kept, and not shown."""

import stat
from pathlib import Path

from stack.credentials import load_or_create


def test_secrets_stay_the_same(tmp_path: Path) -> None:
    """A second start finds the secrets of the first."""
    file = tmp_path / "credentials.json"
    first = load_or_create(file, ["postgres", "valkey"])
    assert load_or_create(file, ["postgres", "valkey"]) == first
    assert len({first["postgres"], first["valkey"]}) == 2


def test_a_new_name_gets_a_secret_and_old_ones_stay(tmp_path: Path) -> None:
    """A service that is added later gets its secret then."""
    file = tmp_path / "credentials.json"
    first = load_or_create(file, ["postgres"])
    second = load_or_create(file, ["postgres", "postgres-analytics"])
    assert second["postgres"] == first["postgres"]
    assert second["postgres-analytics"]


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    """The file has mode 0600 from its first byte on."""
    file = tmp_path / "credentials.json"
    load_or_create(file, ["postgres"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_printing_shows_names_only(tmp_path: Path) -> None:
    """No secret gets into a log by way of `repr`."""
    credentials = load_or_create(tmp_path / "credentials.json", ["postgres"])
    assert credentials["postgres"] not in repr(credentials)
