"""Workers over fakes, without logs."""

import pytest
from worker_world import Workshop

from network.conftest import quiet

__all__ = ["quiet"]


@pytest.fixture
async def shop(tmp_path):
    """Return a worker's bench and hands, with a pool to be played by hand."""
    return Workshop(tmp_path)
