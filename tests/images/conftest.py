"""Tests of built images: `make images` names this folder; nobody else runs them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / each) for each in ("e2e", "worker")]


def pytest_ignore_collect(collection_path, config):
    """Leave the folder out unless it is named: building images takes minutes."""
    del collection_path
    named = any("tests/images" in str(each) for each in config.invocation_params.args)
    return None if named else True


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """Run a devnet with one worker."""
    from e2e_world import Network

    made = Network(tmp_path_factory.mktemp("devnet"))
    made.ok("devnet", "up", "--detach", "--workers", "1", seconds=600)
    yield made
    made.stop()
