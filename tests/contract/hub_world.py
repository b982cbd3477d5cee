"""A market on any chain, fake or real, for the suites that both must pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from eth_hash.auto import keccak

from poolhand.domain.deal import Deal
from poolhand.domain.eip712 import Domain, order_domain
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, Address, ResultDigest, TaskId
from poolhand.domain.onchain import (
    Call,
    ChangePolicy,
    Contribute,
    ContributeAndFinalize,
    CreateApp,
    CreateDataset,
    CreateWorkerpool,
    Deposit,
    Finalize,
    Initialize,
    Receipt,
    Reveal,
    TaskView,
)
from poolhand.domain.orders.model import (
    NO_DATASET_ORDER,
    AppOrder,
    DatasetOrder,
    MatchOrders,
    RequestOrder,
    Salt,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NANO_PER_RLC, NanoRlc, UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.ports.chain import Hub, PostingSender, Watcher

RLC = NANO_PER_RLC
_SALTS = count(1)


def digest(text: str) -> ResultDigest:
    return ResultDigest(keccak(text.encode()))


@dataclass(frozen=True)
class SigningContract:
    """An account that takes any signature of one digest for its own (ERC-1271), as bytecode."""

    digest: bytes

    @property
    def code(self) -> bytes:
        is_it = f"6004357f{self.digest.hex()}14"
        return bytes.fromhex(f"{is_it}631626ba7e0260e01b{_ANSWER}")


@dataclass(frozen=True)
class Group:
    """A group to which one account belongs, with the purpose of members (ERC-734)."""

    member: Address

    @property
    def code(self) -> bytes:
        return bytes.fromhex(f"60043573{self.member.hex()}1460243560041416{_ANSWER}")


_ANSWER = "60005260206000f3"
"""Return the one word on the stack."""


@dataclass
class World:
    """A chain with a hub, some funded wallets, and a hand on its clock.

    ``advance`` mines a block that many seconds later; ``fund`` gives RLC outside the hub and coin;
    ``hold`` has transactions wait for that block, where it can; ``put`` makes an address a contract.
    """

    hub: Hub
    watcher: Watcher
    wallets: list[Wallet]
    sender: Callable[[Wallet], PostingSender]
    advance: Callable[[int], Awaitable[None]]
    total: Callable[[], Awaitable[int]]
    hold: Callable[[], Awaitable[None]] | None = None
    put: Callable[[Address, SigningContract | Group], Awaitable[None]] | None = None
    purposes: count = field(default_factory=count)

    @property
    def domain(self) -> Domain:
        return order_domain(self.hub.facts.chain_id, self.hub.facts.hub)

    @property
    def requester(self) -> Wallet:
        return self.wallets[0]

    @property
    def owner(self) -> Wallet:
        """Owns app, dataset and pool."""
        return self.wallets[1]

    @property
    def workers(self) -> list[Wallet]:
        return self.wallets[2:]

    async def send(self, wallet: Wallet, call: Call, purpose: str = "") -> Receipt:
        name = purpose or f"{type(call).__name__}:{next(self.purposes)}"
        return await self.sender(wallet).send(name, call)

    async def stake(self, wallet: Wallet) -> tuple[int, int]:
        account = (await self.hub.accounts([wallet.address]))[wallet.address]
        return account.stake, account.locked

    async def deadline(self, moment: UnixSeconds) -> None:
        """Bring the chain to ``moment``."""
        await self.advance(moment - (await self.hub.head()).timestamp)


@dataclass
class Market:
    world: World
    app: Address
    dataset: Address
    pool: Address
    price: int = 100 * RLC
    app_price: int = 3 * RLC
    dataset_price: int = 5 * RLC

    @classmethod
    async def open(cls, world: World, stake_percent: int = 35, share: int = 5) -> Market:
        owner, name = world.owner, f"market {next(_SALTS)}"
        for wallet in world.wallets:
            await world.send(wallet, Deposit(NanoRlc(2000 * RLC)))
        app = await world.send(
            owner, CreateApp(owner.address, name, b"docker.io/owner/app:1", bytes([1] * 32))
        )
        dataset = await world.send(
            owner, CreateDataset(owner.address, name, b"https://example.com/d", bytes([2] * 32))
        )
        pool = await world.send(owner, CreateWorkerpool(owner.address, name))
        assert app.created
        assert dataset.created
        assert pool.created
        await world.send(owner, ChangePolicy(pool.created, stake_percent, share))
        return cls(world, app.created, dataset.created, pool.created)

    def orders(
        self,
        *,
        trust: int = 1,
        tasks: int = 1,
        dataset: bool = False,
        category: int = 0,
        tag: Tag = NO_TAG,
        callback: Address = ZERO_ADDRESS,
        params: str = '{"iexec_args":"hello"}',
    ) -> MatchOrders:
        world, z = self.world, ZERO_ADDRESS
        salt = Salt(next(_SALTS).to_bytes(32, "big"))
        requester = world.requester.address
        app = AppOrder(self.app, NanoRlc(self.app_price), tasks, tag, z, z, z, salt)
        data = DatasetOrder(self.dataset, NanoRlc(self.dataset_price), tasks, tag, z, z, z, salt)
        pool = WorkerpoolOrder(
            self.pool, NanoRlc(self.price), tasks, tag, category, Trust(trust), z, z, z, salt
        )
        request = RequestOrder(
            self.app,
            NanoRlc(self.app_price),
            self.dataset if dataset else z,
            NanoRlc(self.dataset_price),
            self.pool,
            NanoRlc(self.price),
            requester,
            tasks,
            tag,
            category,
            Trust(trust),
            requester,
            callback,
            params,
            salt,
        )
        owner, domain = world.owner, world.domain
        return MatchOrders(
            app=Signed(app, owner.sign_order(domain, app)),
            dataset=Signed(data, owner.sign_order(domain, data))
            if dataset
            else Signed(NO_DATASET_ORDER, b""),
            workerpool=Signed(pool, owner.sign_order(domain, pool)),
            request=Signed(request, world.requester.sign_order(domain, request)),
        )

    async def deal(self, **terms) -> Deal:
        receipt = await self.world.send(self.world.requester, self.orders(**terms))
        assert len(receipt.deals) == 1
        deal = await self.world.hub.deal(receipt.deals[0])
        assert deal is not None
        return deal

    async def task(self, **terms) -> TaskId:
        """Match and initialise one task."""
        deal = await self.deal(**terms)
        index, name = next(deal.tasks())
        await self.world.send(self.world.owner, Initialize(((deal.deal_id, index),)))
        return name

    def contribution(self, worker: Wallet, task: TaskId, result: ResultDigest) -> Contribute:
        return Contribute(
            task,
            result_hash(task, result),
            result_seal(worker.address, task, result),
            self.authorization(worker, task),
        )

    def authorization(self, worker: Wallet, task: TaskId) -> bytes:
        return self.world.owner.sign_authorization(worker.address, task, ZERO_ADDRESS)

    async def contribute(self, worker: Wallet, task: TaskId, result: ResultDigest) -> Receipt:
        return await self.world.send(worker, self.contribution(worker, task, result))

    async def reveal(self, worker: Wallet, task: TaskId, result: ResultDigest) -> Receipt:
        return await self.world.send(worker, Reveal(task, result))

    async def finalize(self, task: TaskId) -> Receipt:
        return await self.world.send(self.world.owner, Finalize(task, b"link", b""))

    def both(self, worker: Wallet, task: TaskId, result: ResultDigest) -> ContributeAndFinalize:
        authorization = self.authorization(worker, task)
        return ContributeAndFinalize(task, result, b"link", b"", authorization)

    async def view(self, task: TaskId, *workers: Wallet) -> TaskView:
        asked = {task: [worker.address for worker in workers]}
        return (await self.world.hub.tasks(asked))[task]


RIGHT, WRONG = digest("right"), digest("wrong")
