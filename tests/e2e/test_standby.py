"""A pool of two processes over one PostgreSQL: the leader is killed, or frozen, in mid task.

Real contracts, real workers, real containers; each process has locks of its own, as on two machines,
and a balancer that asks ``/ready`` stands where the pool is known to be.
"""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import httpx
import psutil
import psycopg
import pytest
from balancer import Balancer
from e2e_world import SECONDS, WEB, wait_until
from test_resume import _buy, _computing, long

from poolhand.devnet.ports import free_port
from poolhand.devnet.rpc import NodeRpc
from postgres_fixtures import postgres, postgres_server

__all__ = ["long", "postgres", "postgres_server"]

pytestmark = pytest.mark.postgres


class Rivals:
    """Two processes of the devnet's pool; the first one leads."""

    def __init__(self, network, database) -> None:
        self.network, self.url = network, network.info.pool_url
        self.before = network.end("pool", signal.SIGTERM)
        self.urls, self.programs = {}, {}
        for name in ("pool-a", "pool-b"):
            port = free_port(0)
            own = {
                "POOLHAND_DATABASE": database,
                "POOLHAND_PUBLIC_URL": self.url,
                "POOLHAND_LOCKS": str(network.home / f"locks-{name}"),
                "IEXEC_CORE_PORT": str(port),
            }
            program = replace(self.before, environment={**self.before.environment, **own})
            self.urls[name], self.programs[name] = f"http://127.0.0.1:{port}", program
            self.launch(name)
            wait_until(lambda name=name: self.role(name))
        assert [self.role(name) for name in self.urls] == ["leader", "standby"]
        self.balancer = Balancer(self.url, list(self.urls.values()))

    def launch(self, name: str) -> None:
        self.network.launch(name, self.programs[name])

    def role(self, name: str) -> str:
        """What a process says it is; empty where it does not answer."""
        try:
            return WEB.get(f"{self.urls[name]}/health", timeout=2).json()["role"]
        except (httpx.HTTPError, KeyError):
            return ""

    def process(self, name: str):
        return self.network.started[name]

    def is_ready(self, name: str) -> bool:
        try:
            return WEB.get(f"{self.urls[name]}/ready", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def computing(self, task_id: str) -> str | None:
        """The worker that computes a task, as whoever leads says; None where nobody answers."""
        try:
            return _computing(self.network, task_id)
        except httpx.HTTPError:
            return None

    def stop(self) -> None:
        self.balancer.stop()
        for name in self.urls:
            if process := self.network.started.pop(name, None):
                process.send_signal(signal.SIGCONT)  # nothing where it has ended by itself
                process.terminate()  # its orders, signed in a database of its own, go with it
                process.wait(SECONDS)
                process.stdout.close()
        self.network.start("pool", self.before)

    def workers(self) -> int:
        """How many are connected, as whoever answers at the pool's address says."""
        try:
            return len(WEB.get(f"{self.url}/v1/workers").json())
        except httpx.HTTPError:
            return 0


@pytest.fixture
def rivals(network, postgres):
    made = Rivals(network, postgres)
    try:
        wait_until(lambda: made.workers() == 4)
        yield made
    finally:
        made.stop()


async def sent_by_owner(network) -> Counter:
    """What the pool's owner has on chain: each call, and whether it was refused."""
    owner = str(network.owners["pool"]).lower()
    async with NodeRpc(network.info.rpc_url) as rpc:
        newest, found = int(await rpc.call("eth_blockNumber"), 16), Counter()
        for number in range(newest + 1):
            block = await rpc.call("eth_getBlockByNumber", hex(number), True)
            for each in block["transactions"]:
                if each["from"].lower() == owner:
                    receipt = await rpc.call("eth_getTransactionReceipt", each["hash"])
                    found[each["input"], receipt["status"]] += 1
    return found


async def nothing_was_sent_twice(network, before) -> None:
    new = await sent_by_owner(network) - before
    assert new
    assert max(new.values()) == 1
    assert {status for _, status in new} == {"0x1"}


@pytest.mark.parametrize("trust", ["1", "10"])
async def test_a_leader_killed_in_mid_task_is_followed_by_the_other(rivals, network, long, trust):
    money, before = await network.money(), await sent_by_owner(network)
    task_id = _buy(network, long, "--args", f"killed {trust}", "--trust", trust)
    wait_until(lambda: rivals.computing(task_id))
    network.end("pool-a")
    watched = network.ok("task", "watch", task_id)
    assert watched["status"] == "COMPLETED"
    wait_until(lambda: rivals.role("pool-b") == "leader")  # a worker alone may have been quicker
    assert sum((await network.money()).values()) == sum(money.values())
    await nothing_was_sent_twice(network, before)


STEPS = {
    "it is counted in": "SELECT * FROM leader FOR UPDATE",
    "it reads the journal": "LOCK TABLE journal IN ACCESS EXCLUSIVE MODE",
    "it catches up with the chain": None,
    "it writes its first event": "LOCK TABLE journal IN SHARE MODE",
    "it has led for a moment": "",
}
"""What holds a successor up before a step: a lock that it waits for, the chain's silence, nothing."""
IN_ITS_WAY = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND application_name IN ('poolhand leads', 'poolhand takes the lead')"
)


