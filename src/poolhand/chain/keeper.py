"""What becomes of a wallet's transactions: looked after at every new block.

Mined ones are settled, forgotten ones broadcast again as they were signed, stuck ones replaced at
the same nonce, those that a re-organisation took back sent to the pool again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from poolhand.chain import abi
from poolhand.chain.broadcast import REFUSALS, SendVerdict
from poolhand.chain.encode import decode_receipt
from poolhand.chain.errors import Displaced
from poolhand.chain.gas import Fees
from poolhand.chain.ledger import Ledger, SignedTransaction
from poolhand.chain.link import Query
from poolhand.chain.nonces import Nonces
from poolhand.chain.outbox import WalletOutbox
from poolhand.chain.quote import Quotes
from poolhand.chain.rpc import Rpc
from poolhand.chain.turns import Turns
from poolhand.chain.watcher import ChainWatcher
from poolhand.domain.errors import EndsProgram, Refused
from poolhand.domain.ids import Address, BlockHash, TxHash
from poolhand.domain.onchain import Receipt
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.domain.units import Wei
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.signer import TransactionSigner

REPEAT: Final = 3
"""Blocks without progress after which everything unmined is broadcast again."""
REPLACE: Final = 6
"""Blocks without progress after which the next one to be mined gets a higher price."""
DOUBT_SECONDS: Final = 3.0
"""For which a nonce is found used by none of ours before we say so: a node may count a transaction
before it has the receipt, and of one provider's nodes some are behind."""
JOURNALED: Final = 256
"""Finished purposes that stay in the journal."""
REMEMBERED: Final = 10_000
"""Receipts kept in memory for repeats."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Pending:
    """A purpose whose transaction is signed and not settled.

    Attributes:
        versions: All at one nonce, oldest first.
        ended: The receipt, of success or failure; or Displaced.
        quiet: Blocks since it became the next to be mined.
        doubted: Since when its nonce is found used without a receipt (seconds of the loop's clock).
        is_told_stuck: Whether it was said that gas costs more than the cap.
    """

    versions: list[SignedTransaction]
    ended: asyncio.Future[Receipt] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    quiet: int = 0
    doubted: float | None = None
    is_told_stuck: bool = False

    @property
    def last(self) -> SignedTransaction:
        """The version in force."""
        return self.versions[-1]

    @property
    def nonce(self) -> int:
        """Of all versions."""
        return self.versions[0].nonce

    def doubt(self) -> float:
        """Note that the nonce seems to be another's; returns for how many seconds it has."""
        now = asyncio.get_running_loop().time()
        self.doubted = now if self.doubted is None else self.doubted
        return now - self.doubted


@dataclass(slots=True)
class Pen:
    """Signs for one wallet and has written down what it signed, before anyone sees it."""

    wallet: TransactionSigner
    ledger: Ledger

    def sign(self, purpose: str, transaction: UnsignedTransaction) -> SignedTransaction:
        """Sign and journal; raises what the journal raises, and then nothing was sent."""
        raw, tx_hash = self.wallet.sign_transaction(transaction)
        signed = SignedTransaction(self.wallet.address, purpose, transaction, raw, tx_hash)
        self.ledger.record(signed)
        return signed


class Keeper:
    """Looks after one wallet's transactions.

    Args:
        outbox: What is broadcast again goes through.
        turns: Told of what is under way.
        nonces: Told of what is mined, and of what nobody has.
        confirmations: Blocks, its own included, before a transaction counts as mined.

    Attributes:
        open: By purpose, not settled.
        done: By purpose, succeeded.
    """

    def __init__(
        self,
        rpc: Rpc,
        watcher: ChainWatcher,
        quotes: Quotes,
        pen: Pen,
        outbox: WalletOutbox,
        turns: Turns,
        nonces: Nonces,
        confirmations: int,
    ) -> None:
        self._rpc, self._watcher, self._quotes, self._pen = rpc, watcher, quotes, pen
        self._outbox, self._turns, self._nonces = outbox, turns, nonces
        self._behind = max(confirmations, 1) - 1
        self._repeats = OutageLog(
            "transaction_rebroadcast",
            "transactions_resumed",
            level="info",
            wallet=str(pen.wallet.address),
        )
        self._looking = asyncio.Lock()
        self._forks = watcher.window.fork_count
        self._seen: BlockHash | None = None
        self._recent: OrderedDict[str, list[SignedTransaction]] = OrderedDict()
        self.open: dict[str, Pending] = {}
        self.done: OrderedDict[str, Receipt] = OrderedDict()

    def take(self, versions: list[SignedTransaction]) -> Pending:
        """Take up a transaction."""
        pending = Pending(versions)
        self.open[pending.last.purpose] = pending
        self._turns.enter(pending.last.purpose)
        return pending

    def drop(self, pending: Pending) -> None:
        """Forget a transaction that nobody has, and never will."""
        self._close(pending.last.purpose)
        self._pen.ledger.forget(pending.last.purpose)

    def _close(self, purpose: str) -> None:
        self.open.pop(purpose, None)
        self._turns.leave(purpose)

    def costs(self) -> Mapping[str, Wei]:
        """Return the most that each transaction under way takes from the wallet (wei)."""
        return {purpose: each.last.transaction.cost for purpose, each in self.open.items()}

    @property
    def doubtful(self) -> bool:
        """Whether another look is due, block or no block."""
        return any(pending.doubted is not None for pending in self.open.values())

    async def look(self) -> None:
        """Look after everything once; raises ChainUnreachable."""
        async with self._looking:
            await self._take_back()
            if not self.open:
                return
            count = await self._rpc.ask(nonce_at(self._quotes.sender, "latest"))
            self._nonces.passed(count)
            everything = sorted(self.open.values(), key=lambda pending: pending.nonce)
            await self._settle([pending for pending in everything if pending.nonce < count])
            await self._urge([pending for pending in everything if pending.nonce >= count])

    async def again(self, pending: Iterable[Pending]) -> None:
        """Broadcast the journaled bytes once more: of several prices the dearest that is taken."""
        left = [(each, len(each.versions) - 1) for each in pending]
        while left:
            sent = [each.versions[place] for each, place in left]
            told = await self._outbox.post_all(sent)
            for signed, answer in zip(sent, told, strict=True):
                self._tell_repeat(signed, *answer)
            refused = [verdict in REFUSALS for verdict, _ in told]
            left = [
                (each, place - 1)
                for (each, place), is_refused in zip(left, refused, strict=True)
                if is_refused and place > 0
            ]

    def _tell_repeat(self, signed: SignedTransaction, verdict: SendVerdict, said: str) -> None:
        self._repeats.tell(
            said or "the node has it, and no block does",
            purpose=signed.purpose,
            tx=str(signed.tx_hash),
            verdict=verdict.name.lower(),
        )

    async def _settle(self, passed: Sequence[Pending]) -> None:
        """End what is mined, and deep enough."""
        versions = [version for pending in passed for version in pending.versions]
        told = await self._receipts(versions)
        tip = self._watcher.window.tip
        for pending in passed:
            found = _first(told, pending.versions)
            if found is None:
                self._doubt(pending)
                continue
            pending.doubted = None
            if tip is not None and found.block + self._behind <= max(tip.number, found.block):
                self._end(pending, found)

    async def _receipts(self, versions: Sequence[SignedTransaction]) -> dict[TxHash, Receipt]:
        """Read the receipts of those that are mined."""
        facts = self._quotes.hub.facts

        def query(signed: SignedTransaction) -> Query[Receipt | None]:
            price = signed.transaction.max_fee
            return Query(
                "eth_getTransactionReceipt",
                (str(signed.tx_hash),),
                lambda raw: None if raw is None else decode_receipt(raw, facts, price),
            )

        answers = await self._rpc.ask_all([query(version) for version in versions])
        return {
            version.tx_hash: answer
            for version, answer in zip(versions, answers, strict=True)
            if isinstance(answer, Receipt)
        }

    def _doubt(self, pending: Pending) -> None:
        """The nonce is used and none of ours is mined: the node lags, or it was another's."""
        if pending.doubt() < DOUBT_SECONDS:
            return
        self.drop(pending)
        self._repeats.over()
        fault = Displaced(pending.last.purpose, pending.nonce, pending.last.tx_hash)
        log.warning("transaction_displaced", cause=str(fault))
        if not pending.ended.done():
            pending.ended.set_exception(fault)
            pending.ended.exception()  # nobody need be waiting

    def _end(self, pending: Pending, receipt: Receipt) -> None:
        purpose = pending.last.purpose
        self._close(purpose)
        self._repeats.over()
        if receipt.succeeded:
            self.done[purpose] = receipt
            self._recent[purpose] = pending.versions
            self._tidy()
        else:
            self._pen.ledger.forget(purpose)
        if not pending.ended.done():
            pending.ended.set_result(receipt)

    def _tidy(self) -> None:
        """Keep journal and memory bounded."""
        while len(self._recent) > JOURNALED:
            oldest, _ = self._recent.popitem(last=False)
            self._pen.ledger.forget(oldest)
        while len(self.done) > REMEMBERED:
            self.done.popitem(last=False)

    async def _take_back(self) -> None:
        """After a re-organisation: reopen what is no longer on chain."""
        window = self._watcher.window
        forks, count = window.forks_since(self._forks), window.fork_count
        if not forks:
            return
        shaken = {
            purpose: versions
            for purpose, versions in self._recent.items()
            if self.done[purpose].block >= min(forks)
        }
        told = await self._receipts([each for versions in shaken.values() for each in versions])
        self._forks = count
        gone = []
        for purpose, versions in shaken.items():
            found = _first(told, versions)
            if found is not None and found.succeeded:
                self.done[purpose] = found
                continue
            del self._recent[purpose], self.done[purpose]
            log.warning("transaction_taken_back", purpose=purpose, tx=str(versions[-1].tx_hash))
            gone.append(self.take(versions))
        await self.again(gone)

    async def _urge(self, waiting: Sequence[Pending]) -> None:
        """Count quiet blocks of the next one to be mined, and do something about too many."""
        tip = self._watcher.window.tip
        if not waiting or tip is None or tip.block_hash == self._seen:
            return
        self._seen, first = tip.block_hash, waiting[0]
        first.quiet += 1
        if first.quiet % REPLACE == 0:
            fees = await self._quotes.fees(tip)
            cheap = [each for each in waiting[1:] if each.last.fees.max_fee < fees.max_fee]
            await self._replace([first, *cheap], fees)
        elif first.quiet % REPEAT == 0:
            await self.again(waiting)

    async def _replace(self, waiting: Sequence[Pending], wanted: Fees) -> None:
        """Offer more for transactions, each at its nonce; where that may not be, repeat them.

        A signer whose rules have changed since may sign no second one: then the first stays.
        """
        stuck, raised = [], []
        for pending in waiting:
            fees = self._quotes.rule.replacement(pending.last.fees, wanted)
            if fees is None:
                stuck.append(pending)
                continue
            try:
                dearer = self._pen.sign(pending.last.purpose, _at(pending, fees))
            except EndsProgram:
                raise
            except Refused as fault:
                _tell_unsigned(pending, fault)
                stuck.append(pending)
                continue
            pending.versions.append(dearer)
            raised.append(pending.last)
        _tell_stuck(stuck)
        await self.again(stuck)
        for signed, answer in zip(raised, await self._outbox.post_all(raised), strict=True):
            _tell_replaced(signed, *answer)


def _at(pending: Pending, fees: Fees) -> UnsignedTransaction:
    """Return the transaction in force at another price."""
    return replace(pending.last.transaction, max_fee=fees.max_fee, priority_fee=fees.priority_fee)


def _tell_unsigned(pending: Pending, fault: Refused) -> None:
    if not pending.is_told_stuck:
        pending.is_told_stuck = True
        purpose = pending.last.purpose
        log.warning("transaction_not_replaced", purpose=purpose, cause=str(fault))


def _tell_stuck(stuck: Iterable[Pending]) -> None:
    for pending in stuck:
        if not pending.is_told_stuck:
            pending.is_told_stuck = True
            log.warning(
                "transaction_stuck_at_cap",
                purpose=pending.last.purpose,
                cause="gas costs more than IEXEC_GAS_PRICE_CAP: waiting, or raise it",
            )


def _tell_replaced(signed: SignedTransaction, verdict: SendVerdict, said: str) -> None:
    log.info(
        "transaction_replaced",
        purpose=signed.purpose,
        tx=str(signed.tx_hash),
        max_fee=signed.fees.max_fee,
        verdict=verdict.name.lower(),
        said=said,
    )


def _first(told: Mapping[TxHash, Receipt], versions: Sequence[SignedTransaction]) -> Receipt | None:
    return next((told[each.tx_hash] for each in versions if each.tx_hash in told), None)


def nonce_at(owner: Address, block: str) -> Query[int]:
    """Ask how many transactions of a wallet are mined (``latest``) or known (``pending``).

    An endpoint that shows nobody its pool tells how many are mined.
    """
    asked = "eth_getTransactionCount"
    mined = Query(asked, (str(owner), "latest"), abi.quantity)
    if block == "latest":
        return mined
    return Query(asked, (str(owner), block), abi.quantity, mined, f"{asked} {block}")
