"""The same purchase again while the first is still open: noticed before it is paid twice.

Two purchases are the same when the workers are asked for the same; what was paid does not count.
Deals are found among those remembered here and in the newest blocks, so that it is noticed from
another machine, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from poolhand.chain.deal_reader import DealReader
from poolhand.domain.deal import Deal
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address, DealId
from poolhand.domain.units import BlockNumber, Seconds, show_duration
from poolhand.ports.chain import Hub
from poolhand.requester.claims import is_open
from poolhand.requester.remembered import RememberedDeals
from poolhand.requester.wish import Wish

REMEMBERED_DEALS_READ: Final = 50
"""Remembered deals that are looked at."""
RECENT_BLOCKS: Final = 1_000
"""Blocks searched where deals are remembered here."""
REPEATS_LOOKBACK: Final = 10_000
"""Blocks searched where none are: a fresh home, or a chain that was joined from elsewhere."""


class SamePurchaseOpen(Refused):
    """The same was bought before and has not ended."""


async def refuse_repeat(hub: Hub, wish: Wish, owner: Address, known: RememberedDeals) -> None:
    """Look for the same purchase of this wallet that has not ended.

    Raises:
        SamePurchaseOpen: There is one; says how to follow it and how to buy again.
        ChainUnreachable: No endpoint answers.
    """
    now, reader = (await hub.head()).timestamp, DealReader(hub)
    for deal_id in await recent_deals(hub, owner, known):
        deal = await reader.read(deal_id)
        if deal is not None and is_same(deal, wish, owner) and await _is_under_way(hub, deal, now):
            raise SamePurchaseOpen(_told(deal, Seconds(max(0, now - deal.start_time))))


async def same_deal(hub: Hub, wish: Wish, owner: Address, known: RememberedDeals) -> Deal | None:
    """Return the newest deal of a wallet that asks workers for the same, ended or not.

    Raises:
        ChainUnreachable: No endpoint answers.
    """
    reader = DealReader(hub)
    for deal_id in await recent_deals(hub, owner, known):
        deal = await reader.read(deal_id)
        if deal is not None and is_same(deal, wish, owner):
            return deal
    return None


async def recent_deals(hub: Hub, owner: Address, known: RememberedDeals) -> tuple[DealId, ...]:
    """Return a wallet's deals of late, newest first."""
    head = (await hub.head()).number
    back = RECENT_BLOCKS if known.exists else REPEATS_LOOKBACK
    first = BlockNumber(max(0, head - back + 1))
    events = await hub.locks_of(owner, first, head)
    told: Iterable[DealId] = (each.deal_id for each in events if each.deal_id is not None)
    return tuple(dict.fromkeys(reversed((*known.read()[-REMEMBERED_DEALS_READ:], *told))))


def is_same(deal: Deal, wish: Wish, owner: Address) -> bool:
    """Tell whether a deal asks workers for the same as a wish of this requester."""
    beneficiary = wish.beneficiary or owner
    return (
        (deal.requester, deal.beneficiary, deal.callback) == (owner, beneficiary, wish.callback)
        and (deal.app.address, deal.dataset.address) == (wish.app, wish.dataset)
        and deal.tag.covers(wish.tag)
        and (deal.trust, deal.category) == (wish.trust, wish.category)
        and (deal.params, deal.bot_size) == (wish.params, wish.tasks)
    )


async def _is_under_way(hub: Hub, deal: Deal, now: int) -> bool:
    category = (await hub.categories())[deal.category]
    if now >= category.final_deadline(deal.start_time):
        return False
    views = await hub.tasks({task_id: () for _, task_id in deal.tasks()})
    return any(map(is_open, views.values()))


def _told(deal: Deal, age: Seconds) -> str:
    first = next(deal.tasks())[1]
    one = deal.bot_size == 1
    follow = f"poolhand task watch {first}" if one else f"poolhand deal watch {deal.deal_id}"
    return (
        f"the same purchase is under way: deal {deal.deal_id} of {show_duration(age)} ago is "
        f"still open. Follow it with `{follow}`, or buy it again with --again"
    )
