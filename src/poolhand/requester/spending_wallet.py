"""A wallet that spends: its sender, and a memory of purchases that were begun.

One program at a time spends from a wallet on this machine. What it signed and sent is in journals,
so that a crash loses nothing and buys nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
)
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from poolhand.domain.errors import Malformed, Refused
from poolhand.domain.ids import Address, FixedBytes
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.signal import Signal
from poolhand.keys.errors import WalletInUse
from poolhand.keys.lock import WalletLock
from poolhand.keys.wallet import Wallet
from poolhand.ports.chain import Hub, HubFacts, TransactionSender, Watcher
from poolhand.ports.clock import Clock
from poolhand.ports.journal import DurableLog, Journal
from poolhand.requester.intentions import Intentions
from poolhand.requester.payment_rounds import Rounds
from poolhand.requester.remembered import RememberedDeals
from poolhand.settings.home import at_home
from poolhand.store.errors import JournalCorrupt
from poolhand.store.file import FileJournal
from poolhand.store.section import Section
from poolhand.wire.order_json import decode_match, encode_match

LONGEST_WAIT_FOR_WALLET: Final = 20.0
"""Seconds to wait for another program that spends from the same wallet."""
_PAUSE_BETWEEN_LOCK_TRIES: Final = 0.1


class ChainAccess(Protocol):
    """What a requester needs of ``poolhand.chain.connect``; ``FakeChain`` has the same shape."""

    @property
    def hub(self) -> Hub:
        """Reads."""

    @property
    def watcher(self) -> Watcher:
        """Follows."""

    def sender(self, wallet: Wallet, journal: DurableLog, /) -> TransactionSender:
        """Spends."""


Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[ChainAccess]]


class Fingerprint(FixedBytes):
    """Names a wish: the same wish has the same one."""

    what = "a fingerprint"


@dataclass(frozen=True, slots=True)
class BegunPurchase:
    """Orders that were signed.

    Attributes:
        orders: All four.
        url: Of the pool that is to send them; None: whoever pays does.
        sponsor: Who pays; None: the requester.
    """

    orders: MatchOrders
    url: str | None = None
    sponsor: Address | None = None


class Purchases:
    """Orders that were signed and are about to be matched; forgotten once the deal is known."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def begin(self, wish: Fingerprint, begun: BegunPurchase) -> None:
        """Remember orders before anybody sends them, and who does; the newest record counts."""
        sponsor = None if begun.sponsor is None else str(begun.sponsor)
        event = {**encode_match(begun.orders), "url": begun.url, "sponsor": sponsor}
        self._journal.append(str(wish), event)

    def pending(self, wish: Fingerprint) -> BegunPurchase | None:
        """Return what an earlier run began, None when there is nothing."""
        found = [event for stream, event in self._journal.read() if stream == str(wish)]
        return _load(found[-1]) if found else None

    def end(self, wish: Fingerprint) -> None:
        """Forget: the deal is known, or the orders were refused; repeatable."""
        self._journal.forget(str(wish))


@dataclass(frozen=True, slots=True)
class OpenWallet:
    """A wallet that is open: its sender, and a hub that has seen what the sender saw mined."""

    hub: Hub
    watcher: Watcher
    sender: TransactionSender
    intentions: Intentions
    rounds: Rounds
    purchases: Purchases
    deals: RememberedDeals


@dataclass(slots=True)
class _Turn:
    """One task's turn with a wallet; ``opened`` is None once it is over."""

    wallet: SpendingWallet
    opened: OpenWallet | None

    def end(self) -> None:
        """What has it still, in a task that outlives the turn, has it no more."""
        self.opened = None


_TURN: Final[ContextVar[_Turn | None]] = ContextVar("turn", default=None)
"""Whose turn it is in this task, and in those that it began meanwhile."""


