"""A backup and its restoring, typed as the operations guide prints them; the pool goes on from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import psycopg
import pytest
from started_pool import Started
from test_two_processes import bought

from poolhand.store.sql_engine import file_of
from postgres_fixtures import postgres_server
from postgres_server import binaries
from typed_lines import ran, typed_lines

__all__ = ["postgres_server"]

LINES = typed_lines("docs/how-to/operate-a-pool.md", "Back up, and restore")


def lines(first: str, last: str) -> list[str]:
    """Return the lines of the page from one that begins so to one that begins so."""
    begins, ends = ([n for n, line in enumerate(LINES) if line.startswith(each)]
                    for each in (first, last))  # fmt: skip
    return LINES[begins[0] : next(end for end in ends if end >= begins[0]) + 1]


async def tasks_of(url, least=0):
    """Return the tasks that a pool tells of, with what has been done for each."""
    async with httpx.AsyncClient(base_url=url) as http:
        while len(found := (await http.get("/v1/tasks")).json()) < least:
            pass
    return {each["task_id"]: (each["status"], each["deal_id"]) for each in found}


def names(folder: Path) -> set[str]:
    """Return what of a database lies in a folder."""
    return {each.name for each in folder.glob("pool.db*")}


@dataclass
class Operator:
    """Types the lines in the pool's folder.

    Attributes:
        folder: Of the pool.
        url: Of its database.
        backs_up: The lines that do, and whether the pool is stopped for it.
        restores: The lines that do.
        restored: The URL of what they make.
        environment: What the operator has exported.
        dies: Leaves what a pool leaves that was killed.
    """

    folder: Path
    url: str
    backs_up: tuple[list[str], bool]
    restores: list[str]
    restored: str
    environment: dict[str, str] = field(default_factory=dict)
    dies: Callable[[], Callable[[], None]] = lambda: lambda: None

    def types(self, typed: list[str]) -> None:
        """Type lines; each must succeed."""
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        known = {"HOME": str(self.folder), "PATH": path, **self.environment}
        for line in typed:
            done = subprocess.run(
                ["/bin/bash", "-c", line], cwd=self.folder, env=known, check=False,
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"
            ran(line)


@pytest.fixture
def files(tmp_path):
    """A database that is copied while the pool is stopped; one that was killed lies there since."""

    def dies():
        killed = tmp_path / "killed"
        killed.mkdir()
        for part in tmp_path.glob("pool.db*"):
            shutil.copy2(part, killed)

        def left():
            for part in killed.iterdir():
                shutil.copy2(part, tmp_path)
            assert (tmp_path / "pool.db-wal").stat().st_size

        return left

    url = f"sqlite:///{tmp_path}/pool.db"
    backs_up = lines("mkdir -p backup", "cp -p pool.db*")
    checks = lines("poolhand debug replay", "poolhand debug replay")
    restores = lines("mkdir -p before", "cp -p backup/")
    return Operator(tmp_path, url, ([*backs_up, *checks], True), restores, url, dies=dies)


@pytest.fixture
def server(postgres_server, tmp_path):
    """A database that is dumped while the pool runs, and put into a new one."""
    address = postgres_server.database().partition("host=")[2]
    with psycopg.connect(host=address, user="postgres", autocommit=True) as connection:
        for line in ("DROP DATABASE IF EXISTS pool", "DROP DATABASE IF EXISTS pool2",
                     "DROP ROLE IF EXISTS pool", "CREATE ROLE pool LOGIN",
                     "CREATE DATABASE pool OWNER pool"):  # fmt: skip
            connection.execute(line)
    url, path = f"postgresql://pool@/pool?host={address}", os.environ["PATH"]
    exported = {
        "POOLHAND_DATABASE": url,
        "PGHOST": address,
        "PGUSER": "postgres",
        "PATH": os.pathsep.join((str(binaries()), path)),
    }
    return Operator(
        tmp_path, url, (["mkdir -p backup", *lines("(umask 077; pg_dump", "(umask 077; pg_dump")], False),
        lines("createdb", "psql"), url.replace("/pool?", "/pool2?"), exported,
    )  # fmt: skip


@pytest.fixture
def operator(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    "operator",
    [
        pytest.param(
            "files",
            id="files",
            marks=pytest.mark.executes(
                "docs/how-to/operate-a-pool.md", "cp -p", "poolhand debug replay backup"
            ),
        ),
        pytest.param(
            "server",
            id="server",
            marks=[
                pytest.mark.postgres,
                pytest.mark.executes("docs/how-to/operate-a-pool.md", "(umask", "createdb"),
            ],
        ),
    ],
    indirect=True,
)
async def test_a_pool_goes_on_from_a_backup_and_learns_the_rest_from_the_chain(tmp_path, operator):
    started = Started(tmp_path)
    started.settings = replace(started.settings, database=operator.url)
    world, (backs_up, is_stopped) = started.world, operator.backs_up
    async with started.serving():
        first = bought(world, 3)
        known = await tasks_of(started.urls[-1], 3)
        if not is_stopped:
            operator.types(backs_up)
    if is_stopped:
        assert file_of(operator.url).exists()
        operator.types(backs_up)
    async with started.serving():
        between = bought(world, 1)
        await tasks_of(started.urls[-1], 4)
        left = operator.dies()
    left()
    operator.types(operator.restores)
    if is_stopped:
        assert names(tmp_path) == names(tmp_path / "backup"), "what is left would be read with it"
    later = bought(world, 2)  # while nobody looks
    started.settings = replace(started.settings, database=operator.restored)
    async with started.serving():
        found = await tasks_of(started.urls[-1], 6)
    assert known.keys() < found.keys()
    deals = [deal for _, deal in found.values()]
    assert deals.count(str(first.deal_id)) == 3
    assert [deals.count(str(each.deal_id)) for each in (between, later)] == [1, 2]
