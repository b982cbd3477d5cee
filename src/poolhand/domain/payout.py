"""What a worker sends of its stake to an address of its owner's: how much, and when. Pure.

All that is free or locked on the hub is one sum: so much of it as the owner keeps there stays,
whatever tasks lock, and a stake that was lost is earned back before anything is paid out.

Source: PoCo 6.x, IexecEscrow (``withdrawTo`` turns free stake into RLC of another account, whole
or not at all).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from poolhand.domain.deal import Account
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, UnixSeconds

PAUSE_AFTER_DROPPED_PAYOUT: Final = Seconds(600)
"""Before another try of what was not paid: gas may be cheaper by then, or a wallet refilled."""


class BadPayoutAddress(Refused):
    """An address to which nothing can usefully be paid; the message says why."""

    def __init__(self, to: Address, what: str) -> None:
        super().__init__(
            f"payout-address {to} is {what}: name an address whose key you have, or leave it out"
        )


@dataclass(frozen=True, slots=True)
class PayoutTerms:
    """What the owner wants.

    Attributes:
        keep: Of stake, free and locked, that stays on the hub; None: nothing is paid out.
        least: In one payment.
        every: Between two payments at least.
    """

    keep: NanoRlc | None
    least: NanoRlc
    every: Seconds


@dataclass(frozen=True, slots=True)
class PayoutIntended:
    """It is to be paid: written down before anything is sent. ``number`` tells it from others."""

    number: int
    to: Address
    amount: NanoRlc
    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class PayoutMade:
    """It is mined; ``total`` is all that this worker has paid out, this included (nRLC)."""

    number: int
    to: Address
    amount: NanoRlc
    at: UnixSeconds
    tx_hash: TxHash
    block: BlockNumber
    total: NanoRlc


@dataclass(frozen=True, slots=True)
class PayoutDropped:
    """It was not paid, and will not be under this number; ``why`` is for a person."""

    number: int
    at: UnixSeconds
    why: str


PayoutEvent: TypeAlias = PayoutIntended | PayoutMade | PayoutDropped


@dataclass(frozen=True, slots=True)
class PayoutBook:
    """What became of a worker's payments: enough to go on after any end of the program.

    Attributes:
        number: Of the last that was intended; 0: none was.
        intended: That of which it is not known what became; None: there is none.
        last: The last that was made.
        dropped: The last that was dropped, where none was made since.
    """

    number: int = 0
    intended: PayoutIntended | None = None
    last: PayoutMade | None = None
    dropped: PayoutDropped | None = None

    @property
    def total(self) -> NanoRlc:
        """All that was paid out (nRLC)."""
        return NanoRlc(0) if self.last is None else self.last.total

    def after(self, event: PayoutEvent) -> PayoutBook:
        """Return the book with one thing more that happened; what is known of changes nothing."""
        if isinstance(event, PayoutIntended):
            if event.number <= self.number:
                return self
            return replace(self, number=event.number, intended=event)
        if self.intended is None or event.number != self.intended.number:
            return self
        if isinstance(event, PayoutMade):
            return replace(self, intended=None, last=event, dropped=None)
        return replace(self, intended=None, dropped=event)

    def not_before(self, terms: PayoutTerms) -> UnixSeconds:
        """Return from when on another may be intended."""
        paid = 0 if self.last is None else self.last.at + terms.every
        tried = 0 if self.dropped is None else self.dropped.at + PAUSE_AFTER_DROPPED_PAYOUT
        return UnixSeconds(max(paid, tried))


def read_payouts(events: Iterable[PayoutEvent]) -> PayoutBook:
    """Return the book of events in order."""
    book = PayoutBook()
    for event in events:
        book = book.after(event)
    return book


def payout_due(
    terms: PayoutTerms,
    book: PayoutBook,
    account: Account,
    needed: NanoRlc,
    now: UnixSeconds,
) -> NanoRlc:
    """Return what is to be paid out now (nRLC); 0: nothing.

    Args:
        terms: The owner's.
        book: What was paid before; none of it may be open.
        account: The worker's.
        needed: What tasks that it holds will still lock (nRLC).
        now: By the worker's clock.
    """
    if terms.keep is None or now < book.not_before(terms):
        return NanoRlc(0)
    spare = min(account.stake + account.locked - terms.keep, account.stake - needed)
    return NanoRlc(spare) if spare >= max(terms.least, 1) else NanoRlc(0)


def check_payout_address(
    to: Address, wallet: Address | None, hub: Address, workerpool: Address, rlc: Address | None
) -> None:
    """Check that what is paid there can be had by somebody else than the worker.

    Args:
        to: Named by the owner.
        wallet: The worker's own; None before it is known.
        hub: The PoCo proxy.
        workerpool: The pool's contract.
        rlc: The token's; None where RLC is the chain's coin, or before it is known.

    Raises:
        BadPayoutAddress: It is the worker's own, nobody's, or one of these contracts.
    """
    for other, what in (
        (wallet, "the worker's own wallet, which signs with a key on this computer"),
        (hub, "the hub, which would keep what it is sent"),
        (workerpool, "the workerpool's contract, from which nobody gets it back"),
        (rlc, "the contract of RLC, which would keep what it is sent"),
    ):
        if to == other:
            raise BadPayoutAddress(to, what)
    if to.is_zero:
        raise BadPayoutAddress(to, "the zero address, which is nobody's")
