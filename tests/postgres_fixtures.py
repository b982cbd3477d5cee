"""A real PostgreSQL server for a test run, and empty databases on it."""

from __future__ import annotations

import pytest

from postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server; without one the tests that need it fail, and say what to install."""
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def postgres(postgres_server) -> str:
    """Return the URL of an empty database."""
    return postgres_server.database()
