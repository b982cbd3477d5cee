from __future__ import annotations

import pytest

from poolhand.devnet import artifacts
from poolhand.devnet.artifacts import DEFAULT_CACHE, Artifacts
from poolhand.devnet.node import Anvil


@pytest.fixture(scope="session")
def found() -> Artifacts:
    """Anvil and the contracts; fetched once per machine."""
    return artifacts.ensure(DEFAULT_CACHE)


@pytest.fixture
async def node(found, tmp_path):
    async with Anvil(found.anvil, tmp_path / "chain") as running:
        yield running
