"""The market, opened for each test."""

from __future__ import annotations

import pytest

from chain_fixtures import anvil, anvil_world, deployed_chain  # noqa: F401 - fixtures
from requester_market import open_market


@pytest.fixture
async def market(tmp_path):
    made = await open_market(tmp_path)
    async with made.http:
        yield made
