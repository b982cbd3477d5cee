"""Restrictions of orders to a party, or to a group: a contract that says who belongs to it.

Source: PoCo 6.x, ``_isAccountAuthorizedByRestriction`` (ERC-734, purpose 4).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from poolhand.domain.ids import Address
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.orders.reasons import Reason

IsMember: TypeAlias = Callable[[Address, Address], bool]
"""Whether to a group belongs an account."""


@dataclass(frozen=True, slots=True)
class Membership:
    """An account that may belong to a group."""

    group: Address
    account: Address


def restrictions(orders: MatchOrders) -> Iterator[tuple[Reason, Membership]]:
    """Yield whom four orders are restricted to, in the contract's order, zero where to nobody."""
    app, dataset = orders.app.order, orders.dataset.order
    pool, request = orders.workerpool.order, orders.request.order
    requester = request.requester
    rules = (
        (Reason.REQUEST_RESTRICTS_WORKERPOOL, request.workerpool, pool.workerpool),
        (Reason.APP_RESTRICTS_DATASET, app.dataset_restrict, dataset.dataset),
        (Reason.APP_RESTRICTS_WORKERPOOL, app.workerpool_restrict, pool.workerpool),
        (Reason.APP_RESTRICTS_REQUESTER, app.requester_restrict, requester),
        (Reason.DATASET_RESTRICTS_APP, dataset.app_restrict, app.app),
        (Reason.DATASET_RESTRICTS_WORKERPOOL, dataset.workerpool_restrict, pool.workerpool),
        (Reason.DATASET_RESTRICTS_REQUESTER, dataset.requester_restrict, requester),
        (Reason.WORKERPOOL_RESTRICTS_APP, pool.app_restrict, app.app),
        (Reason.WORKERPOOL_RESTRICTS_DATASET, pool.dataset_restrict, dataset.dataset),
        (Reason.WORKERPOOL_RESTRICTS_REQUESTER, pool.requester_restrict, requester),
    )
    for reason, restriction, account in rules:
        yield reason, Membership(restriction, account)


def is_open(asked: Membership) -> bool:
    """Whether a restriction lets an account in without a group: it is to nobody, or to it."""
    return asked.group.is_zero or asked.group == asked.account


def in_question(orders: MatchOrders) -> Iterator[Membership]:
    """Yield on which memberships it hangs whether four orders match."""
    return (asked for _, asked in restrictions(orders) if not is_open(asked))


def among(known: Collection[Membership]) -> IsMember:
    """Return who belongs where, by the memberships that groups have confirmed."""
    return lambda group, account: Membership(group, account) in known
