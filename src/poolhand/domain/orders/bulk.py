"""Whether the order of a dataset lets a deal have it in a bulk.

Source: iExec SDK 9.0.1 (free, without limit); PoCo 6.1, ``matchOrders`` (restrictions, tags).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from poolhand.domain.deal import Deal
from poolhand.domain.orders.groups import Membership, is_open
from poolhand.domain.orders.model import DatasetOrder


def _restrictions(order: DatasetOrder, deal: Deal) -> Iterator[Membership]:
    yield Membership(order.app_restrict, deal.app.address)
    yield Membership(order.workerpool_restrict, deal.workerpool.address)
    yield Membership(order.requester_restrict, deal.requester)


def memberships(order: DatasetOrder, deal: Deal) -> Iterator[Membership]:
    """Yield on which memberships of groups it hangs whether a deal may have a dataset."""
    return (asked for asked in _restrictions(order, deal) if not is_open(asked))


def unfit_for_bulk(
    order: DatasetOrder, deal: Deal, used: int, known: Collection[Membership]
) -> str | None:
    """Say why a deal may not have a dataset; None: it may.

    Args:
        order: Signed by the dataset's owner.
        deal: Whose bulk it is in.
        used: How much of the order is used up: all of it once it is cancelled.
        known: Memberships that groups have confirmed.
    """
    if order.price:
        return "it is not free, and nobody pays for what is in a bulk"
    if used >= order.volume:
        return "its order is cancelled, or used up"
    if not deal.tag.covers(order.tag.without_frameworks()):
        return "it asks for another kind of worker"
    for asked in _restrictions(order, deal):
        if not is_open(asked) and asked not in known:
            return f"it is restricted to {asked.group}, which is not {asked.account}"
    return None
