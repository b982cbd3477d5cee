"""What attackers do to the services does not keep honest work from its end (A4, A7)."""

from __future__ import annotations

import time
from statistics import median

import pytest
from attackers import attack
from e2e_world import WEB

GRAIN = 3.0
"""Seconds: blocks come every one or two, and a task takes several of them."""
MOST_LOG = 1_000_000


def seconds(network) -> float:
    began = time.monotonic()
    words = ("run", network.image("fractal"), "--args", "--width 8 --height 8 --iterations 10")
    bought = network.ok(*words)
    assert [each["status"] for each in bought["tasks"]] == ["COMPLETED"]
    return time.monotonic() - began


def health(url: str) -> float:
    """Return how long the answer took, asked on a connection of its own."""
    began = time.monotonic()
    assert WEB.get(f"{url}/health", timeout=10).status_code == 200
    return time.monotonic() - began


def logged(network) -> int:
    return sum(each.stat().st_size for each in network.home.rglob("*.log"))


@pytest.mark.case("A4", "A7")
@pytest.mark.timeout(600)
def test_tasks_end_in_time_and_health_answers_while_services_are_attacked(network):
    info = network.info
    usual = median(seconds(network) for _ in range(2))
    before = logged(network)
    with attack(info.pool_url, info.results_url):
        attacked = seconds(network)
        asked = [health(url) for url in (info.pool_url, info.results_url) for _ in range(5)]
    assert attacked < 1.5 * usual + GRAIN
    assert max(asked) < 1
    assert logged(network) - before < MOST_LOG
