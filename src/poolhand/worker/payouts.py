"""Paying out: what a worker has earned beyond the stake that it keeps goes to its owner.

One transaction of the hub does it (``withdrawTo``), so there is no moment at which the RLC is on
its way. What is to be paid is written down under a number of its own before it is sent; a program
that is started again sends the same purpose, which its sender knows, and so pays once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from poolhand.domain.deal import Account
from poolhand.domain.errors import EndsProgram, Raced, Refused
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Head, Receipt, WithdrawTo
from poolhand.domain.payout import (
    PayoutBook,
    PayoutDropped,
    PayoutEvent,
    PayoutIntended,
    PayoutMade,
    PayoutTerms,
    payout_due,
    read_payouts,
)
from poolhand.domain.units import NanoRlc, show_rlc
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.retry import ChainRetry
from poolhand.ports.clock import Clock
from poolhand.ports.journal import Journal
from poolhand.wire.journal_json import EventCodec
from poolhand.worker.worker_wallet import WorkerWallet

PAUSE_BETWEEN_PAYOUT_LOOKS: Final = 60.0
"""Seconds."""
PAYOUTS_JOURNALED: Final = 20
"""Payments that stay in the journal, a stream each; the newest has the sum of all."""
PAYOUT_CODEC: Final[EventCodec[PayoutEvent]] = EventCodec(
    (PayoutIntended, PayoutMade, PayoutDropped)
)

log = structlog.get_logger()


class Payouts:
    """Pays the owner now and then.

    Args:
        to: Whom; None: nobody.
        terms: How much is kept, and how often is paid, as it holds now.
        wallet: Sends; the gas of reveals owed is left alone.
        at_head: Reads the worker's account at the newest block, once the chain answers.
        needed: Tells what tasks that are held will still lock (nRLC); None: not known yet.
        retry: Waits while the chain does not answer.
        journal: Of the payments, and of nothing else.
        clock: For moments and pauses.
        boundary: Takes what paying raises and nobody expected.
        paid: Told of the account once a payment has left it.
    """

    def __init__(
        self,
        to: Address | None,
        terms: Callable[[], PayoutTerms],
        wallet: WorkerWallet,
        at_head: Callable[[], Awaitable[tuple[Head, Account]]],
        needed: Callable[[], NanoRlc | None],
        retry: ChainRetry,
        journal: Journal,
        clock: Clock,
        boundary: FaultBoundary,
        paid: Callable[[Account], None] = lambda _account: None,
    ) -> None:
        self._to, self._terms, self._wallet, self._at_head = to, terms, wallet, at_head
        self._needed, self._retry, self._journal, self._clock = needed, retry, journal, clock
        self._boundary, self._paid = boundary, paid
        self._book = PayoutBook()

    @property
    def book(self) -> PayoutBook:
        """What became of the payments so far."""
        return self._book

    def recover(self) -> None:
        """Read what earlier runs paid, and what they left open."""
        self._book = read_payouts(PAYOUT_CODEC.decode(event) for _, event in self._journal.read())

    async def keep_paying(self) -> None:
        """Look now and then whether something is due, for ever.

        What was left open is finished, whoever is to be paid now: it may be on chain.
        """
        while self._to is not None or self._book.intended is not None:
            with self._boundary.around("payout"):
                await self.look()
            await self._clock.sleep(PAUSE_BETWEEN_PAYOUT_LOOKS)

    async def look(self) -> None:
        """Finish what is open, else pay what is due; raises what ends the program."""
        if self._book.intended is None:
            await self._intend()
        if self._book.intended is not None:
            await self._send(self._book.intended)

    def show(self) -> dict[str, Any] | None:
        """Show it for the status page (nRLC, Unix seconds); None: nobody is to be paid."""
        if self._to is None:
            return None
        terms, book = self._terms(), self._book
        last = book.last
        return {
            "to": str(self._to),
            "keep_nrlc": terms.keep,
            "least_nrlc": terms.least,
            "every_seconds": terms.every,
            "paid_nrlc": book.total,
            "under_way_nrlc": None if book.intended is None else book.intended.amount,
            "last": None
            if last is None
            else {
                "to": str(last.to),
                "nrlc": last.amount,
                "at": last.at,
                "tx": str(last.tx_hash),
                "block": last.block,
            },
            "not_before": book.not_before(terms),
            "problem": self._problem(terms),
        }

    def _problem(self, terms: PayoutTerms) -> str | None:
        if terms.keep is None:
            return (
                "nothing is paid out: say how much stake stays, as with `poolhand worker set "
                "payout-keep=100`"
            )
        return None if self._book.dropped is None else self._book.dropped.why

    async def _intend(self) -> None:
        """Write down what is due, if anything is; the tasks are asked before the account is."""
        terms, needed = self._terms(), self._needed()
        if self._to is None or terms.keep is None or needed is None:
            return
        now = self._clock.now()
        if now < self._book.not_before(terms):
            return
        head, account = await self._at_head()
        if self._book.last is not None and head.number < self._book.last.block:
            return  # a node that lags has not seen the last payment
        amount = payout_due(terms, self._book, account, needed, now)
        if amount:
            self._note(PayoutIntended(self._book.number + 1, self._to, amount, now))

    async def _send(self, wanted: PayoutIntended) -> None:
        purpose, call = (
            f"payout:{wanted.number}:{wanted.amount}",
            WithdrawTo(wanted.to, wanted.amount),
        )

        async def sent() -> Receipt:
            return await self._wallet.place(purpose, call, await self._wallet.reserve())

        try:
            receipt = await self._retry.ask(sent)
        except EndsProgram:
            raise
        except (Refused, Raced) as fault:
            self._note(PayoutDropped(wanted.number, self._clock.now(), str(fault)))
            log.warning("payout_dropped", to=str(wanted.to), nrlc=wanted.amount, cause=str(fault))
            return
        self._note(
            PayoutMade(
                wanted.number,
                wanted.to,
                wanted.amount,
                self._clock.now(),
                receipt.tx_hash,
                receipt.block,
                NanoRlc(self._book.total + wanted.amount),
            )
        )
        log.info(
            "paid_out",
            to=str(wanted.to),
            rlc=show_rlc(wanted.amount),
            nrlc=wanted.amount,
            tx=str(receipt.tx_hash),
            block=receipt.block,
        )
        _, account = await self._at_head()
        self._paid(account)

    def _note(self, event: PayoutEvent) -> None:
        """Write an event down, and let go of payments that nobody needs any more."""
        self._journal.append(str(event.number), PAYOUT_CODEC.encode(event))
        before, self._book = self._book.last, self._book.after(event)
        old = event.number - PAYOUTS_JOURNALED
        if isinstance(event, PayoutMade) and before is not None and before.number <= old:
            self._journal.forget(str(before.number))
        elif isinstance(event, PayoutIntended) and (before is None or before.number != old):
            self._journal.forget(str(old))
