"""A devnet on which every status can be provoked: tight limits, an app with a gate, chain time.

What a real task needs is real here: contracts, containers, programs. What is arranged is when
things happen: the app waits at a gate in its input folder, blocks can be held back, processes can
be stopped, and wallets can be used behind their workers' backs.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from e2e_world import WEB, Network, wait_until
from reaching import saw

from poolhand.appimage.composing import PublishedImage
from poolhand.chain import connect
from poolhand.devnet.accounts import POOL_ACCOUNT, derive
from poolhand.devnet.demo import requester_settings
from poolhand.domain import multiaddr
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, Address, ResultDigest, TaskId
from poolhand.domain.onchain import (
    Call,
    Contribute,
    ContributeAndFinalize,
    CreateApp,
    CreateDataset,
)
from poolhand.domain.replicate.status import STATUSES, Status
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.requester.assets import deploy
from poolhand.requester.main import open_requester
from poolhand.requester.wish import Wish
from poolhand.store.memory import MemoryJournal

WORKERS: Final = tuple(f"worker-{number}" for number in range(1, 5))
PERIOD: Final = 300
"""Seconds of the category XS: 7, 2 and 10 of them are the deadlines."""
PULL, DOWNLOAD, SHORT = 5, 3, 5
"""Seconds for an image, for a file, and for an app of the category ``BRIEF``."""
BRIEF: Final = 5
"""A category that is made here."""
WRONG: Final = ResultDigest(bytes([7] * 32))
"""What nobody computed."""


@dataclass
class Lab:
    """A running devnet with the app of ``status_setup``."""

    network: Network
    image: PublishedImage
    app: Address = ZERO_ADDRESS

    # ------------------------------------------------------------------------------------- buying

    def buy(self, args: str = "", **terms: Any) -> str:
        """Buy one task of the app; returns its id."""
        return self.buy_all({"": Wish(terms.pop("app", self.app), args=args, **terms)})[""]

    def buy_all(self, wishes: Mapping[str, Wish]) -> dict[str, str]:
        """Buy one task for each wish, one after the other with one wallet."""
        return asyncio.run(self._buy(wishes))

    async def _buy(self, wishes: Mapping[str, Wish]) -> dict[str, str]:
        tasks = {}
        async with self._requester() as requester, requester.spending():
            for name, wish in wishes.items():
                bought = await requester.buy(wish)
                ((_, task_id),) = bought.deal.tasks()
                tasks[name] = str(task_id)
        return tasks

    def _requester(self):
        return open_requester(requester_settings(self.network.info, self.network.home))

    def register(self, *assets: CreateApp | CreateDataset) -> tuple[Address, ...]:
        """Register assets as they are: nobody checks that there is such an image or file."""

        async def all_of_them() -> tuple[Address, ...]:
            async with self._requester() as requester:
                return tuple([(await deploy(requester.wallet, each)).address for each in assets])

        return asyncio.run(all_of_them())

    def app_of(self, image: str, digest: str) -> CreateApp:
        """Describe an app of ours by image and digest."""
        owner = self.network.owners["requester"]
        return CreateApp(owner, "app", multiaddr.encode(image), bytes.fromhex(digest))

    def dataset_of(self, url: str, checksum: bytes) -> CreateDataset:
        """Describe a dataset of ours."""
        owner = self.network.owners["requester"]
        return CreateDataset(owner, "data", multiaddr.encode(url), checksum)

    # ------------------------------------------------------------------------------------ looking

    def task(self, task_id: str) -> dict[str, Any]:
        """What the pool says of a task; empty while it knows none. Taken as evidence."""
        answer = WEB.get(f"{self.network.info.pool_url}/v1/tasks/{task_id}")
        return dict(saw(answer.json())) if answer.is_success else {}

    def replicates(self, task_id: str) -> dict[str, dict[str, Any]]:
        """The replicates of a task by the names of their workers."""
        names = {str(address): name for name, address in self.network.owners.items()}
        return {names[each["worker"]]: each for each in self.task(task_id).get("replicates", ())}

    def until(self, task_id: str, status: Status, *workers: str, count: int = 1) -> tuple[str, ...]:
        """Wait until a status is in the history of these workers, or of so many; returns them."""

        def there() -> tuple[str, ...]:
            found = {
                name
                for name, each in self.replicates(task_id).items()
                if status in {entry["status"] for entry in each["history"]}
            }
            enough = found >= set(workers) and len(found) >= count
            return tuple(sorted(found)) if enough else ()

        return self._wait(task_id, there)

    def _wait(self, task_id: str, true: Callable[[], Any]) -> Any:
        """Wait as ``wait_until``; a failure tells where the replicates stand."""
        try:
            return wait_until(true)
        except AssertionError as fault:
            for name in self.replicates(task_id):
                fault.add_note(f"{name}: {' '.join(self.history(task_id, name))}")
            raise

    def entry(self, task_id: str, status: Status, worker: str = "") -> dict[str, Any]:
        """Wait for a status; returns its line of the first (or the named) worker's history."""
        (name, *_) = self.until(task_id, status, *filter(None, [worker]))
        history = self.replicates(task_id)[worker or name]["history"]
        return next(entry for entry in history if entry["status"] == status)

    def history(self, task_id: str, worker: str) -> list[str]:
        """The statuses of a replicate in order."""
        return [entry["status"] for entry in self.replicates(task_id)[worker]["history"]]

    def shown(self, task_id: str) -> dict[str, Any]:
        """What ``poolhand task show --json`` prints."""
        return dict(saw(self.network.ok("task", "show", task_id)))

    def found_on_page(self, worker: str, task_id: str, status: Status) -> dict[str, Any]:
        """Wait for a status on a worker's own page; returns its line there."""
        base = self.network.home / "workers" / worker

        def there() -> dict[str, Any]:
            done = self.network.cli("worker", "status", "--base", str(base), "--json")
            held = saw(done.json)["replicates"] if done.code == 0 else ()
            mine = (entry for x in held if x["task_id"] == task_id for entry in x["history"])
            return next((entry for entry in mine if entry["status"] == status), {})

        return wait_until(there)

    def logged(self, worker: str, task_id: str, status: Status) -> str:
        """The line in which a worker's log tells of a status; waits for it."""
        log = self.network.home / "logs" / f"{worker}.log"

        def line() -> str:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            found = [x for x in lines if "replicate_moved" in x and task_id in x]
            return next((x for x in found if f'"{status}"' in x or f"={status} " in x), "")

        return wait_until(line)

    # ------------------------------------------------------------------------------------ the gate

    def folder(self, task_id: str, worker: str) -> Path:
        """Where a worker keeps what belongs to a task."""
        return self.network.home / "workers" / worker / "tasks" / task_id

    def open_gate(self, task_id: str, *workers: str) -> None:
        """Let the app go on, on these workers or on all that hold the task."""
        for name in workers or WORKERS:
            folder = self.folder(task_id, name) / "input"
            if folder.is_dir():
                (folder / "open").touch()

    def finish(self, task_id: str) -> dict[str, Any]:
        """Let the app go on wherever it comes to run, until the task is completed."""

        def completed() -> dict[str, Any]:
            self.open_gate(task_id)
            told = self.task(task_id)
            return told if told.get("status") == "COMPLETED" else {}

        return self._wait(task_id, completed)

    # ----------------------------------------------------------------------------------- the chain

    def rpc(self, method: str, *params: Any) -> Any:
        """Make one call of the node."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = WEB.post(self.network.info.rpc_url, json=body).json()
        assert "error" not in answer, answer
        return answer["result"]

    def pass_time(self, seconds: int) -> None:
        """Let chain time go by; it stays ahead of ours from then on."""
        self.rpc("evm_increaseTime", seconds)
        self.rpc("evm_mine")

    def mine_at(self, moment: int) -> None:
        """Mine one block at a block time, with everything that waits."""
        self.rpc("evm_setNextBlockTimestamp", moment)
        self.rpc("evm_mine")

    def hold_blocks(self) -> None:
        """Mine no more until ``no_blocks`` is left."""
        self.rpc("evm_setIntervalMining", 0)

    @contextmanager
    def no_blocks(self) -> Iterator[None]:
        """Hold blocks back; transactions wait in the node's pool."""
        self.hold_blocks()
        try:
            yield
        finally:
            self.rpc("evm_setIntervalMining", 1)

    def claimed(self, tasks: Iterable[str], seconds: int) -> None:
        """Let so much time pass that tasks may be claimed, and wait until the pool has done it."""
        self.pass_time(seconds)
        for task_id in tasks:
            wait_until(lambda task_id=task_id: self.task(task_id)["chain_status"] == "FAILED")

    def refunded(self, before: Mapping[Address, int], tasks: int) -> None:
        """Check that so many claimed tasks of 1 RLC cost their pool its stake, and nobody else."""
        lost = tasks * scheduler_stake(NanoRlc(NANO_PER_RLC))
        pool, kitty = self.network.owners["pool"], ZERO_ADDRESS
        after = {**before, pool: before[pool] - lost, kitty: before[kitty] + lost}
        assert self.money() == after

    def waiting(self, name: str, about: str = "") -> int:
        """The number of transactions of an account that wait for a block.

        ``about`` is a task that they must name; empty: any.
        """
        pending = self.rpc("txpool_content")["pending"]
        mine = str(self.network.owners[name]).lower()
        sent = [
            each for owner in pending if owner.lower() == mine for each in pending[owner].values()
        ]
        return sum(about.removeprefix("0x") in each["input"] for each in sent)

    def until_waiting(self, name: str, count: int = 1, about: str = "") -> None:
        """Wait until so many transactions of an account wait for a block.

        Others may wait beside them: those of other accounts, and those that are not ``about`` a
        task. A failure tells what did.
        """
        try:
            wait_until(lambda: self.waiting(name, about) == count)
        except AssertionError as fault:
            fault.add_note(f"the node holds {self.rpc('txpool_content')}")
            raise

    def money(self) -> dict[Address, int]:
        """What each account has, the kitty last."""
        return asyncio.run(self.network.money())

    # ------------------------------------------------------------------------------------- wallets

    def stake(self, worker: str) -> int:
        """The free stake of a worker (nRLC)."""

        async def read() -> int:
            owner = self.network.owners[worker]
            async with self.network.chain() as chain:
                return (await chain.hub.accounts([owner]))[owner].stake

        return asyncio.run(read())

    def authorization(self, task_id: str, worker: str) -> bytes:
        """What the pool gives a worker with a task."""
        pool = Wallet.from_key(derive(POOL_ACCOUNT).key)
        return pool.sign_authorization(
            self.network.owners[worker], TaskId.parse(task_id), ZERO_ADDRESS
        )

    def contribution(self, task_id: str, worker: str, digest: ResultDigest) -> Contribute:
        """A contribution of a worker's, made by hand."""
        name, who = TaskId.parse(task_id), self.network.owners[worker]
        return Contribute(
            name,
            result_hash(name, digest),
            result_seal(who, name, digest),
            self.authorization(task_id, worker),
        )

    def settlement(self, task_id: str, worker: str, digest: ResultDigest) -> ContributeAndFinalize:
        """Both ends of a task in one, made by hand."""
        name = TaskId.parse(task_id)
        return ContributeAndFinalize(
            name, digest, b"by hand", b"", self.authorization(task_id, worker)
        )

    def send(self, worker: str, call: Call) -> None:
        """Send a transaction with a worker's key, behind its back."""
        asyncio.run(self.sending(worker, call))

    async def sending(self, worker: str, call: Call, multiplier: float = 1.3) -> None:
        """As ``send``; a higher multiplier of the gas price gets in front of others."""
        settings = requester_settings(self.network.info, self.network.home).chain
        async with connect(replace(settings, gas_price_multiplier=multiplier)) as chain:
            sender = chain.sender(Wallet.from_key(derive(worker).key), MemoryJournal())
            await sender.send("by hand", call)

    def ahead(self, worker: str, call: Call) -> None:
        """Send by hand and mine, with blocks held back: in front of all that waits, if anything."""
        asyncio.run(self._ahead(worker, call))

    async def _ahead(self, worker: str, call: Call) -> None:
        waiting = self.waiting(worker)
        sending = asyncio.create_task(self.sending(worker, call, multiplier=3.0))
        await asyncio.to_thread(self.until_waiting, worker, waiting + 1)
        await asyncio.to_thread(self.rpc, "evm_mine")
        await sending

    # ------------------------------------------------------------------------------------ processes

    @contextmanager
    def stopped(self, name: str) -> Iterator[None]:
        """Stop a program's process with SIGSTOP; it goes on at the end."""
        process = self.network.program(name)
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    @contextmanager
    def changed(self, name: str, **environment: str) -> Iterator[None]:
        """Run a program with other settings for a while."""
        usual = self.network.end(name, signal.SIGTERM)
        changed = {**usual.environment, **environment}
        self.network.start(name, replace(usual, environment=changed))
        try:
            yield
        finally:
            self.network.end(name, signal.SIGTERM)
            self.network.start(name, usual)


def is_explained(lab: Lab, task_id: str, status: Status, cause: str, worker: str = "") -> None:
    """Check that API, command line and log tell of a failure: cause, who acts, next step."""
    (name, *_) = lab.until(task_id, status, *filter(None, [worker]))
    name = worker or name
    row = STATUSES[status]
    entry = lab.entry(task_id, status, name)
    assert cause in entry["detail"], entry
    address = str(lab.network.owners[name])
    (shown,) = (x for x in lab.shown(task_id)["replicates"] if x["worker"] == address)
    assert cause in shown["cause"], shown
    assert (shown["acts"], shown["next_step"]) == (row.acts, row.next_step)
    logged = lab.logged(name, task_id, status)
    for told in (cause, row.acts, row.next_step):
        assert told in logged, logged
