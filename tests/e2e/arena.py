"""Three honest workers on a devnet of their own, one adversary at a time, and everybody's money."""

from __future__ import annotations

import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from e2e_world import WEB, Network, Program, wait_until
from reaching import saw

from poolhand.devnet.adversaries.kinds import TURN_SEEKERS, Kind, names_of
from poolhand.devnet.adversaries.rubbish import Rubbish
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.status import FINAL, Status
from poolhand.domain.reward import finalize_shares
from poolhand.domain.trust import Weight

HONEST = ("worker-1", "worker-2", "worker-3")
KINDS_HERE = tuple(kind for kind in Kind if kind not in TURN_SEEKERS)
ADVERSARIES = names_of(KINDS_HERE)
NAMES = {kind: name for name, kind in ADVERSARIES.items()}
SLOTS = len(Rubbish)
"""Of every worker, also before it has settled anything."""
SETTINGS = {
    "IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT": str(SLOTS),
    "POOLHAND_NEWCOMER_SLOTS": str(SLOTS),
    "POOLHAND_TRIAL_SECONDS": "600",
}
"""These tests are about what an adversary does with work that it has, not about who gets it."""
SMALL = "--width 8 --height 8 --iterations 10 --seed"


@dataclass
class Arena:
    """Three honest workers, and one adversary at a time."""

    network: Network
    flooder: Program | None = None
    bought: int = 0

    # ------------------------------------------------------------------------------- who is there

    def up(self) -> None:
        """Start everybody, and let nothing be given to adversaries for now."""
        kinds = (word for kind in KINDS_HERE for word in ("--adversary", kind))
        words = ("--detach", "--restart", "--workers", str(len(HONEST)), *kinds)
        self.network.ok("devnet", "up", *words, seconds=200, **SETTINGS)
        self.flooder = self.network.end(NAMES[Kind.FLOODS], signal.SIGTERM)
        for name, kind in ADVERSARIES.items():
            if kind is not Kind.FLOODS:
                self.order(name, "pause")
        self.wait_for_the_flood_to_ebb()

    def wait_for_the_flood_to_ebb(self) -> None:
        flooder = self.address(NAMES[Kind.FLOODS])
        wait_until(lambda: flooder not in self.connected())

    @contextmanager
    def adversary(self, kind: Kind):
        """Let one adversary take tasks meanwhile."""
        name = NAMES[kind]
        self.order(name, "resume")
        try:
            yield name
        finally:
            self.order(name, "pause")

    @contextmanager
    def flood(self):
        """Let the flooder run meanwhile, which heeds no pause."""
        name = NAMES[Kind.FLOODS]
        self.network.start(name, self.flooder)
        try:
            yield name
        finally:
            self.network.end(name, signal.SIGTERM)
            self.wait_for_the_flood_to_ebb()

    def order(self, name: str, verb: str) -> None:
        """Pause or resume a worker, as its operator does, and wait until the pool knows."""
        self.network.ok("worker", verb, "--base", str(self.network.home / "workers" / name))
        owner = self.address(name)
        wait_until(lambda: self.connected()[owner]["paused"] is (verb == "pause"))

    def address(self, name: str) -> str:
        return str(self.network.owners[name])

    def connected(self) -> dict[str, dict]:
        """The workers that the pool has, by address."""
        told = WEB.get(f"{self.network.info.pool_url}/v1/workers").json()
        return {each["worker"]: each for each in told}

    @contextmanager
    def frozen(self, *names: str):
        """Stop programs in their tracks meanwhile."""
        processes = [self.network.program(name) for name in names]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    # -------------------------------------------------------------------------------------- tasks

    def buy(self, trust: int, *more: str) -> list[str]:
        """Buy a computation that nobody has bought before; returns its tasks."""
        self.bought += 1
        words = ("--trust", str(trust), "--args", f"{SMALL} {self.bought}", "--no-wait", *more)
        bought = self.network.ok("run", self.network.image("fractal"), *words)
        return bought["task_ids"]

    def buy_from(self, name: str, trust: int) -> list[str]:
        """Buy a computation that one adversary is given before the honest are."""
        with ThreadPoolExecutor() as stages:
            list(stages.map(lambda each: self.order(each, "pause"), HONEST))
            try:
                task_ids = self.buy(trust)
                for task_id in task_ids:
                    wait_until(lambda each=task_id: self.history(each, name))
            finally:
                list(stages.map(lambda each: self.order(each, "resume"), HONEST))
        return task_ids

    def told(self, task_id: str) -> dict:
        """What the pool says of a task; taken as evidence."""
        answer = WEB.get(f"{self.network.info.pool_url}/v1/tasks/{task_id}")
        return dict(saw(answer.json())) if answer.is_success else {}

    def history(self, task_id: str, name: str) -> list[str]:
        """The statuses of a worker's replicate, as the pool has them; empty without one."""
        owner = str(self.network.owners[name])
        for each in self.told(task_id).get("replicates", ()):
            if each["worker"] == owner:
                return [entry["status"] for entry in each["history"]]
        return []

    def last(self, task_id: str, name: str) -> str:
        return (self.history(task_id, name) or [""])[-1]

    def detail(self, task_id: str, name: str, status: Status) -> str:
        """Why a worker's replicate entered a status the first time."""
        owner = str(self.network.owners[name])
        (each,) = (r for r in self.told(task_id)["replicates"] if r["worker"] == owner)
        return next(e["detail"] for e in each["history"] if e["status"] == status)

    def completed(self, task_id: str) -> dict[str, str]:
        """Wait for a task and for the end of all its replicates; returns these, by worker."""
        watched = self.network.ok("task", "watch", task_id)
        assert watched["status"] == "COMPLETED"
        names = {str(address): name for name, address in self.network.owners.items()}
        wait_until(lambda: all(r["status"] in FINAL for r in self.told(task_id)["replicates"]))
        shown = self.network.ok("task", "show", task_id)
        return {names[each["worker"]]: each["status"] for each in shown["replicates"]}

    async def view(self, task_id: str):
        async with self.network.chain() as chain:
            name = TaskId.parse(task_id)
            return (await chain.hub.tasks({name: self.network.owners.values()}))[name]

    # --------------------------------------------------------------------------------- time, money

    def rpc(self, method: str, *params):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = WEB.post(self.network.info.rpc_url, json=body).json()
        assert "error" not in answer, answer
        return answer["result"]

    def pass_to(self, moment: int) -> None:
        """Let the chain's time go on to a moment, at least."""
        now = int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.rpc("evm_increaseTime", max(moment - now, 1))
        self.rpc("evm_mine")

    def pass_blocks(self, count: int) -> None:
        """Wait until the chain has gone on by itself."""
        last = int(self.rpc("eth_blockNumber"), 16) + count
        wait_until(lambda: int(self.rpc("eth_blockNumber"), 16) >= last)

    async def pass_reveal_deadline(self, task_id: str) -> None:
        view = await self.view(task_id)
        assert view.status is ChainTaskStatus.REVEALING
        self.pass_to(view.reveal_deadline)


