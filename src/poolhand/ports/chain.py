"""The chain: reading the hub, following it, and sending transactions to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from poolhand.domain.category import Category
from poolhand.domain.deal import Account, App, Dataset, Deal, Workerpool
from poolhand.domain.eip712 import Domain, order_domain
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address, DealId, OrderHash, TaskId, TxHash
from poolhand.domain.movements import Movement, Payment
from poolhand.domain.onchain import Call, CreateAsset, Head, HubEvent, Receipt, TaskView
from poolhand.domain.orders.groups import Membership
from poolhand.domain.partial import Partial
from poolhand.domain.trust import Score
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, Wei
from poolhand.ports.market_chain import SignedHash


@dataclass(frozen=True, slots=True)
class HubFacts:
    """What is fixed about a hub; ``rlc`` is None in native mode."""

    chain_id: int
    hub: Address
    rlc: Address | None
    app_registry: Address
    dataset_registry: Address
    workerpool_registry: Address
    callback_gas: int

    @property
    def domain(self) -> Domain:
        """The domain under which orders for the hub are signed."""
        return order_domain(self.chain_id, self.hub)


class Hub(Protocol):
    """Reads of the PoCo hub at the newest block of the freshest endpoint; all repeatable.

    Every method raises ChainUnreachable when no endpoint answers; of many things asked for at once
    those that no endpoint tells are named in the answer, a ``Partial``. Unknown ids give None,
    never a zeroed record.
    """

    @property
    def facts(self) -> HubFacts:
        """Facts read once at connection."""

    async def head(self) -> Head:
        """Return the newest block."""

    async def block(self, number: BlockNumber) -> Head | None:
        """Return a block by number, None where the endpoint has none yet."""

    async def deal(self, deal_id: DealId) -> Deal | None:
        """Return what a match fixed."""

    async def deals(self, asked: Collection[DealId]) -> Partial[DealId, Deal]:
        """Return what matches fixed, of those deals that the chain has, in one batch."""

    async def tasks(self, asked: Mapping[TaskId, Collection[Address]]) -> Partial[TaskId, TaskView]:
        """Snapshot tasks and, of each, the named workers' contributions, all at one block."""

    async def categories(self) -> Partial[int, Category]:
        """Return every category by index."""

    async def app(self, address: Address) -> App | None:
        """Return a registered app."""

    async def dataset(self, address: Address) -> Dataset | None:
        """Return a registered dataset."""

    async def workerpool(self, address: Address) -> Workerpool | None:
        """Return a registered workerpool."""

    async def workerpools_of(self, owner: Address, most: int) -> tuple[Workerpool, ...]:
        """Return the workerpools of an owner, in the order in which it got them, at most ``most``.

        Raises:
            ChainUnreachable: Or the registry of this hub cannot list.
        """

    async def predict(self, asset: CreateAsset) -> Address:
        """Return the address that this asset of this owner has, or would have (CREATE2)."""

    async def accounts(
        self, owners: Iterable[Address], at: Head | None = None
    ) -> Partial[Address, Account]:
        """Return hub accounts (nRLC), of the newest block or of exactly the one named."""

    async def scores(self, workers: Iterable[Address]) -> Partial[Address, Score]:
        """Return worker scores."""

    async def coin_balances(self, owners: Iterable[Address]) -> Partial[Address, Wei]:
        """Return balances of the chain's coin (wei)."""

    async def rlc_balances(self, owners: Iterable[Address]) -> Partial[Address, NanoRlc]:
        """Return RLC held outside the hub (nRLC)."""

    async def kitty(self) -> NanoRlc:
        """Return what failed tasks left in the kitty (nRLC)."""

    async def consumed(self, orders: Iterable[OrderHash]) -> Partial[OrderHash, int]:
        """Return how much of each order is used up."""

    async def taken(self, signatures: Collection[SignedHash]) -> frozenset[SignedHash]:
        """Return the signatures that the hub takes for an account's own.

        Also a contract's, by its word (ERC-1271), and none at all where the account has signed the
        digest on chain. One about which the hub says nothing is not taken.
        """

    async def members(self, asked: Collection[Membership]) -> frozenset[Membership]:
        """Return which accounts belong to which groups; whoever does not answer has no members."""

    async def deals_of(
        self, workerpool: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return SchedulerNotice events of a workerpool in a block range, in chunks, in order."""

    async def locks_of(
        self, owner: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return what may have locked an account's stake in a block range, in order.

        SchedulerNotice of the deals it pays for or whose pool it owns, TaskContribute of its own.
        """

    async def money_of(
        self, owner: Address, first: BlockNumber, last: BlockNumber
    ) -> tuple[Movement, ...]:
        """Return what moved an account's RLC inside the hub in a block range, in order.

        Amounts of 0 are left out. The law of ``domain.movements`` holds between the state before
        ``first`` and that of ``last``.
        """

    async def acts_of(
        self, parties: Collection[Address], first: BlockNumber, last: BlockNumber
    ) -> tuple[HubEvent, ...]:
        """Return TaskContribute and TaskReveal of workers, TaskInitialize of workerpools."""

    async def payments(self, hashes: Iterable[TxHash]) -> Partial[TxHash, Payment]:
        """Return who paid how much for which transaction; unknown ones are left out."""

    async def task_events(
        self, task_id: TaskId, first: BlockNumber, last: BlockNumber | None = None
    ) -> tuple[HubEvent, ...]:
        """Return the events of one task in a block range, to the newest block by default."""

    async def task_deal(self, task_id: TaskId) -> DealId | None:
        """Return the deal a task belongs to, None before it is initialized."""


class Watcher(Protocol):
    """Follows heads and hub logs, whatever happens to nodes and blocks."""

    @property
    def trouble(self) -> str:
        """Why blocks or logs cannot be read at present, for a person; empty when they can."""

    def heads(self) -> AsyncIterator[Head]:
        """Yield each new head once; skips are allowed, going back is not."""

    def events(self, workerpool: Address | None, first: BlockNumber) -> AsyncIterator[HubEvent]:
        """Yield hub events from ``first`` on, at least once, ordered, for ever.

        With a ``workerpool``, SchedulerNotice is limited to it; task events are never filtered.
        A log taken back by a re-organisation is yielded again with ``removed=True``.
        """


class TransactionSender(Protocol):
    """Sends the transactions of one wallet."""

    @property
    def address(self) -> Address:
        """The wallet."""

    async def means(self) -> Means:
        """Return what the wallet has for gas, and what gas costs, at the newest block.

        Raises:
            ChainUnreachable: No endpoint answered.
        """

    async def send(self, purpose: str, call: Call, reserve: Wei = Wei(0)) -> Receipt:
        """Send a call and wait until it is mined and succeeded.

        Repeat-safe: ``purpose`` names the intention (``"contribute:0x…"``). One that was
        broadcast before, even by an earlier run of the program, is waited for, rebroadcast as
        signed or replaced at the same nonce, never sent twice. A purpose that failed on chain may
        be sent anew.

        ``reserve`` is what must be left in the wallet once this call, and everything else of the
        wallet's that is under way, is paid; it holds back what was never broadcast, nothing else.

        Raises:
            Reverted: Refused by the contract, before broadcast or on chain, diagnosed into its
                leaves (TaskNotActive, DeadlineReached, StakeTooLow, AlreadyContributed, …).
            OutOfGas: The wallet cannot pay, or not without touching ``reserve``; the message says
                how much to add.
            ChainUnreachable: No endpoint took it; whether it was mined is unknown.
        """


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A call that rests on one which is sent right before it, so that nobody can try it before.

    ``gas`` is its limit: what it may take at most.
    """

    purpose: str
    call: Call
    gas: Gas


class PostingSender(TransactionSender, Protocol):
    """A sender that also hands over without waiting for a block."""

    async def post(
        self, purpose: str, call: Call, then: Sequence[FollowUp] = (), reserve: Wei = Wei(0)
    ) -> TxHash:
        """Sign a call and what follows it, hand them to the network together, wait for no block.

        Repeat-safe as ``send``, which finds what was posted. Nonces follow one another, so that
        all may stand in one block, in this order. What follows is signed with the call alone:
        where that was signed before, or goes away, whoever wants the rest has to ``send`` it.

        Returns:
            The hash of the call's transaction, durable and handed over.

        Raises:
            Reverted, OutOfGas, ChainUnreachable: As ``send``; gas and reserve count for all.
        """

    async def known(self, purpose: str) -> TxHash | None:
        """Return the transaction of a purpose that is under way or succeeded; None: there is none.

        Raises:
            ChainUnreachable: Not even an earlier run's can be told yet.
        """

    async def outcome(self, purpose: str) -> Receipt | None:
        """Wait until what was sent or posted for a purpose is mined, in success or not.

        Returns:
            None where nothing was, or where it is long ago.

        Raises:
            Displaced: Another program used its nonce.
        """
