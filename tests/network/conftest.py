"""Simulated networks, one per test, without logs."""

from __future__ import annotations

import logging

import pytest
import structlog

from network.laws import check_laws
from network.world import SimulatedNetwork


@pytest.fixture(autouse=True)
def quiet():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def network(tmp_path):
    """Return a factory; whatever it made is stopped and checked against the laws."""
    made = []

    async def make(*args, **kwargs):
        world = SimulatedNetwork(tmp_path / str(len(made)), *args, **kwargs)
        made.append(world)
        return world

    yield make
    for world in made:
        check_laws(world)
        await world.stop()
