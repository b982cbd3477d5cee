"""A backup, as the operations guide has it, and a pool that goes on from it: the rehearsal."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from started_pool import Started
from test_two_processes import bought

from poolhand.store.sql_engine import file_of
from postgres_fixtures import postgres_server

__all__ = ["postgres_server"]


async def tasks_of(url, least=0):
    """Return the tasks that a pool tells of, with what has been done for each."""
    async with httpx.AsyncClient(base_url=url) as http:
        while len(found := (await http.get("/v1/tasks")).json()) < least:
            pass
    return {each["task_id"]: (each["status"], each["deal_id"]) for each in found}


@pytest.fixture
def files(tmp_path):
    """A database that is copied while the pool is stopped."""

    def restored(url):
        folder = tmp_path / "restored"
        folder.mkdir()
        for part in Path(file_of(url)).parent.glob("pool.db*"):
            shutil.copy2(part, folder)
        return f"sqlite:///{folder}/pool.db"

    return f"sqlite:///{tmp_path}/pool.db", str, restored


@pytest.fixture
def server(postgres_server):
    """A database that is dumped while the pool runs, and put into a new one."""
    return postgres_server.database(), postgres_server.dump, postgres_server.restored


@pytest.fixture(params=["files", pytest.param("server", marks=pytest.mark.postgres)])
def backed_up(request):
    return request.getfixturevalue(request.param)


async def test_a_pool_goes_on_from_a_backup_and_learns_the_rest_from_the_chain(tmp_path, backed_up):
    url, dump, restored = backed_up
    started = Started(tmp_path)
    started.settings = replace(started.settings, database=url)
    world = started.world
    async with started.serving():
        first = bought(world, 3)
        known = await tasks_of(started.urls[-1], 3)
        backup = dump(url)
    backup = restored(backup)
    later = bought(world, 2)  # while nobody looks
    started.settings = replace(started.settings, database=backup)
    async with started.serving():
        found = await tasks_of(started.urls[-1], 5)
    assert known.keys() < found.keys()
    deals = [deal for _, deal in found.values()]
    assert deals.count(str(first.deal_id)) == 3
    assert deals.count(str(later.deal_id)) == 2