def node_of(network) -> psutil.Process:
    """The process of the devnet's chain."""
    devnet = psutil.Process(int((network.home / "devnet.pid").read_text()))
    (node,) = (each for each in devnet.children() if each.name() == "anvil")
    return node


@contextmanager
def held_up(rivals, database: str, name: str, step: str):
    """Keep whoever takes the lead from a step of its recovery; yields once it has come so far."""
    lock, node = STEPS[step], node_of(rivals.network)
    with psycopg.connect(database) as holder, psycopg.connect(database, autocommit=True) as looker:
        if lock is None:
            node.suspend()
        elif lock:
            holder.execute(lock)
        waits = " AND wait_event_type = 'Lock'" if lock else ""

        def is_there() -> bool:
            if lock == "":
                return rivals.role(name) == "leader"
            return bool(looker.execute(IN_ITS_WAY + waits).fetchone()[0])

        try:
            wait_until(is_there)
            yield
        finally:
            node.resume()
            holder.rollback()


@pytest.mark.timeout(600)
async def test_successors_killed_at_every_step_of_their_recovery_lose_nothing(
    rivals, network, postgres, long
):
    money, before = await network.money(), await sent_by_owner(network)
    task_id = _buy(network, long, "--args", "succession", "--trust", "10")
    wait_until(lambda: rivals.computing(task_id))
    network.end("pool-a")
    dead, next_one = rivals.urls
    for step in STEPS:
        with held_up(rivals, postgres, next_one, step):
            network.end(next_one)
        rivals.launch(dead)
        wait_until(lambda name=dead: rivals.role(name))
        dead, next_one = next_one, dead
    watched = network.ok("task", "watch", task_id)
    assert watched["status"] == "COMPLETED"
    wait_until(lambda: rivals.role(next_one) == "leader")
    assert sum((await network.money()).values()) == sum(money.values())
    await nothing_was_sent_twice(network, before)


def on_sale(network) -> set[str]:
    """The orders that whoever leads has for sale; it knows each that the market shows."""
    done = network.cli("pool", "orders", "--json")
    told = done.json if done.code == 0 else {"orders": ()}
    return {each["order_hash"] for each in told["orders"] if each["for_sale"]}


async def test_a_frozen_leader_that_wakes_writes_and_sends_nothing(rivals, network, long):
    signed = wait_until(lambda: on_sale(network))
    before = await sent_by_owner(network)
    task_id = _buy(network, long, "--args", "frozen", "--trust", "10")
    wait_until(lambda: rivals.computing(task_id))
    frozen = rivals.process("pool-a")
    frozen.send_signal(signal.SIGSTOP)
    wait_until(lambda: rivals.is_ready("pool-b"))
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(30) == 4, "it ends by itself, and says that it no longer leads"
    assert (
        "no longer leads"
        in frozen.stdout.read() + (network.home / "logs" / "pool-a.log").read_text()
    )
    watched = network.ok("task", "watch", task_id, seconds=200)
    assert watched["status"] == "COMPLETED"
    await nothing_was_sent_twice(network, before)
    wait_until(lambda: signed <= on_sale(network))  # the successor sells by the same orders
