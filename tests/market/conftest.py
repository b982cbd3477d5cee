"""Markets over both databases."""

from __future__ import annotations

import psycopg
import pytest
from market_world import a_market

from postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres():
    """A database of a server's own; what a test leaves in it is dropped."""
    server = PostgresServer()
    yield server.database()
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'market.db'}"
        return
    url = request.getfixturevalue("postgres")
    yield url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


@pytest.fixture
async def market(database_url):
    async with a_market(database_url) as made:
        yield made