class Ledger:
    """What everybody had before; no nRLC may come or go."""

    def __init__(self, arena: Arena, before: dict[Address, int]) -> None:
        self.arena, self.before = arena, before

    @classmethod
    async def open(cls, arena: Arena) -> Ledger:
        return cls(arena, await arena.network.money())

    async def changes(self) -> dict[Address, int]:
        """What everybody has more or less than before (nRLC)."""
        after = await self.arena.network.money()
        assert sum(after.values()) == sum(self.before.values())
        return {who: after[who] - self.before[who] for who in after}

    async def check(self, *task_ids: str) -> tuple[dict[str, int], int]:
        """Check that completed tasks of one deal paid what the rules say, to the nRLC.

        Returns:
            Changes by name, and the stake that the deal locked per worker.
        """
        owed = Counter(dict.fromkeys(self.before, 0))
        async with self.arena.network.chain() as chain:
            for task_id in task_ids:
                view = await self.arena.view(task_id)
                deal = await chain.hub.deal(DealId.parse(deal_of(self.arena, task_id)))
                assert view.status is ChainTaskStatus.COMPLETED
                proved = {
                    worker: Weight(max(1 << each.log_weight, 2))
                    for worker, each in view.contributions.items()
                    if each.status is ContributionStatus.PROVED
                }
                losers = set(view.contributors) - set(proved)
                kitty = self.before[ZERO_ADDRESS] + owed[ZERO_ADDRESS]
                shares = finalize_shares(
                    deal.workerpool.price,
                    deal.worker_stake,
                    deal.scheduler_percent,
                    proved,
                    len(losers),
                    kitty,
                )
                owed.update(shares.workers)
                owed.update(dict.fromkeys(losers, -deal.worker_stake))
                owed[deal.workerpool.owner] += shares.scheduler
                owed[ZERO_ADDRESS] -= shares.kitty
                owed[deal.requester] -= deal.price
        changes = await self.changes()
        assert changes == dict(owed)
        names = self.arena.network.owners.items()
        return {name: changes[who] for name, who in names}, deal.worker_stake


def deal_of(arena: Arena, task_id: str) -> str:
    return arena.network.ok("task", "show", task_id)["deal_id"]
