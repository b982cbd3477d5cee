"""What the chain says of files left for workers: what is at stake, and which are bought."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.errors import Malformed
from poolhand.domain.ids import Address
from poolhand.domain.params import DealParams
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds
from poolhand.ports.chain import Hub
from poolhand.results.unbought_inputs import LeftInput
from poolhand.wire.results_api import input_path

BLOCKS_MEASURED: Final = 1_000
"""Over which the time between two blocks is measured."""
BLOCKS_BESIDES: Final = 100
"""That are looked at before those in which a file may have been bought: clocks differ."""


class InputDeals:
    """Asks the chain.

    Args:
        hub: Reads it.
        workerpool: Whose results these are: of its deals it does not matter who pays.
    """

    def __init__(self, hub: Hub, workerpool: Address | None = None) -> None:
        self._hub, self._workerpool = hub, workerpool

    async def stake(self, owner: Address) -> NanoRlc:
        """Return what an account has in the hub, free and locked; raises ChainUnreachable."""
        account = (await self._hub.accounts([owner]))[owner]
        return NanoRlc(account.stake + account.locked)

    async def named(self, owner: Address, age: Seconds) -> frozenset[LeftInput]:
        """Return the files of an owner that deals of the last ``age`` seconds name.

        Raises:
            ChainUnreachable: Nobody knows.
        """
        head = await self._hub.head()
        back = min(BLOCKS_MEASURED, head.number)
        before = await self._hub.block(BlockNumber(head.number - back))
        spent = head.timestamp - before.timestamp if before else 0
        reach = age * back // spent if spent > 0 else head.number
        first = BlockNumber(max(head.number - 2 * reach - BLOCKS_BESIDES, 0))
        events = list(await self._hub.locks_of(owner, first, head.number))
        if self._workerpool is not None:
            events += await self._hub.deals_of(self._workerpool, first, head.number)
        names = {each.deal_id for each in events if each.deal_id is not None}
        deals = await self._hub.deals(names)
        return frozenset(known for each in deals.values() for known in _inputs(each, owner))


def _inputs(deal: Deal, owner: Address) -> Iterator[LeftInput]:
    """Yield the files of an owner that a deal names, at whatever host."""
    try:
        urls = DealParams.parse(deal.params).input_files
    except Malformed:
        return
    for url in urls:
        digest = url[-64:]
        if url.endswith(input_path(owner, bytes(32))[:-64] + digest) and _is_hex(digest):
            yield LeftInput(owner, bytes.fromhex(digest))


def _is_hex(text: str) -> bool:
    return len(text) == 64 and all(each in "0123456789abcdef" for each in text)
