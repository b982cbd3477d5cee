"""Transactions and blocks of a fake chain."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from eth_hash.auto import keccak

from poolhand.chain.fake.state import Moved, State
from poolhand.domain.errors import Reverted
from poolhand.domain.ids import Address, TxHash
from poolhand.domain.movements import Movement
from poolhand.domain.onchain import Call, Head, HubEvent, Receipt


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction: in the pool, in a block, or taken back by a re-organisation."""

    sender: Address
    nonce: int
    call: Call

    @property
    def tx_hash(self) -> TxHash:
        """Names sender, nonce and call."""
        return TxHash(keccak(f"{self.sender}:{self.nonce}:{self.call!r}".encode()))


@dataclass(frozen=True, slots=True)
class MinedCall:
    """A transaction in a block; ``refusal`` is why it failed, None when it succeeded."""

    sent: Sent
    receipt: Receipt
    refusal: Reverted | None


@dataclass(frozen=True, slots=True)
class FakeBlock:
    """A block and the state it left."""

    head: Head
    mined: tuple[MinedCall, ...]
    events: tuple[HubEvent, ...]
    state: State
    moved: tuple[tuple[Address, Movement], ...] = ()


def mixed(waiting: list[Sent], seed: int | None) -> list[Sent]:
    """Return transactions in another order, as a node may; each sender's stay in theirs."""
    if seed is None:
        return waiting
    chance = Random(seed)  # noqa: S311 - repeatable on purpose
    queues: defaultdict[Address, deque[Sent]] = defaultdict(deque)
    for sent in waiting:
        queues[sent.sender].append(sent)
    senders = [sent.sender for sent in waiting]
    chance.shuffle(senders)
    return [queues[sender].popleft() for sender in senders]


def movements(
    moved: Sequence[Moved], head: Head, entry: MinedCall, count: int
) -> list[tuple[Address, Movement]]:
    """Give movements their places in a block, after ``count`` others."""
    tx_hash = entry.receipt.tx_hash
    return [
        (each.owner, Movement(each.kind, each.amount, head.number, tx_hash, index, each.task_id))
        for index, each in enumerate(moved, count)
    ]
