"""Markets over both databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from market_world import a_market

from poolhand.store.market.database import MarketDatabase
from poolhand.store.market.schema import BOOK
from postgres_fixtures import postgres, postgres_server  # noqa: F401 - fixtures

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
ALL_TABLES = ", ".join(table.name for table in BOOK.sorted_tables)


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory) -> Path:
    """A file with this version's tables: to make them takes longer than most tests."""
    file = tmp_path_factory.mktemp("tables") / "market.db"
    MarketDatabase(f"sqlite:///{file}").close()
    return file


@pytest.fixture(scope="session")
def postgres_tables(postgres_server) -> str:  # noqa: F811
    """A database with this version's tables; each test leaves them empty."""
    url: str = postgres_server.database()
    MarketDatabase(url).close()
    return url


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path) -> Iterator[str]:
    """A database with this version's tables, and nothing in them."""
    if request.param == "sqlite":
        file = tmp_path / "market.db"
        shutil.copyfile(request.getfixturevalue("sqlite_file"), file)
        yield f"sqlite:///{file}"
        return
    url = request.getfixturevalue("postgres_tables")
    yield url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {ALL_TABLES} RESTART IDENTITY")


@pytest.fixture(params=KINDS)
def empty_url(request, tmp_path) -> str:
    """A database in which no market has ever been."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    url: str = request.getfixturevalue("postgres")
    return url


@pytest.fixture
async def market(database_url):
    async with a_market(database_url) as made:
        yield made
