"""Workers over fakes, without logs."""

import pytest
from scripted_pool import ScriptedPool
from worker_world import Workshop, done

from network.conftest import quiet
from poolhand.domain.replicate.machine import Action

__all__ = ["quiet"]


@pytest.fixture
async def shop(tmp_path):
    """Return a worker and its stages, with a pool to be played by hand."""
    return Workshop(tmp_path)


@pytest.fixture
async def pulled(shop):
    """A replicate whose app and data are there."""
    replicate = shop.replicate(shop.offer(await shop.deal()))
    await done(shop, Action.DOWNLOAD_APP, replicate)
    await done(shop, Action.DOWNLOAD_DATA, replicate)
    return replicate


@pytest.fixture
async def pool(tmp_path):
    """Return a scripted pool with its one worker running."""
    made = ScriptedPool(tmp_path)
    await made.opens()
    await made.greets()
    yield made
    await made.world.stop()
