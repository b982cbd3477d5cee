"""The journal of one wallet's transactions: durable before anything is broadcast.

A stream ``tx:<purpose>`` holds every version that was ever signed for the purpose, replacements at
the same nonce included; the last record's nonce is the one in force.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from poolhand.chain.gas import Fees
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.transaction import UnsignedTransaction
from poolhand.ports.journal import DurableLog
from poolhand.wire.journal_json import EventCodec

LEDGER_PREFIX: Final = "tx:"


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction as signed: ``raw`` is what is broadcast, always the same bytes."""

    sender: Address
    purpose: str
    transaction: UnsignedTransaction
    raw: bytes
    tx_hash: TxHash

    @property
    def nonce(self) -> int:
        """Its place in the wallet's sequence."""
        return self.transaction.nonce

    @property
    def fees(self) -> Fees:
        """What it pays."""
        return Fees(self.transaction.max_fee, self.transaction.priority_fee)


LEDGER_CODEC: Final[EventCodec[SignedTransaction]] = EventCodec((SignedTransaction,))


class Ledger:
    """What one wallet signed on one chain; other streams of the journal are left alone."""

    def __init__(self, journal: DurableLog, sender: Address, chain_id: int) -> None:
        self.journal, self._sender, self._chain_id = journal, sender, chain_id

    def record(self, signed: SignedTransaction) -> None:
        """Write down a transaction; it survives a power cut once ``durable`` returns."""
        self.journal.add(LEDGER_PREFIX + signed.purpose, LEDGER_CODEC.encode(signed))

    async def durable(self) -> None:
        """Wait until all that was recorded would survive a power cut."""
        await self.journal.durable()

    def forget(self, purpose: str) -> None:
        """Drop a purpose whose story is over; repeatable."""
        self.journal.forget(LEDGER_PREFIX + purpose)

    def read(self) -> Mapping[str, list[SignedTransaction]]:
        """Return the versions in force of each purpose, oldest first.

        Raises:
            Malformed: A record is none of ours.
        """
        found: defaultdict[str, list[SignedTransaction]] = defaultdict(list)
        for stream, record in self.journal.read():
            if not stream.startswith(LEDGER_PREFIX):
                continue
            signed = LEDGER_CODEC.decode(record)
            if (signed.sender, signed.transaction.chain_id) == (self._sender, self._chain_id):
                found[signed.purpose].append(signed)
        return {
            purpose: [each for each in versions if each.nonce == versions[-1].nonce]
            for purpose, versions in found.items()
        }
