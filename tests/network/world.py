"""A whole network in one process, deterministic: a fake chain, a pool, workers, results."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from network.inline import InlineExecutor
from network.links import Exchange
from network.programs import Node, Pool
from network.witness import Witness
from poolhand.chain.fake import FakeChain
from poolhand.chain.fake.assets import predict
from poolhand.containers.noop import ended, folder_of
from poolhand.domain.deal import Deal
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.onchain import (
    ChainTaskStatus,
    Claim,
    CreateApp,
    CreateWorkerpool,
    Initialize,
)
from poolhand.domain.orders.model import (
    NO_DATASET_ORDER,
    AppOrder,
    MatchOrders,
    RequestOrder,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.replicate.status import FINAL
from poolhand.domain.reward import KITTY
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.task.machine import is_settled
from poolhand.domain.trust import Trust
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.transport.clock import ManualClock
from poolhand.transport.fake import MemoryResults
from poolhand.transport.session_hub import STOOD_STILL_AFTER

RLC = NANO_PER_RLC
IMAGE = "registry.test/words:1"
GAS_MONEY, T = 200, 300
PRICE, APP_PRICE = 100 * RLC, 3 * RLC
PARAMS = '{"iexec_args":"hello"}'
LISTENED = 3 * (STOOD_STILL_AFTER - 1)
"""Seconds after which a pool that stood still is sure again that who said nothing was silent."""
TURNS = 4
"""Of the loop, in which whoever was woken goes to sleep again."""


def writes(text: str):
    """Return an app that writes a text."""

    def app(spec):
        out = folder_of(spec, "/iexec_out")
        (out / "result.txt").write_text(text)
        (out / "computed.json").write_text('{"deterministic-output-path": "/iexec_out/result.txt"}')
        return ended(stdout=text.encode())

    return app


def fails(spec):
    """An app that ends with exit code 1."""
    return ended(1, stderr=b"no luck")


@dataclass
class Stranger:
    """Somebody who is no worker of this network."""

    is_honest: bool = False


STRANGER = Stranger()


class SimulatedNetwork:
    """Wire it, make deals, let time pass, look at what became of it.

    Args:
        folder: Of the workers' files.
        workers: Honest workers.
        slots: Of each.
        quick: Whether trust-1 tasks are settled at once.
        stake: Free stake of each worker (nRLC).
        gas_price: Of the chain (wei); each worker has coin for ``GAS_MONEY`` transactions.
    """

    image, kitty, price_of_a_task = IMAGE, KITTY, PRICE + APP_PRICE

    def __init__(self, folder: Path, workers: int = 1, *, slots: int = 1, quick: bool = True,
                 stake: int = 10_000 * RLC, gas_price: int = 0) -> None:  # fmt: skip
        asyncio.get_running_loop().set_default_executor(InlineExecutor())
        self.chain = FakeChain(automine=False, gas_price=gas_price)
        self.clock = ManualClock(self.chain.head.timestamp)
        self.results = MemoryResults(self.chain.hub)
        self.exchange = Exchange(self)
        self._folder, self._keys, self._salts, self._slots = folder, count(1), count(1), slots
        self._stake = stake
        self.requester, self.owner = self._wallet(), self._wallet()
        for wallet in (self.requester, self.owner):
            self.chain.fund(wallet.address, stake=100_000 * RLC, coin=10**30)
        self.workerpool = self._create(CreateWorkerpool(self.owner.address, "pool"))
        self.app = self._create(
            CreateApp(self.owner.address, "words", IMAGE.encode(), bytes([7] * 32))
        )
        self.chain.mine()
        self.chain.after_send = self._sent
        self.deals: list[Deal] = []
        self.bought = []
        self.total, self.witness, self.stakes_at_start = 0, Witness(self), {}
        self.contained, self.planted = [], ()
        self.nodes: list[Node] = []
        self.pool = Pool(self, self.owner, self.workerpool, quick=quick)
        for _ in range(workers):
            self.add()

    def _wallet(self) -> Wallet:
        number = next(self._keys)
        few = bytes([number % 250] * 32)
        return Wallet.from_key(few if number < 250 else number.to_bytes(32, "big"))

    @property
    def gas_money(self) -> int:
        """What a new worker has of the coin (wei)."""
        return GAS_MONEY * self.chain.gas_price * 300_000

    def _create(self, asset) -> Address:
        self.chain.submit(self.owner.address, asset)
        return predict(asset)

    def add(self, app=None, *, slots: int | None = None) -> Node:
        """Add a worker; by default an honest one."""
        wallet = self._wallet()
        self.chain.fund(wallet.address, stake=self._stake, coin=self.gas_money)
        folder = self._folder / f"worker{len(self.nodes)}"
        node = Node(self, wallet, app or writes("the right result"), folder,
                    slots=slots or self._slots)  # fmt: skip
        node.is_honest = app is None
        self.nodes.append(node)
        return node

    def _sent(self, address, purpose, call) -> None:
        """Let a program die between broadcast and receipt."""
        self.witness.sends(address, call)
        for program in (self.pool, *self.nodes):
            if program.wallet.address == address:
                program.fuse.point(f"broadcast {type(call).__name__}")

    # ------------------------------------------------------------------------------------ time

    async def start(self) -> None:
        """Start everybody; from here on no money may come or go."""
        self.total = self.chain.total_nrlc()
        everybody = (self.requester, self.owner, *self.nodes)
        self.stakes_at_start = {each.address: self.stake(each) for each in everybody}
        for program in (self.pool, *self.nodes):
            program.start()
        await self.settle()

    async def stop(self) -> None:
        """End everybody, in peace."""
        for program in (*self.nodes, self.pool):
            if program.task is not None:
                await program.kill()
        for node in self.nodes:
            await node.runtime.close()

    async def settle(self) -> None:
        """Let everybody do what can be done before time passes."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        while loop._ready:  # noqa: ASYNC110 - nothing here waits for sockets or threads
            await asyncio.sleep(0)
        for program in (self.pool, *self.nodes):
            if program.task is not None and program.task.done():
                await program.bury()
                await self.settle()

    async def step(self, seconds: int = 1) -> None:
        """Mine a block; the requester sends again what was lost of its own."""
        await self.let_pass(seconds)
        for sent in self.bought:
            self.chain.rebroadcast(sent)
        self.chain.mine(seconds)
        await self.settle()
        self.witness.looks()

    async def let_pass(self, seconds: int) -> None:
        """Let time pass for a pool that is not held up: towards the end a moment at a time."""
        if seconds < STOOD_STILL_AFTER:
            self.clock.advance(seconds)
            return
        long, moments = max(0, seconds - LISTENED), min(seconds, LISTENED)
        for moment in (
            long,
            *([STOOD_STILL_AFTER - 1] * (moments // (STOOD_STILL_AFTER - 1))),
            moments % (STOOD_STILL_AFTER - 1),
        ):
            if moment:
                self.clock.advance(moment)
                for _ in range(TURNS):
                    await asyncio.sleep(0)

    def reorg(self, depth: int, **how) -> None:
        """Re-organise the chain."""
        self.chain.reorg(depth, **how)
        self.witness.shaken()

    async def until(self, met, steps: int = 60, seconds: int = 1) -> None:
        """Let blocks pass until a condition holds; AssertionError when it does not."""
        for _ in range(steps):
            if met():
                return
            await self.step(seconds)
        assert met(), self.story()

    async def pass_to(self, moment: int) -> None:
        """Mine a block at a block time."""
        await self.step(moment - self.chain.head.timestamp)

    async def done(self, steps: int = 60, seconds: int = 1) -> None:
        """Let blocks pass until every task is settled for the pool and for every worker."""
        await self.until(self.is_done, steps, seconds)

    def is_done(self) -> bool:
        known = self.pool.tasks_known().values()
        names = [name for deal in self.deals for _, name in deal.tasks()]
        return (
            all(self.chain.state.view(name).status >= ChainTaskStatus.COMPLETED for name in names)
            and all(map(is_settled, known))
            and not any(node.member.shell.replicates for node in self.nodes if node.is_up)
            and not any(program.is_starting for program in (self.pool, *self.nodes))
        )

    def refund(self) -> None:
        """Let the requester claim what its pool heard of too late, as the command line does."""
        known, now = self.pool.tasks_known(), self.chain.head.timestamp
        for deal in self.deals:
            for index, name in deal.tasks() if now >= deal.start_time + 11 * T else ():
                if name in known or self.view(name).status >= ChainTaskStatus.COMPLETED:
                    continue
                if self.view(name).status is ChainTaskStatus.UNSET:
                    self.chain.submit(self.requester.address, Initialize(((deal.deal_id, index),)))
                self.chain.submit(self.requester.address, Claim((name,)))

    # ----------------------------------------------------------------------------------- deals

    async def deal(
        self,
        *,
        trust: int = 1,
        tasks: int = 1,
        settle: bool = True,
        params: str = PARAMS,
        tag: Tag = NO_TAG,
    ) -> Deal:
        """Match orders and mine them; the deal is on chain and told of."""
        orders = self.orders(trust, tasks, tag, params)
        self.bought.append(self.chain.submit(self.requester.address, orders))
        self.clock.advance(1)
        self.chain.mine()
        deal_id = self.chain.outcome(self.bought[-1]).receipt.deals[0]
        self.deals.append(self.chain.state.deals[deal_id])
        if settle:
            await self.settle()
        self.witness.looks()
        return self.deals[-1]

    def orders(self, trust: int, tasks: int, tag=NO_TAG, params: str = PARAMS) -> MatchOrders:
        z, salt = ZERO_ADDRESS, Salt(next(self._salts).to_bytes(32, "big"))
        requester, owner, domain = self.requester, self.owner, self.chain.domain
        of_app = tag if tag.needs_tee else NO_TAG
        app = AppOrder(self.app, NanoRlc(APP_PRICE), tasks, of_app, z, z, z, salt)
        pool = WorkerpoolOrder(
            self.workerpool, NanoRlc(PRICE), tasks, tag, 0, Trust(trust), z, z, z, salt
        )
        request = RequestOrder(
            self.app,
            NanoRlc(APP_PRICE),
            z,
            NanoRlc(0),
            self.workerpool,
            NanoRlc(PRICE),
            requester.address,
            tasks,
            tag,
            0,
            Trust(trust),
            requester.address,
            z,
            params,
            salt,
        )
        return MatchOrders(
            app=Signed(app, owner.sign_order(domain, app)),
            dataset=Signed(NO_DATASET_ORDER, b""),
            workerpool=Signed(pool, owner.sign_order(domain, pool)),
            request=Signed(request, requester.sign_order(domain, request)),
        )

    # ----------------------------------------------------------------------------------- looking

    def view_block(self, task_id, kind):
        """Return the block of the first call of a kind to a task."""
        return min(
            mined.receipt.block
            for mined in self.chain.mined()
            if type(mined.sent.call) is kind and mined.sent.call.task_id == task_id
        )

    def task_ids(self):
        """Return every task of every deal."""
        return [name for deal in self.deals for _, name in deal.tasks()]

    def node(self, address):
        """Return the worker with an address; one that a test plays by hand counts as dishonest."""
        return next((node for node in self.nodes if node.address == address), STRANGER)

    def stake(self, who) -> int:
        """Free and locked stake together (nRLC)."""
        state = self.chain.state
        return state.stake_of(who.address) + state.locked_of(who.address)

    def locked(self, who) -> int:
        return self.chain.state.locked_of(who.address)

    def view(self, task_id):
        return self.chain.state.view(task_id)

    def task(self, task_id):
        return self.pool.tasks_known()[task_id]

    def status(self, task_id, node):
        """Return a worker's replicate as the pool has it."""
        attempt = self.task(task_id).attempt(node.address)
        return attempt.status if attempt else None

    def calls(self):
        """Return every mined call that succeeded."""
        return [mined.sent.call for mined in self.chain.mined() if mined.refusal is None]

    def refused(self):
        return [mined for mined in self.chain.mined() if mined.refusal is not None]

    def story(self) -> str:
        """Return what happened, for a person who looks at a failed test."""
        lines = [f"block time {self.chain.head.timestamp}"]
        for name, task in self.pool.tasks_known().items():
            lines.append(f"{name.short} {task.status} chain {self.view(name).status.name}")
            lines += [f"  refused {each}" for each in task.refusals]
            for attempt in task.attempts:
                log = " ".join(
                    str(e.status) + (f"({e.detail})" if e.detail else "") for e in attempt.log
                )
                lines.append(f"  {attempt.worker} live={attempt.live} {log}")
        for node in self.nodes:
            held = node.member.shell.replicates.items() if node.task else ()
            lines += [f"{node.name} {name.short} {r.status} run={r.running}" for name, r in held]
        return "\n".join(lines)

    def is_over(self, task_id) -> bool:
        return all(attempt.status in FINAL for attempt in self.task(task_id).attempts)
