"""Fixtures of the tests of the chain."""

from __future__ import annotations

import asyncio

import pytest
from following import Followed

from chain_fixtures import WALLETS, anvil, anvil_world, deployed_chain  # noqa: F401 - fixtures


@pytest.fixture
def wallet():
    return WALLETS[0]


@pytest.fixture
async def following():
    """Follow a stream into a list until the end of the test."""
    tasks: list[asyncio.Task] = []

    def follow(stream) -> Followed:
        found = Followed()
        tasks.append(asyncio.create_task(found.collect(stream)))
        return found

    yield follow
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
