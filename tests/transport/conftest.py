from __future__ import annotations

import pytest
from downloads import InProcesses, InThisProcess


@pytest.fixture
def target(tmp_path):
    """Where a download shall lie: in a folder of its own."""
    folder = tmp_path / "input"
    folder.mkdir()
    return folder / "data"


@pytest.fixture(scope="module")
def processes():
    made = InProcesses()
    yield made
    made.close()


@pytest.fixture(params=["in this process", "in a process of its own"])
def fetch(request):
    """Download: the process of its own gives and refuses all that its code does in this one."""
    if request.param == "in this process":
        return InThisProcess()
    return request.getfixturevalue("processes")
