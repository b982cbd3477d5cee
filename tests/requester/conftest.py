"""The market, opened for each test."""

from __future__ import annotations

import pytest

from requester_market import open_market


@pytest.fixture
async def market(tmp_path):
    made = await open_market(tmp_path)
    async with made.http:
        yield made
