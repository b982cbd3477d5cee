"""Recent blocks as the chain stands, and where it forked: pure, fed by the watcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from poolhand.chain import abi
from poolhand.domain.ids import BlockHash
from poolhand.domain.onchain import Head, HubEvent
from poolhand.domain.units import BlockNumber, Gas, UnixSeconds, Wei

BLOCKS_KEPT: Final = 64
"""Blocks kept, and the deepest re-organisation that is followed exactly."""
FORKS_KEPT: Final = 64
"""Re-organisations kept, for those who look again only after several."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block and the hub's logs in it, in order."""

    head: Head
    events: tuple[HubEvent, ...]


class Window:
    """The newest blocks without gaps.

    Attributes:
        forks: Lowest number replaced by each re-organisation of late, oldest first; the first of
            them stands for those before it, too.
        fork_count: How many re-organisations there have been.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, Block] = {}
        self.base = self.top = BlockNumber(-1)
        self.forks: list[BlockNumber] = []
        self.fork_count = 0

    @property
    def tip(self) -> Head | None:
        """The newest block, None before the first."""
        block = self._blocks.get(self.top)
        return block.head if block else None

    def holds(self, number: int, block_hash: BlockHash) -> bool:
        """Whether a block is among those kept."""
        block = self._blocks.get(number)
        return block is not None and block.head.block_hash == block_hash

    def block(self, number: int) -> Block:
        """Return a block from ``base`` to ``top``."""
        return self._blocks[number]

    def forks_since(self, count: int) -> list[BlockNumber]:
        """Return where the chain forked since there were ``count`` forks, or a block before it."""
        missed = min(self.fork_count - count, len(self.forks))
        return self.forks[len(self.forks) - missed :]

    def extend(self, blocks: Sequence[Block]) -> None:
        """Take over linked blocks, oldest first; what they contradict is dropped.

        They link to a kept block, or replace everything.
        """
        first = blocks[0].head
        if not self.holds(first.number - 1, first.parent_hash):
            self._start_anew(blocks)
        elif first.number <= self.top:
            self._forked(first.number)
            for number in range(first.number, self.top + 1):
                del self._blocks[number]
        for block in blocks:
            self._blocks[block.head.number] = block
        self.top = blocks[-1].head.number
        for number in range(self.base, self.top - BLOCKS_KEPT + 1):
            del self._blocks[number]
            self.base = BlockNumber(number + 1)

    def _forked(self, number: BlockNumber) -> None:
        self.fork_count += 1
        self.forks.append(number)
        if len(self.forks) > FORKS_KEPT:
            oldest = self.forks.pop(0)
            self.forks[0] = min(oldest, self.forks[0])

    def _start_anew(self, blocks: Sequence[Block]) -> None:
        first = blocks[0].head.number
        if self._blocks and first <= self.top:
            self._forked(first)
        self._blocks.clear()
        self.base = first


def read_head(raw: Any) -> Head:
    """Read a block header as nodes write it; raises KeyError, TypeError or ValueError."""
    base_fee, gas_limit = raw.get("baseFeePerGas"), raw.get("gasLimit")
    return Head(
        number=BlockNumber(abi.quantity(raw["number"])),
        block_hash=BlockHash(abi.raw_bytes(raw["hash"])),
        parent_hash=BlockHash(abi.raw_bytes(raw["parentHash"])),
        timestamp=UnixSeconds(abi.quantity(raw["timestamp"])),
        base_fee=None if base_fee is None else Wei(abi.quantity(base_fee)),
        gas_limit=None if gas_limit is None else Gas(abi.quantity(gas_limit)),
    )
