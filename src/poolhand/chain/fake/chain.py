"""A PoCo chain in memory, in token mode: exact rules, time by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from eth_hash.auto import keccak

from poolhand.chain.fake.apply import CallOutcome, apply
from poolhand.chain.fake.bell import FakeBell
from poolhand.chain.fake.blocks import FakeBlock, MinedCall, Sent, mixed, movements
from poolhand.chain.fake.reach import Reach
from poolhand.chain.fake.sender import FakeSender
from poolhand.chain.fake.state import Judges, State
from poolhand.domain.category import Category
from poolhand.domain.errors import BrokenPrecondition, ChainUnreachable, Reverted
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address, BlockHash
from poolhand.domain.movements import Movement
from poolhand.domain.onchain import Call, Head, HubEvent, Receipt
from poolhand.domain.trust import Score
from poolhand.domain.units import BlockNumber, Gas, NanoRlc, Seconds, UnixSeconds, Wei
from poolhand.ports.chain import HubFacts
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.signer import TransactionSigner

FAKE_CATEGORIES: Final = tuple(
    Category(index, name, Seconds(time_ref))
    for index, (name, time_ref) in enumerate(
        (("XS", 300), ("S", 1200), ("M", 3600), ("L", 10800), ("XL", 36000))
    )
)
_GAS: Final = Gas(300_000)
_BLOCK_GAS: Final = Gas(30_000_000)


def _named(name: str) -> Address:
    return Address(keccak(f"fake {name}".encode())[12:])


class FakeChain:
    """Implements the chain's ports as ``hub``, ``watcher`` and ``sender(address)``.

    These have the faults of the chain itself; ``reach()`` gives a program ports with faults of its
    own as well. One event loop at a time may use it. Stakes start at zero: ``fund`` accounts, then
    send ``Deposit``.

    Args:
        chain_id: Told to clients, part of order hashes.
        automine: Mine a block per transaction; otherwise ``mine`` does.
        start: Time of block 0 (Unix seconds).
        categories: By index, in order.
        gas_price: What each transaction burns of the sender's coin, per gas (300 000 gas each).

    Attributes:
        outage: While True every port raises ChainUnreachable; watchers wait silently.
        lag: How many blocks behind the newest what is read and tried stands; heads, events and
            receipts come from another node, which does not lag.
        gas_cap: The most that any wallet offers per gas (wei); None: whatever gas costs.
        gas_price: As above, from now on; who cannot pay it is refused, and what such a wallet has
            in the pool already waits there.
        before_send: Called with (sender, purpose, call) before a transaction enters the pool;
            what it raises, ``send`` raises.
        after_send: The same once it is in the pool: raise here to play a crash after broadcast.
    """

    def __init__(
        self,
        chain_id: int = 31337,
        *,
        automine: bool = True,
        start: int = 1_700_000_000,
        categories: Iterable[Category] = FAKE_CATEGORIES,
        gas_price: Wei = Wei(0),
    ) -> None:
        self.facts = HubFacts(
            chain_id=chain_id,
            hub=_named("hub"),
            rlc=_named("rlc"),
            app_registry=_named("apps"),
            dataset_registry=_named("datasets"),
            workerpool_registry=_named("pools"),
            callback_gas=200_000,
        )
        self.domain = self.facts.domain
        self.gas_cap: Wei | None = None
        self.automine, self.outage, self.lag, self.gas_price = automine, False, 0, gas_price
        self.before_send: Callable[[Address, str, Call], None] | None = None
        self.after_send: Callable[[Address, str, Call], None] | None = None
        self.bell = FakeBell()
        self.pool: list[Sent] = []
        self._forks = 0
        self._nonces: dict[Address, int] = {}
        self._mined: dict[tuple[Address, int], MinedCall] = {}
        self.purposes: dict[tuple[Address, str], Sent] = {}
        state = State(categories={category.index: category for category in categories})
        self._blocks = [FakeBlock(self._head(0, BlockHash(bytes(32)), start), (), (), state)]
        own = self.reach()
        self.hub, self.watcher = own.hub, own.watcher

    def reach(self) -> Reach:
        """Return a program's own way to this chain."""
        return Reach(self)

    def sender(
        self,
        wallet: Address | TransactionSigner,
        journal: object = None,
        fence: Fence = UNFENCED,
    ) -> FakeSender:
        """Return a sender for a wallet; all senders of one wallet share their memory.

        ``journal`` is taken for likeness with the real chain and not used: what a wallet has
        sent outlives a crash of its program inside this object.
        """
        del journal
        return self.reach().sender(wallet, fence=fence)

    async def means_of(self, owner: Address) -> Means:
        """Return what somebody has for gas, and what gas costs; raises ChainUnreachable."""
        return await self.sender(owner).means()

    # ------------------------------------------------------------------------- looking

    @property
    def head(self) -> Head:
        """The newest block."""
        return self._blocks[-1].head

    @property
    def state(self) -> State:
        """What the newest block left; to be read only."""
        return self._blocks[-1].state

    def blocks(self) -> Iterator[FakeBlock]:
        """Yield the canonical blocks, oldest first."""
        yield from self._blocks

    def mined(self) -> tuple[MinedCall, ...]:
        """Return every transaction on the canonical chain, in order."""
        return tuple(mined for block in self._blocks for mined in block.mined)

    def outcome(self, sent: Sent) -> MinedCall | None:
        """Return how a transaction ended, None while it waits."""
        return self._mined.get((sent.sender, sent.nonce))

    def total_nrlc(self) -> NanoRlc:
        """Return all RLC there is: held outside, free stakes, locked stakes and the kitty."""
        return NanoRlc(self.state.total_nrlc)

    def gas_missing(self, owner: Address, reserve: Wei = Wei(0)) -> Wei:
        """Return what ``owner`` lacks for one more transaction (wei).

        Where there is a reserve to be left over, what already waits in the pool is paid first.
        """
        waiting = sum(sent.sender == owner for sent in self.pool) if reserve else 0
        needed = self.gas_price * _GAS * (waiting + 1) + reserve
        return Wei(max(0, needed - self.state.coin_of(owner)))

    def check_up(self) -> None:
        """Raise ChainUnreachable during an ``outage``."""
        if self.outage:
            raise ChainUnreachable("no RPC endpoint answers: check them, or wait")

    def seen(self, lag: int = 0) -> FakeBlock:
        """Return the newest block of a node that is ``lag`` blocks behind, and behind our own."""
        return self._blocks[max(0, len(self._blocks) - 1 - max(lag, self.lag))]

    # ------------------------------------------------------------------------- arranging

    def fund(
        self, owner: Address, rlc: NanoRlc = NanoRlc(0), coin: Wei = Wei(0), stake: int = 0
    ) -> None:
        """Give RLC, coin and free stake out of nothing; re-organisations do not take it back."""
        for block in self._blocks:
            block.state.add_rlc(owner, rlc)
            block.state.add_coin(owner, coin)
            block.state.reward(owner, stake)

    def drain(self, owner: Address) -> None:
        """Take all coin of an account; ``fund`` gives it some again."""
        for block in self._blocks:
            block.state.add_coin(owner, -block.state.coin_of(owner))

    def drop(self, sender: Address | None = None) -> None:
        """Lose the waiting transactions of a wallet, or all, as nodes do that restart."""
        self.pool = [sent for sent in self.pool if sender not in (None, sent.sender)]

    def deploy(self, account: Address, judges: Judges) -> None:
        """Make an account a contract that judges signatures itself (ERC-1271)."""
        for block in self._blocks:
            block.state.signers[account] = judges

    def form_group(self, group: Address, members: Iterable[Address]) -> None:
        """Make an address a contract that says who belongs to it (ERC-734)."""
        known = frozenset(members)
        for block in self._blocks:
            block.state.groups[group] = known

    def set_score(self, worker: Address, score: Score) -> None:
        """Set a worker's score."""
        for block in self._blocks:
            block.state.scores[worker] = score

    # ------------------------------------------------------------------------- acting

    def check(self, sender: Address, call: Call, lag: int = 0) -> CallOutcome:
        """Try a call, as ``eth_call`` does; raises ``Reverted`` leaves."""
        at = self.seen(lag)
        return apply(at.state.copy(), self.domain, sender, call, at.head.timestamp)

    def submit(self, sender: Address, call: Call) -> Sent:
        """Put a transaction into the pool; mine it at once under ``automine``."""
        sent = self.take(sender, call)
        if self.automine:
            self.mine()
        return sent

    def take(self, sender: Address, call: Call) -> Sent:
        """Put a transaction into the pool, where it waits for the next block."""
        nonce = self._nonces.get(sender, 0)
        self._nonces[sender] = nonce + 1
        sent = Sent(sender, nonce, call)
        self.pool.append(sent)
        return sent

    def rebroadcast(self, sent: Sent) -> None:
        """Put a transaction that the pool forgot back into it."""
        if sent not in self.pool and self.outcome(sent) is None:
            self.pool.append(sent)
            if self.automine:
                self.mine()

    def mine(self, seconds: int = 1, blocks: int = 1) -> Head:
        """Mine blocks, each ``seconds`` after the one before; the first takes the pool.

        Transactions that their senders cannot pay for wait in the pool.
        """
        for _ in range(blocks):
            waiting = self._payable()
            self.pool = [sent for sent in self.pool if sent not in waiting]
            self._blocks.append(self._block(waiting, self.head.timestamp + seconds))
            for mined in self._blocks[-1].mined:
                self._mined[mined.sent.sender, mined.sent.nonce] = mined
        self.bell.ring()
        return self.head

    def _payable(self) -> list[Sent]:
        cost = max(self.gas_price * _GAS, 1)
        left = {sent.sender: self.state.coin_of(sent.sender) for sent in self.pool}
        found = []
        for sent in self.pool:
            if not self.gas_price or left[sent.sender] >= cost:
                left[sent.sender] = Wei(left[sent.sender] - cost)
                found.append(sent)
        return found

    def mine_until(self, moment: UnixSeconds) -> Head:
        """Mine one block at ``moment`` (Unix seconds), which must not be past."""
        return self.mine(moment - self.head.timestamp)

    def reorg(
        self,
        depth: int = 1,
        *,
        forget: bool = False,
        include: bool | None = None,
        seconds: int | None = None,
        mix: int | None = None,
    ) -> Head:
        """Replace the newest ``depth`` blocks by ``depth + 1`` others.

        Args:
            depth: Blocks taken back; never block 0.
            forget: Lose their transactions, as nodes do that never saw them; what waits stays.
            include: Whether the first new block takes their transactions, and what waits; else
                they wait in the pool. By default it does so under ``automine``.
            seconds: Between new blocks; None: they have the times of the old ones.
            mix: Seed by which transactions of different senders change places; None: none do.
        """
        if not 0 < depth < len(self._blocks):
            raise BrokenPrecondition(f"cannot take back {depth} of {len(self._blocks) - 1} blocks")
        gone, self._blocks = self._blocks[-depth:], self._blocks[:-depth]
        self._forks += 1
        back = [mined.sent for block in gone for mined in block.mined]
        for sent in back:
            del self._mined[sent.sender, sent.nonce]
        if not forget:
            self.pool = mixed([*back, *self.pool], mix)
        take = self.automine if include is None else include
        kept, self.pool = ([], self.pool) if take else (self.pool, [])
        moments = [block.head.timestamp for block in gone]
        moments.append(UnixSeconds(moments[-1] + 1))
        for moment in moments:
            self.mine(moment - self.head.timestamp if seconds is None else seconds)
        self.pool += kept
        self.bell.ring()
        return self.head

    def _block(self, waiting: list[Sent], moment: int) -> FakeBlock:
        parent = self._blocks[-1]
        head = self._head(parent.head.number + 1, parent.head.block_hash, moment)
        state, mined = parent.state, []
        events: list[HubEvent] = []
        moved: list[tuple[Address, Movement]] = []
        for sent in waiting:
            state, entry, outcome = self._run(state, sent, head)
            mined.append(entry)
            events += self._events(head, entry, outcome, len(events))
            moved += movements(state.moved, head, entry, len(moved))
        return FakeBlock(head, tuple(mined), tuple(events), state.copy(), tuple(moved))

    def _run(self, before: State, sent: Sent, head: Head) -> tuple[State, MinedCall, CallOutcome]:
        state = before.copy()
        outcome, refusal = CallOutcome(), None
        try:
            outcome = apply(state, self.domain, sent.sender, sent.call, head.timestamp)
        except Reverted as fault:
            state, refusal = before.copy(), fault
        burnt = min(self.gas_price * _GAS, state.coin_of(sent.sender))
        state.add_coin(sent.sender, -burnt)
        receipt = Receipt(
            tx_hash=sent.tx_hash,
            block=head.number,
            succeeded=refusal is None,
            gas_used=_GAS,
            gas_price=self.gas_price,
            created=outcome.created,
            deals=outcome.deals,
        )
        return state, MinedCall(sent, receipt, refusal), outcome

    @staticmethod
    def _events(head: Head, entry: MinedCall, outcome: CallOutcome, count: int) -> list[HubEvent]:
        return [
            HubEvent(
                kind=log.kind,
                block=head.number,
                block_hash=head.block_hash,
                tx_hash=entry.receipt.tx_hash,
                log_index=index,
                deal_id=log.deal_id,
                task_id=log.task_id,
                worker=log.worker,
                result_hash=log.result_hash,
            )
            for index, log in enumerate(outcome.logs, start=count)
        ]

    def _head(self, number: int, parent: BlockHash, moment: int) -> Head:
        name = f"{self.facts.chain_id}:{self._forks}:{number}:{parent}".encode()
        return Head(
            number=BlockNumber(number),
            block_hash=BlockHash(keccak(name)),
            parent_hash=parent,
            timestamp=UnixSeconds(moment),
            base_fee=self.gas_price,
            gas_limit=_BLOCK_GAS,
        )