class SpendingWallet:
    """Opens a wallet for as long as something is sent, on a connection of its own.

    So another program may spend from the wallet while this one only watches. Tasks of one program
    that spend take turns.

    Args:
        connect: Connects to the chain; of ``poolhand.chain``, or yielding a ``FakeChain``.
        wallet: The key.
        folder: Of the journals, one for each chain and wallet.
        locks: Where this machine's programs lock the wallets they use.
        clock: Waits while another program spends.
        longest_wait: Seconds to wait for it.

    Attributes:
        signer: The key.
        busy: Told at once when another program has to be waited for.
    """

    def __init__(
        self,
        connect: Connect,
        wallet: Wallet,
        folder: Path,
        locks: Path,
        clock: Clock,
        longest_wait: float = LONGEST_WAIT_FOR_WALLET,
    ) -> None:
        self._connect, self.signer, self._clock = connect, wallet, clock
        self._longest_wait = longest_wait
        self._folder, self._locks = at_home(folder), locks
        self._turns = asyncio.Lock()
        self.busy: Signal[[WalletInUse]] = Signal()

    @property
    def address(self) -> Address:
        """Whose wallet it is."""
        return self.signer.address

    @asynccontextmanager
    async def open(self) -> AsyncIterator[OpenWallet]:
        """Take the wallet, waiting for another program that has it; put it back at the end.

        May be nested: the inner one is the outer one's.

        Raises:
            WalletInUse: The other program did not let go in time, or never will by itself.
            JournalCorrupt: A journal was altered; its message says what to do.
            ChainUnreachable: No endpoint answers.
        """
        mine = _TURN.get()
        if mine is not None and mine.wallet is self and mine.opened is not None:
            yield mine.opened
            return
        async with self._turns, self._opened_wallet() as opened:
            turn = _Turn(self, opened)
            _TURN.set(turn)
            try:
                yield opened
            finally:
                turn.end()
                _TURN.set(mine)

    @asynccontextmanager
    async def _opened_wallet(self) -> AsyncIterator[OpenWallet]:
        async with AsyncExitStack() as stack:
            stack.enter_context(_held(await self._acquire()))
            after = stack.enter_context(ExitStack())  # the journal outlives the connection
            chain = await stack.enter_async_context(self._connect())
            journal = after.enter_context(closing(self._journal(chain.hub.facts)))
            sender = chain.sender(self.signer, Section(journal, "tx"))
            purchases = Purchases(Section(journal, "purchase"))
            deals = self.remembered(chain.hub.facts)
            intentions = Intentions(Section(journal, "intention"), sender)
            rounds = Rounds(Section(journal, "round"), sender)
            yield OpenWallet(chain.hub, chain.watcher, sender, intentions, rounds, purchases, deals)

    def remembered(self, facts: HubFacts) -> RememberedDeals:
        """Return the deals that this wallet bought here."""
        return RememberedDeals.of(self._folder, facts, self.address)

    def _journal(self, facts: HubFacts) -> FileJournal:
        home = self._folder / f"{facts.chain_id}-{facts.hub}"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileJournal(home / f"{self.address}.journal")

    async def _acquire(self) -> WalletLock:
        lock, waited = WalletLock(self._locks, self.address), 0.0
        while True:
            try:
                lock.acquire()
            except WalletInUse as fault:
                if fault.is_lasting or waited >= self._longest_wait:
                    raise
                if not waited:
                    self.busy(fault)
            else:
                return lock
            await self._clock.sleep(_PAUSE_BETWEEN_LOCK_TRIES)
            waited += _PAUSE_BETWEEN_LOCK_TRIES


@contextmanager
def _held(lock: WalletLock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()


def _load(event: dict[str, Any]) -> BegunPurchase:
    url, sponsor = event.get("url"), event.get("sponsor")  # an older version wrote none
    try:
        return BegunPurchase(
            decode_match(event),
            url if isinstance(url, str) else None,
            Address.parse(sponsor) if isinstance(sponsor, str) else None,
        )
    except (Malformed, Refused) as fault:
        raise JournalCorrupt("the journal of purchases", 0, str(fault)) from fault
