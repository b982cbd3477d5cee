"""A PostgreSQL server of a test run's own, with a fresh database for each who asks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import psycopg

USER = "postgres"
MISSING = (
    "these tests need a PostgreSQL server's programs (initdb, postgres), and this machine has none: "
    "`scripts/apt-install PostgreSQL postgresql` as root installs them; "
    '-m "not postgres" leaves these tests out'
)


class NoPostgres(Exception):
    """The machine has no server to run."""


def binaries() -> Path:
    """Return the folder of the server's programs."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = debian[-1] if debian else shutil.which("postgres")
    if found is None:
        raise NoPostgres(MISSING)
    return Path(found).resolve().parent


class PostgresServer:
    """One server; a unix socket is its only entrance."""

    def __init__(self) -> None:
        self._bin = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="poolhand-pg-"))
        self._names = count(1)
        if os.getuid() == 0:
            shutil.chown(self._folder, USER, USER)
        self._run("initdb", "-A", "trust", "-U", USER, "--no-sync", "-E", "UTF8")
        self.start()

    def start(self) -> None:
        """Start, or start again."""
        options = f"-c listen_addresses='' -c unix_socket_directories={self._folder} -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-l", str(self._folder / "log"), "-o", options)

    def kill(self) -> None:
        """End as a power cut does."""
        self._run("pg_ctl", "stop", "-m", "immediate")

    def stop(self) -> None:
        """End for good, and leave nothing."""
        self._run("pg_ctl", "stop", "-m", "immediate")
        shutil.rmtree(self._folder)

    def database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"test{next(self._names)}"
        with psycopg.connect(host=str(self._folder), user=USER, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql://{USER}@/{name}?host={self._folder}"

    def dump(self, url: str) -> str:
        """Back a database up while it is used; returns the script."""
        command = [str(self._bin / "pg_dump"), url]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def restored(self, script: str) -> str:
        """Put a backup into a new database; returns its URL."""
        url = self.database()
        command = [str(self._bin / "psql"), "--quiet", "-v", "ON_ERROR_STOP=1", url]
        subprocess.run(
            command, check=True, input=script, text=True, timeout=60, capture_output=True
        )
        return url

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments, "-D", str(self._folder / "data")]
        if os.getuid() == 0:
            command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", *command]
        ran = subprocess.run(
            command, cwd=self._folder, check=False, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
        if ran.returncode:
            raise RuntimeError(f"{program}: {ran.stderr}")
