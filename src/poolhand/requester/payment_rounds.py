"""Several payments of one wallet that belong together: begun as a whole, each sent once.

What is to be paid is written down before any of it is sent. Whoever was cut off finishes that round
by the same purposes, of which the sender sends none twice, and only then looks at balances again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from poolhand.domain.errors import (
    EndsProgram,
    Malformed,
    PoolhandError,
    Raced,
    Refused,
    Reverted,
)
from poolhand.domain.fleet_money import PaymentCall, PaymentRound
from poolhand.domain.onchain import Receipt
from poolhand.ports.chain import TransactionSender
from poolhand.ports.journal import Journal
from poolhand.store.errors import JournalCorrupt
from poolhand.wire.journal_json import EventCodec


@dataclass(frozen=True, slots=True)
class BegunRound:
    """Payments that were begun; ``salt`` (hexadecimal) tells them from all others."""

    salt: str
    due: PaymentRound


_CODEC: Final[EventCodec[BegunRound]] = EventCodec((BegunRound,))


def is_refusal(fault: BaseException) -> bool:
    """Whether a payment that ended so is not mined, and never will be."""
    return isinstance(fault, Reverted | Refused | Raced) and not isinstance(fault, EndsProgram)


@dataclass(frozen=True, slots=True)
class Rounds:
    """The rounds of one wallet on one chain, by whom they are for."""

    journal: Journal
    sender: TransactionSender

    def begun(self, whose: str) -> PaymentRound | None:
        """Return the payments that were begun and whose end is not known; None: there are none."""
        found = self._begun(whose)
        return None if found is None else found.due

    def begin(self, whose: str, due: PaymentRound, salt: bytes) -> None:
        """Write down what is to be paid; nothing is sent yet.

        Args:
            whose: Names a round; one at a time.
            due: What is to be paid.
            salt: Tells it from all others.
        """
        self.journal.append(whose, _CODEC.encode(BegunRound(salt.hex(), due)))

    async def finish(
        self, whose: str, told: Callable[[PaymentCall, Receipt], None] = lambda _, __: None
    ) -> None:
        """Pay what of a round is not paid yet, stage after stage; nothing where none was begun.

        Args:
            whose: Names the round.
            told: Of each payment that is mined.

        Raises:
            Reverted, OutOfGas, …: A payment was refused (``is_refusal``). What was sent with it has
                ended, and the round is over: what is still to be paid, balances tell.
            ChainUnreachable, …: Anything else. Whether all was mined is unknown; called again the
                round is finished.
        """
        found = self._begun(whose)
        if found is None:
            return
        try:
            for number, stage in enumerate(found.due.stages):
                await self._pay(f"round:{found.salt}:{number}", stage, told)
        except PoolhandError as fault:
            if is_refusal(fault):
                self.journal.forget(whose)
            raise
        self.journal.forget(whose)

    async def _pay(
        self,
        purpose: str,
        stage: tuple[PaymentCall, ...],
        told: Callable[[PaymentCall, Receipt], None],
    ) -> None:
        """Send a stage's payments together and wait for all, whatever becomes of any."""

        async def send(number: int, call: PaymentCall) -> None:
            told(call, await self.sender.send(f"{purpose}:{number}", call))

        sent = (send(number, call) for number, call in enumerate(stage))
        ends = await asyncio.gather(*sent, return_exceptions=True)
        faults = [each for each in ends if isinstance(each, BaseException)]
        for fault in sorted(faults, key=is_refusal):
            raise fault

    def _begun(self, whose: str) -> BegunRound | None:
        found = [event for stream, event in self.journal.read() if stream == whose]
        if not found:
            return None
        try:
            return _CODEC.decode(found[-1])
        except Malformed as fault:
            raise JournalCorrupt("the journal of payments", 0, str(fault)) from fault
