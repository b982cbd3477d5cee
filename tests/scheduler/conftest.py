"""Schedulers over a fake chain, one per test, without logs."""

from __future__ import annotations

import pytest
from pool_world import PoolWorld

from network.conftest import quiet
from network.laws import check_laws

__all__ = ["quiet"]


@pytest.fixture
async def pool(tmp_path):
    """Return a factory of running pools."""
    made = []

    async def make(**terms):
        world = PoolWorld(tmp_path / str(len(made)), **terms)
        made.append(world)
        await world.start()
        return world

    yield make
    for world in made:
        check_laws(world)
        await world.stop()
