"""Nine adversaries beside two honest workers, as real programs: nobody's task waits for them.

Three of each kind that is about who gets work. They are frozen while the undisturbed time is taken,
so that the pool has lost them, and then come back all at once.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from itertools import count

import pytest
from e2e_world import WEB, Network, wait_until

from poolhand.devnet.adversaries.kinds import TURN_SEEKERS, names_of

HONEST = ("worker-1", "worker-2")
ADVERSARIES = tuple(names_of(kind for kind in TURN_SEEKERS for _ in range(3)))
GRAIN = 3.0
"""Seconds: time is counted in blocks, of which a busy machine misses some; less than the shortest
time for which an adversary can hold a task up (5 s, until an offer not taken up goes to others)."""
LOG_BYTES = 1_000_000
"""Of all logs together, while the adversaries are there."""


class Crowd:
    """A devnet that sells only what its workers can do."""

    def __init__(self, network: Network) -> None:
        self.network, self.numbers = network, count(1)

    def up(self) -> None:
        kinds = (word for kind in TURN_SEEKERS for _ in range(3) for word in ("--adversary", kind))
        words = ("--detach", "--workers", str(len(HONEST)), *kinds)
        self.network.ok("devnet", "up", *words, seconds=300, POOLHAND_PREFLIGHT="true")

    @contextmanager
    def alone(self):
        """Keep the adversaries frozen, and out of the pool."""
        with ExitStack() as ice:
            for name in ADVERSARIES:
                process = self.network.program(name)
                process.suspend()
                ice.callback(process.resume)
            wait_until(lambda: self.connected() == 2)
            yield

    def connected(self) -> int:
        """How many workers the pool has; it has to answer within a second."""
        answer = WEB.get(f"{self.network.info.pool_url}/health", timeout=1)
        return answer.json()["workers"]

    def seconds(self) -> float:
        """Buy one trust-1 task and wait for it: from the purchase to its completion."""
        words = ("--args", f"--width 64 --height 64 --iterations 50 --seed {next(self.numbers)}")
        image = self.network.image("fractal")
        bought = self.network.ok("run", image, *words, "--no-wait")
        (task_id,) = bought["task_ids"]
        told = wait_until(lambda: self.completed(task_id))
        moments = [each["at"] for each in told["history"]]
        return moments[-1] - moments[0]

    def completed(self, task_id: str):
        answer = WEB.get(f"{self.network.info.pool_url}/v1/tasks/{task_id}", timeout=10)
        told = answer.json()
        return told if answer.is_success and told["status"] == "COMPLETED" else None

    def logged(self) -> int:
        return sum(log.stat().st_size for log in (self.network.home / "logs").iterdir())


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    made = Crowd(Network(tmp_path_factory.mktemp("crowd")))
    try:
        made.up()
        yield made
    finally:
        made.network.stop()


@pytest.mark.case("A2", "A3")
@pytest.mark.timeout(600)
def test_nine_adversaries_hold_up_nobody_and_make_nobody_sell_what_cannot_be_done(crowd):
    with crowd.alone():
        usual = [crowd.seconds() for _ in range(4)]
    wait_until(lambda: crowd.connected() == len(HONEST) + len(ADVERSARIES))
    before, begun = crowd.logged(), time.monotonic()
    disturbed = [crowd.seconds() for _ in range(4)]
    assert max(disturbed) <= 1.5 * max(usual) + GRAIN, (usual, disturbed)
    assert crowd.logged() - before < LOG_BYTES * max(1, (time.monotonic() - begun) / 60)
    image = crowd.network.image("fractal")
    refused = crowd.network.cli("run", image, "--tag", "gpu", "--no-wait", "--json")
    assert refused.code == 2
    assert "ask without the tag gpu" in refused.error["message"]
