"""The gas of the pool owner's wallet: how much there is, how much is owed, who waits for more.

What is owed to workers and requesters comes first: while the wallet cannot pay for it, nothing new
is sold and nothing new is put on chain. A transaction that could not be paid waits here until the
wallet is richer or gas is cheaper, in the order of what is owed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import structlog

from poolhand.domain.errors import ChainUnreachable, OutOfGas
from poolhand.domain.gas_reserve import Means
from poolhand.domain.onchain import Receipt
from poolhand.domain.units import Gas, UnixSeconds, Wei, show_coin
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import TransactionSender, Watcher
from poolhand.ports.clock import Clock

INITIALIZE_GAS: Final = Gas(240_000)
FINALIZE_GAS: Final = Gas(410_000)
"""What a task takes at its beginning and end (measured on PoCo 6.1)."""
TRANSACTION_PRICE_MARGIN: Final = 2
"""Times the present price that a transaction may cost: the base fee doubles within six blocks."""
PROBE: Final = 15
"""Seconds between two tries without a refill: gas may have become cheaper."""
LET_GO_PER_PAID: Final = 2
"""Transactions that are let go when one was paid: they grow soon to as many as can be paid, and
however many wait, each that is paid costs two tries."""
RANKS: Final = {"finalize": 0, "reopen": 1, "claim": 2, "initialize": 3}
"""Who is let go first when there is something to spend."""

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Waiter:
    purpose: str
    rank: int
    released: asyncio.Future[None]


class GasBudget:
    """Watches one wallet's gas: the gas budget of the pool.

    Args:
        sender: Of the wallet.
        owed: Counts the tasks on chain that the pool still has to finalize.
        changed: Called when gas has become short or is there again.
        outage: Told when the chain is out of reach.
        boundary: Takes what nobody expected of a look at the wallet.

    Attributes:
        spent: On transactions that were mined since the start (wei): a counter.
    """

    def __init__(
        self,
        sender: TransactionSender,
        clock: Clock,
        owed: Callable[[], int],
        changed: Callable[[], None],
        outage: OutageLog,
        boundary: FaultBoundary | None = None,
    ) -> None:
        self._boundary = boundary or FaultBoundary()
        self._sender, self._clock = sender, clock
        self._owed, self._changed, self._outage = owed, changed, outage
        self._waiting: dict[int, dict[_Waiter, None]] = {rank: {} for rank in RANKS.values()}
        self.spent = Wei(0)
        self._troubled: dict[str, str] = {}
        self._is_richer = False
        self._next_probe = UnixSeconds(0)
        self._was_short = False
        self._means: Means | None = None

    @property
    def is_short(self) -> bool:
        """Whether what is owed, and one task more, can not be paid for, or not at this price."""
        capped = self._means is not None and self._means.is_capped_out
        return capped or bool(self._troubled) or self.missing > 0

    @property
    def balance(self) -> Wei | None:
        """What the wallet has, None before it was read."""
        return self._means.balance if self._means else None

    @property
    def price(self) -> Wei | None:
        """What a unit of gas would be paid with now (wei), None before it was read."""
        return self._means.price if self._means else None

    @property
    def reserve(self) -> Wei:
        """What must be left for tasks on chain when another one is put there (wei)."""
        return self.reserve_with(0)

    def reserve_with(self, tasks: int) -> Wei:
        """Return what must be left for tasks on chain, and for so many more (wei)."""
        return self._cost(Gas(FINALIZE_GAS * (self._owed() + tasks)))

    @property
    def missing(self) -> Wei:
        """What the wallet lacks for what is owed and one task more (wei), as far as is known."""
        if self._means is None:
            return Wei(0)
        one_more = self._cost(Gas(INITIALIZE_GAS + FINALIZE_GAS))
        return Wei(max(0, self.reserve + one_more - self._means.balance))

    def _cost(self, gas: Gas) -> Wei:
        if self._means is None:
            return Wei(0)
        return Wei(gas * min(TRANSACTION_PRICE_MARGIN * self._means.price, self._means.cap))

    @property
    def shortage(self) -> str | None:
        """Say who must send how much to whom; None while there is enough."""
        if self._means is not None and self._means.is_capped_out:
            return self._means.cap_told
        if not self.is_short:
            return None
        if self.missing:
            wallet, coins = self._sender.address, show_coin(self.missing)
            return f"wallet {wallet} is short of gas: the pool's owner must send it {coins} coins"
        return next(iter(self._troubled.values()))

    def show(self) -> dict[str, Any]:
        """Show it for ``/health`` (wei)."""
        return {
            "short": self.is_short,
            "balance": self.balance,
            "missing": self.missing,
            "spent": self.spent,
            "message": self.shortage,
        }

    async def keep_watch(self, watcher: Watcher) -> None:
        """Read the balance with every block, for ever."""
        async with aclosing(watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                with self._boundary.around("wallet"):
                    await self._look()

    async def refill(self, kind: str, purpose: str, fault: OutOfGas) -> None:
        """Wait until a transaction that could not be paid is worth another try."""
        waiter = _Waiter(purpose, RANKS[kind], asyncio.get_running_loop().create_future())
        self._is_richer = False
        self._next_probe = UnixSeconds(self._clock.steady() + PROBE)
        self._troubled[purpose] = str(fault)
        self._waiting[waiter.rank][waiter] = None
        self._note()
        try:
            await waiter.released
        finally:
            self._waiting[waiter.rank].pop(waiter, None)

    def settled(self, purpose: str) -> None:
        """Take note that a transaction was paid, or is no longer wanted; repeatable."""
        if self._troubled.pop(purpose, None) is not None:
            self._release(LET_GO_PER_PAID)
            self._note()

    def paid(self, receipt: Receipt) -> None:
        """Count what a transaction took of the wallet."""
        self.spent = Wei(self.spent + receipt.gas_used * receipt.gas_price)

    async def _look(self) -> None:
        before = self.balance
        try:
            self._means = await self._sender.means()
        except ChainUnreachable as fault:
            self._outage.tell(fault)
            return
        self._outage.over()
        self._is_richer |= before is not None and self._means.balance > before
        if self._is_richer:
            self._release(self._payable(self._means.balance))
        elif self._clock.steady() >= self._next_probe:
            self._release(1)
        self._note()

    def _payable(self, balance: Wei) -> int:
        """Return for how many of those that wait there is enough, and one more."""
        return 1 + balance // max(1, self._cost(FINALIZE_GAS))

    def _release(self, most: int) -> None:
        """Let go of so many of those who are owed most, all of one rank."""
        first = next((self._waiting[r] for r in sorted(self._waiting) if self._waiting[r]), {})
        for waiter in tuple(islice(first, min(most, len(first)))):  # ``most`` may be beyond a word
            del self._waiting[waiter.rank][waiter]
            if not waiter.released.done():
                waiter.released.set_result(None)

    def _note(self) -> None:
        """Tell once that gas is short, and once that it is there again."""
        if self.is_short is self._was_short:
            return
        self._was_short = self.is_short
        if self.is_short:
            log.error("gas_short", wallet=str(self._sender.address), cause=self.shortage)
        else:
            log.info("gas_refilled", wallet=str(self._sender.address), balance=self.balance)
        self._changed()
