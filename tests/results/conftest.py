"""The market of tests/contract serves here too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from results_world import Scene

from s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A server of the S3 protocol that refuses wrong credentials."""
    with s3_server() as server:
        yield server


@pytest.fixture
async def scene(tmp_path):
    made = await Scene(tmp_path / "vault", max_archive=100_000).open()
    async with made.http:
        yield made
