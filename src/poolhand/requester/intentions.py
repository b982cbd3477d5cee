"""What a person asks to be sent: carried out once, also where its end was not told.

A payment whose answer was lost may have been mined all the same, so to send another would pay
twice. The same thing asked for again is therefore the one that was begun, until its end is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from poolhand.domain.errors import PoolhandError, Unavailable
from poolhand.domain.onchain import Call, Receipt
from poolhand.ports.chain import TransactionSender
from poolhand.ports.journal import Journal


@dataclass(frozen=True, slots=True)
class Intentions:
    """What one wallet was asked to send on one chain and has no known end."""

    journal: Journal
    sender: TransactionSender

    async def carry_out(self, kind: str, call: Call, salt: bytes) -> Receipt:
        """Send a call, or finish sending the same one where that was begun.

        Args:
            kind: What it is for.
            call: What is sent.
            salt: Tells this time from all others.

        Raises:
            ChainUnreachable: Whether it was mined is unknown; asked for again it is finished.
            Reverted, OutOfGas, …: It was not carried out, see ``TransactionSender.send``.
        """
        stream, begun = _stream(kind, call), self._begun(kind, call)
        purpose = begun[-1] if begun else f"{kind}:{salt.hex()}"
        if not begun:
            self.journal.append(stream, {"purpose": purpose})
        try:
            receipt = await self.sender.send(purpose, call)
        except Unavailable:
            raise
        except PoolhandError:
            self.journal.forget(stream)
            raise
        self.journal.forget(stream)
        return receipt

    def has_begun(self, kind: str, call: Call) -> bool:
        """Whether a call was begun whose end is not known."""
        return bool(self._begun(kind, call))

    def _begun(self, kind: str, call: Call) -> list[str]:
        stream = _stream(kind, call)
        return [str(record["purpose"]) for name, record in self.journal.read() if name == stream]


def _stream(kind: str, call: Call) -> str:
    return sha256(f"{kind} {call!r}".encode()).hexdigest()
