"""A database is one pool's: no other pool takes it up, were it to stand by."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from started_pool import Started

from poolhand.domain.onchain import CreateWorkerpool
from poolhand.scheduler import main
from poolhand.scheduler.whose_database import AnotherPoolsDatabase
from postgres_fixtures import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]


@pytest.fixture(params=["file", pytest.param("server", marks=pytest.mark.postgres)])
def database(request, tmp_path):
    if request.param == "file":
        return f"sqlite:///{tmp_path}/pool.db"
    return request.getfixturevalue("postgres")


def pool(folder, database):
    made = Started(folder)
    made.settings = replace(made.settings, database=database)
    return made


async def another_pool(started):
    """Return the settings of a second workerpool of the same owner, with the same database."""
    world = started.world
    owner = world.owner.address
    sent = world.chain.submit(owner, CreateWorkerpool(owner, "another"))
    world.chain.mine()
    made = world.chain.outcome(sent).receipt
    return replace(
        started.settings, workerpool=made.created, locks=started.settings.locks.parent / "locks-2"
    )


async def refused(started, settings):
    """Serve, and return why that is refused."""
    async with asyncio.timeout(60):
        with pytest.raises(AnotherPoolsDatabase) as told:
            await main.run(settings, None, started.join)
    return str(told.value)


async def test_a_database_is_its_pools_at_every_start_and_no_other_pools(tmp_path, database):
    started = pool(tmp_path, database)
    await started.serve()
    assert str(started.settings.workerpool) in await refused(started, await another_pool(started))
    await started.serve()


@pytest.mark.postgres
async def test_no_pool_stands_by_for_another(tmp_path, postgres):
    started = pool(tmp_path, postgres)
    async with started.serving():
        await refused(started, await another_pool(started))
