from __future__ import annotations

import pytest


@pytest.fixture
def target(tmp_path):
    """Where a download shall lie: in a folder of its own."""
    folder = tmp_path / "input"
    folder.mkdir()
    return folder / "data"
