"""Orders and how they stand: as members, and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from poolhand.cli.render import grid, pairs, rlc
from poolhand.cli.verb import Answer
from poolhand.domain.market.book import sort_of, traits_of
from poolhand.domain.market.standing import UNTIL_CANCELLED
from poolhand.domain.market_events import OrderSort

if TYPE_CHECKING:
    from poolhand.domain.ids import OrderHash
    from poolhand.domain.market.book import BookOrder
    from poolhand.domain.orders.model import Order, Signed
    from poolhand.domain.units import NanoRlc
    from poolhand.requester.selling import OrderStanding
    from poolhand.wire.market_pools import PoolList

ORDER_KINDS: Final = {
    "app": OrderSort.APP,
    "dataset": OrderSort.DATASET,
    "pool": OrderSort.WORKERPOOL,
    "request": OrderSort.REQUEST,
}
"""What a person calls the four orders."""
_NAMES: Final = {sort: name for name, sort in ORDER_KINDS.items()}


def kind_word(order: Order) -> str:
    """Return what a person calls an order: app, dataset, pool or request."""
    return _NAMES[sort_of(order)]


def entry_members(entry: BookOrder) -> dict[str, Any]:
    """Return an order of the book."""
    from poolhand.wire.market_json import iso_moment

    traits = traits_of(entry.order)
    return {
        "hash": str(entry.order_hash),
        "kind": _NAMES[traits.sort],
        "address": str(traits.resource),
        "signer": str(entry.signer),
        "price_nrlc": traits.price,
        "left": entry.remaining,
        "volume": traits.volume,
        "category": traits.category if traits.sort in _WITH_CATEGORY else None,
        "trust": traits.trust if traits.sort in _WITH_CATEGORY else None,
        "tag": str(traits.tag),
        "status": entry.status.value,
        "published": iso_moment(entry.published),
    }


_WITH_CATEGORY: Final = frozenset({OrderSort.WORKERPOOL, OrderSort.REQUEST})


def orders_answer(entries: Iterable[BookOrder], count: int | None = None) -> Answer:
    """Tell orders of a market, best price first."""
    found = list(entries)
    rows = [
        (
            _NAMES[each.sort],
            rlc(traits_of(each.order).price),
            f"{each.remaining} of {each.order.volume}",
            traits_of(each.order).category if each.sort in _WITH_CATEGORY else "",
            traits_of(each.order).resource,
            each.order_hash,
        )
        for each in found
    ]
    members = {
        "orders": [entry_members(each) for each in found],
        "count": len(found) if count is None else count,
    }
    columns = ("kind", "price", "left", "category", "address", "order")
    title = f"{members['count']} order(s) for sale"
    return Answer(members, lambda: grid(columns, rows, title))


def published_answer(entry: BookOrder) -> Answer:
    """Tell that an order is for sale."""
    members = entry_members(entry)
    traits = traits_of(entry.order)
    rows = (
        ("order", entry.order_hash),
        ("for sale", f"{_NAMES[traits.sort]} {traits.resource}"),
        ("price", rlc(traits.price)),
        ("left", f"{entry.remaining} of {traits.volume}"),
    )
    return Answer(members, lambda: pairs(rows))


def unpublished_answer(names: Iterable[OrderHash]) -> Answer:
    """Tell that orders left the market, and that they are valid all the same."""
    found = [str(name) for name in names]
    note = (
        f"out of the market, and {UNTIL_CANCELLED}: whoever has it can use it; "
        "`poolhand order cancel` ends it"
    )
    rows = (*(("order", name) for name in found), ("note", note))
    members = {"unpublished": found, "valid_on_chain": True, "note": note}
    return Answer(members, lambda: pairs(rows))


def signed_members(signed: Signed[Any]) -> dict[str, Any]:
    """Return what a signed order says."""
    from poolhand.wire.order_json import encode_order

    return {"kind": kind_word(signed.order), **encode_order(signed)}


def standing_members(found: OrderStanding) -> dict[str, Any]:
    """Return what a signed order says, and how it stands on chain and in the market."""
    state = found.state
    return {
        **signed_members(found.signed),
        "hash": str(state.order_hash),
        "owner": str(state.owner) if state.owner else None,
        "signed_by_owner": state.signed_by_owner,
        "left_on_chain": state.left,
        "in_market": found.status.value if found.status else None,
        "standing": found.words,
    }


def order_rows(members: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return an order's members as a person reads them: amounts with their unit, yes and no."""
    return ((name.replace("_", " "), _told(name, value)) for name, value in members.items())


def _told(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return rlc(int(value)) if name.endswith("price") else value


def pools_answer(found: PoolList) -> Answer:
    """Tell the pools of a market: who they are, what they sell, how they are."""
    rows = [
        (
            each.name,
            "reachable" if each.reachable else each.trouble or "not seen of late",
            each.live.workers if each.live else "",
            _sold(each.live.prices) if each.live else "",
            each.workerpool,
            each.url,
        )
        for each in found.pools
    ]
    pools = [each.model_dump(mode="json", by_alias=False) for each in found.pools]
    columns = ("name", "standing", "workers", "price by category", "address", "url")
    title = f"{found.count} pool(s)"
    return Answer({"pools": pools, "count": found.count}, lambda: grid(columns, rows, title))


def _sold(prices: Mapping[int, NanoRlc]) -> str:
    return ", ".join(f"{category}: {rlc(price)}" for category, price in sorted(prices.items()))
