"""The market of tests/contract serves here too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from results_world import Scene


@pytest.fixture
async def scene(tmp_path):
    made = await Scene(tmp_path / "vault", max_archive=100_000).open()
    async with made.http:
        yield made
