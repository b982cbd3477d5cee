"""One devnet for all end-to-end tests, started and stopped as a user does."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_world import Network
from reaching import pytest_runtest_call
from sdk_trade import Trades
from status_lab import WORKERS, Lab
from status_setup import SETTINGS, make_lab

from poolhand.containers.mounts import release

__all__ = ["pytest_runtest_call"]

HERE = Path(__file__).parent
TIMEOUT = 600
"""Seconds for a test that says nothing else: a task takes several blocks, and there are others."""
START = 200
"""Seconds for a devnet to begin on a busy machine; the command itself waits for 180."""


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture(scope="session")
def devnet_folder(tmp_path_factory):
    """The devnet's folder; whatever runs from it is stopped in the end."""
    network = Network(tmp_path_factory.mktemp("devnet"))
    yield network
    network.stop()


@pytest.fixture
def network(devnet_folder) -> Network:
    """A devnet that runs, with four workers."""
    if not devnet_folder.runs:
        devnet_folder.ok("devnet", "up", "--detach", "--workers", "4", seconds=START)
    return devnet_folder


@pytest.fixture(scope="session")
def trades(devnet_folder, tmp_path_factory) -> Trades:
    """Sellers and buyers with the iExec SDK, on the devnet of the session."""
    if not devnet_folder.runs:
        devnet_folder.ok("devnet", "up", "--detach", "--workers", "4", seconds=START)
    return Trades.begin(devnet_folder, tmp_path_factory.mktemp("sdk"))


@pytest.fixture(scope="session")
def enclaves(tmp_path_factory):
    """A devnet that takes confidential tasks, *simulated*; a client takes it for Arbitrum Sepolia."""
    network = Network(tmp_path_factory.mktemp("enclaves"))
    words = ("devnet", "up", "--detach", "--workers", "2", "--tee", "simulated")
    network.ok(*words, "--like", "arbitrum-sepolia", seconds=START)
    yield network
    network.stop()


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory):
    """The folder of the devnet on which statuses are provoked; stopped in the end."""
    network = Network(tmp_path_factory.mktemp("lab"))
    yield network
    network.stop()


@pytest.fixture(scope="session")
def lab(lab_folder, tmp_path_factory) -> Lab:
    """A devnet of its own, for its chain time is moved and its limits are tight."""
    words = ("devnet", "up", "--detach", "--workers", str(len(WORKERS)))
    lab_folder.ok(*words, seconds=START, **SETTINGS)
    return make_lab(lab_folder, tmp_path_factory.mktemp("lab-app"))


@pytest.fixture(scope="session", autouse=True)
def no_disk_stays(tmp_path_factory):
    """Let go of the disks of tasks that were held when a network ended: nobody takes them up."""
    yield
    release(tmp_path_factory.getbasetemp())
