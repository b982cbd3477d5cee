"""What the chain says of files left for workers: what is at stake, and which are bought."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.errors import Malformed
from poolhand.domain.ids import Address, DealId
from poolhand.domain.onchain import Head, HubEvent
from poolhand.domain.params import DealParams
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds
from poolhand.ports.chain import Hub
from poolhand.results.unbought_inputs import LeftInput
from poolhand.wire.results_api import read_input_url

BLOCKS_MEASURED: Final = 1_000
"""Over which the time between two blocks is measured."""
BLOCKS_BESIDES: Final = 100
"""That are looked at before those in which a file may have been bought: clocks differ, and the
newest blocks may be replaced."""
DEALS_READ_TOGETHER: Final = 256


class InputDeals:
    """Asks the chain.

    Args:
        hub: Reads it.
        keep: Seconds for which a file is kept: no deal that was made earlier matters.
        workerpool: Whose results these are: of its deals it does not matter who pays.
    """

    def __init__(self, hub: Hub, keep: Seconds, workerpool: Address | None = None) -> None:
        self._hub, self._keep, self._workerpool = hub, keep, workerpool
        self._of_pool: dict[LeftInput, BlockNumber] = {}  # in the order in which they were read
        self._read, self._newest = BlockNumber(0), set[DealId | None]()

    async def stake(self, owner: Address) -> NanoRlc:
        """Return what an account has in the hub, free and locked; raises ChainUnreachable."""
        account = (await self._hub.accounts([owner]))[owner]
        return NanoRlc(account.stake + account.locked)

    async def named(
        self, owner: Address, files: Collection[LeftInput], age: Seconds
    ) -> frozenset[LeftInput]:
        """Return those files of an owner that deals of the last ``age`` seconds name.

        Raises:
            ChainUnreachable: Nobody knows.
        """
        head = await self._hub.head()
        events = await self._hub.locks_of(owner, await self._first(head, age), head.number)
        own = {known for _, known in await self._named_by(events)}
        if self._workerpool is not None:
            await self._read_pool(self._workerpool, head)
        return frozenset(known for known in files if known in own or known in self._of_pool)

    async def _read_pool(self, workerpool: Address, head: Head) -> None:
        """Read the pool's deals that are new; newest blocks are read again, for chains turn."""
        oldest = await self._first(head, self._keep)
        first = max(oldest, self._read - BLOCKS_BESIDES)
        events = await self._hub.deals_of(workerpool, BlockNumber(first), head.number)
        new = [each for each in events if each.deal_id not in self._newest]
        for at in range(0, len(new), DEALS_READ_TOGETHER):
            for block, known in await self._named_by(new[at : at + DEALS_READ_TOGETHER]):
                self._of_pool[known] = block
        self._read, again = head.number, head.number - BLOCKS_BESIDES
        self._newest = {each.deal_id for each in events if each.block >= again}
        while self._of_pool and next(iter(self._of_pool.values())) < oldest:
            del self._of_pool[next(iter(self._of_pool))]

    async def _named_by(self, events: Sequence[HubEvent]) -> list[tuple[BlockNumber, LeftInput]]:
        blocks = {each.deal_id: each.block for each in events if each.deal_id is not None}
        deals = await self._hub.deals(blocks)
        return [(blocks[each.deal_id], known) for each in deals.values() for known in _inputs(each)]

    async def _first(self, head: Head, age: Seconds) -> BlockNumber:
        """Return the block from which on deals of the last ``age`` seconds surely are."""
        back = min(BLOCKS_MEASURED, head.number)
        before = await self._hub.block(BlockNumber(head.number - back))
        spent = head.timestamp - before.timestamp if before else 0
        reach = age * back // spent if spent > 0 else head.number
        return BlockNumber(max(head.number - 2 * reach - BLOCKS_BESIDES, 0))


def _inputs(deal: Deal) -> Iterator[LeftInput]:
    """Yield the files that a deal names as they are left here, at whatever host."""
    try:
        urls = DealParams.parse(deal.params).input_files
    except Malformed:
        return
    for url in urls:
        if left := read_input_url(url):
            yield LeftInput(*left)
