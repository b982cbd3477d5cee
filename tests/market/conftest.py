"""Markets over both databases."""

from __future__ import annotations

import pytest
from market_world import a_market

from postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres():
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'market.db'}"
    return request.getfixturevalue("postgres").database()


@pytest.fixture
async def market(database_url):
    async with a_market(database_url) as made:
        yield made
