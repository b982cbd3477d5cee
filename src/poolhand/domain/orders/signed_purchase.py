"""Purchases that a requester only signs: which of them a pool sends, at its own cost of gas. Pure.

Anybody may send ``matchOrders``; its sender pays gas for what the requester's stake pays. So all
that is known to be refused by the contract, to come to nothing or to cost too much is refused here.

Source: onchain.md 11 to 13.
"""

from __future__ import annotations

from typing import Final

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import Refused
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import Address, DealId
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.matching import Facts, Match, match_orders
from poolhand.domain.orders.model import MatchOrders, OrderT, Signed
from poolhand.domain.signatures import BadSignature, recover, widen
from poolhand.domain.units import NanoRlc, show_rlc

MOST_SENT_PARAMS: Final = 1024
"""Bytes of params of a purchase that is sent: each 32 of them cost its sender 22 000 gas."""


class OtherPoolsOrder(Refused):
    """The workerpool order is of another pool, which alone would send it."""


class NotSignedByParty(Refused):
    """An order that its owner or requester did not sign: anybody could spend the pool's gas."""

    http_status = 401


class LongParams(Refused):
    """The params would cost whoever sends them too much gas."""


class PurchaseUnfit(Refused):
    """The contract would refuse the purchase now."""

    http_status = 409


class SplitRequest(Refused):
    """A part of the request was bought before, or the orders have too few tasks left."""

    http_status = 409


class FeeMissing(Refused):
    """The workerpool order pays less than the pool asks where it sends the purchase."""

    http_status = 402


def deal_of(orders: MatchOrders, domain: Domain, used: int = 0) -> DealId:
    """Name the deal of all that is left of a request, before anybody has sent it.

    Args:
        orders: What makes it.
        domain: Under which they are signed.
        used: How many of the request's tasks were bought before.
    """
    return deal_id(order_hash(domain, orders.request.order), used)


def check_signed(orders: MatchOrders, domain: Domain, workerpool: Address, owner: Address) -> None:
    """Check who asks, with nothing but what was handed in.

    Args:
        orders: What is to be matched.
        domain: Under which orders are signed.
        workerpool: Of which pool.
        owner: Of that pool, whose gas it is.

    Raises:
        OtherPoolsOrder, NotSignedByParty, LongParams: It is not sent.
    """
    pool, request = orders.workerpool, orders.request
    if pool.order.workerpool != workerpool:
        raise OtherPoolsOrder(
            f"the workerpool order is of {pool.order.workerpool}, this pool is {workerpool}: hand "
            "the purchase in there, or take an order of this pool (/v1/order)"
        )
    _check_signer(pool, domain, owner, "workerpool order", "take a new one (/v1/order)")
    requester = request.order.requester
    how = "sign it with that wallet; a contract has to send its purchases itself"
    _check_signer(request, domain, requester, "request order", how)
    size = len(request.order.params.encode())
    if size > MOST_SENT_PARAMS:
        raise LongParams(
            f"the request's params have {size} bytes, and {MOST_SENT_PARAMS} are sent for others: "
            "put them into an input file, or send the purchase yourself"
        )


def _check_signer(
    signed: Signed[OrderT], domain: Domain, owner: Address, what: str, how: str
) -> None:
    try:
        signer: Address | None = recover(order_hash(domain, signed.order), widen(signed.signature))
    except BadSignature:
        signer = None
    if signer != owner:
        raise NotSignedByParty(f"the {what} is not signed by {owner}: {how}")


def matched_whole(orders: MatchOrders, facts: Facts, used: int = 0) -> Match:
    """Return the deal that orders make, all that is left of the request in one.

    Args:
        orders: Signed and complete.
        facts: What the chain knows of them.
        used: How many of the request's tasks were bought before, as far as whoever asks knows.

    Raises:
        PurchaseUnfit: The contract would refuse them; every reason is told.
        SplitRequest: More was bought before, or the orders have fewer tasks left.
    """
    found = match_orders(orders, facts)
    if not isinstance(found, Match):
        raise PurchaseUnfit("; ".join(each.sentence for each in found))
    wanted = orders.request.order.volume
    if found.bot_first != used or found.volume != wanted - used:
        raise SplitRequest(
            f"{found.bot_first} of the request's {wanted} task(s) were bought before, and the "
            f"orders have {found.volume} left: sign a new request for what is wanted now, with "
            "orders that have as many tasks"
        )
    return found


def check_pays(orders: MatchOrders, price: NanoRlc, fee: NanoRlc) -> None:
    """Check that a task pays what the pool asks where it sends the purchase (nRLC).

    Raises:
        FeeMissing: It pays less.
    """
    paid = orders.workerpool.order.price
    if paid < price + fee:
        raise FeeMissing(
            f"this pool sends purchases of {show_rlc(NanoRlc(price + fee))} RLC a task or more, "
            f"{show_rlc(fee)} RLC of it for sending, and the workerpool order pays "
            f"{show_rlc(paid)}: take an order for that (/v1/order?by_signature=true), or send the "
            "purchase yourself"
        )
