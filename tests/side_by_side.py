"""Lets tests run side by side (pytest-xdist): what shares a devnet stays together.

Tests mostly wait for blocks, so that several devnets fit on two cores. Files that share a network
of the session are one group, every other file is one; the groups that take longest begin first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

NETWORK: Final = frozenset(
    {
        "as_printed",
        "bad_input",
        "bag",
        "demo",
        "fleet",
        "follow",
        "gpu",
        "hosts",
        "joined_worker",
        "owner_page",
        "resume",
        "standby",
        "under_attack",
        "upgrade",
    }
)
"""Files of ``tests/e2e`` that share the network of ``devnet_folder``."""
MARKET: Final = frozenset(
    {
        "client",
        "example_programs",
        "functions_bought",
        "image_without_dockerfile",
        "sdk_buying",
        "sdk_limits",
        "sdk_market",
        "sdk_results",
        "sdk_secrets",
        "trade",
    }
)
"""Files of ``tests/e2e`` that trade, on another network of ``devnet_folder``: one is too long."""
ENCLAVES: Final = frozenset(
    {"confidential", "confidential_page", "sdk_confidential", "sdk_packages"}
)
"""Files of ``tests/e2e`` that share the network of ``enclaves``."""
LAB: Final = "status_"
"""How those begin that share ``lab_folder``."""
CLUSTER: Final = "slurm"
"""In the names of those of ``tests/containers`` that share a cluster."""
FIXTURES: Final = {
    "devnet_folder": ("network", "market"),
    "lab_folder": ("lab",),
    "enclaves": ("enclaves",),
}
"""The groups of whoever asks for a network of the session."""
LONGEST: Final = (
    "market",
    "network",
    "test_world_faults",
    "lab",
    "test_adversaries",
    "enclaves",
    "test_chaos",
    "test_nine_adversaries",
    "slurm",
    "test_runtime_suite",
    "test_docker_runtime",
    "test_docker_disks",
)
"""Groups by what they take, longest first; all others follow as they are collected."""


def group_of(nodeid: str) -> str:
    """Return what a test must run with, in one process.

    >>> group_of("tests/e2e/test_status_app.py::test_it[1]")
    'lab'
    >>> group_of("tests/e2e/test_chaos.py::test_it")
    'test_chaos'
    >>> group_of("tests/containers/test_runtime_suite.py::test_it[slurm]")
    'slurm'
    >>> group_of("tests/domain/test_units.py::test_it")
    'tests/domain/test_units'
    """
    path = PurePosixPath(nodeid.split("::", 1)[0])
    name = path.stem.removeprefix("test_")
    if path.parent.name == "e2e" and name in NETWORK:
        return "network"
    if path.parent.name == "e2e" and name in MARKET:
        return "market"
    if path.parent.name == "e2e" and name in ENCLAVES:
        return "enclaves"
    if path.parent.name == "e2e" and name.startswith(LAB):
        return "lab"
    if path.parent.name == "containers" and (name.startswith(CLUSTER) or CLUSTER in nodeid):
        return CLUSTER
    return path.stem if path.stem in LONGEST else str(path.with_suffix(""))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the long groups begin, where tests run side by side; refuse a network in two groups."""
    for item in items:
        for fixture, groups in FIXTURES.items():
            asks = fixture in getattr(item, "fixturenames", ())
            if asks and group_of(item.nodeid) not in groups:
                raise pytest.UsageError(
                    f"{item.nodeid} asks for {fixture}, which only {' and '.join(groups)} share: "
                    "name its file in tests/side_by_side.py"
                )
    if hasattr(config, "workerinput"):
        items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    group = group_of(item.nodeid)
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)


def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than there are processors, for most wait for a block; an engine bears six."""
    return min((os.cpu_count() or 1) + 2, 6)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand whole groups to the processes, in the order in which they were collected."""
    config.option.loadscopereorder = False
    return ByGroup(config, log)


class ByGroup(LoadScopeScheduling):
    """The scheduler by scope of pytest-xdist, where a scope is a group of ours."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Escape halves of characters in what a test printed: they cannot be sent between processes."""
    report = yield
    report.sections = [(name, _sendable(text)) for name, text in report.sections]
    return report


def _sendable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
