"""Which of its orders a pool has for sale in markets, which it signs, and which it must close.

An order that was signed is valid on chain until it is used up or closed there: taking it out of a
market hides it, and no more. So what was signed counts as promised as long as it is valid, and a
new order promises what is left: never more tasks of a ware than there is room for, never more
than the owner's stake covers for all wares together. A ware is a category, and what tasks may
demand of their workers: confidential tasks are sold apart, for fewer workers may do them.

What only hides an order costs nothing and passes: no gas, no room, too few workers, a pool that
drains. What must never be bought again is closed on chain, which costs gas: another price, a
category that is not sold any more, more tasks than the stake covers (a market takes such an order
for dead), an order that stands in the way of all that could be sold, and every order of a pool that
is to end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from poolhand.domain.ids import OrderHash
from poolhand.domain.orders.model import Signed, WorkerpoolOrder
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds, show_rlc

MOST_VOLUME: Final = 1000
"""Tasks of one order."""
MOST_ORDERS: Final = 3
"""Orders of one ware that are valid at the same time."""
RENEWED_BELOW: Final = 4
"""An order is renewed once it has left this part of its tasks, or less: one fourth; and once the
largest that is left sells this part of what could be sold, or less. While tasks are open, no order
is signed for less than this part of the pool."""
TASKS_PER_SLOT: Final = 5
"""Tasks that a slot can do one after the other before the first misses its deadline, each as long
as its category allows: contributions are taken for 7 of that time."""
STANDS_IN_THE_WAY: Final = Seconds(600)
"""How long an order that workers cannot serve may keep others from being sold."""


class Ware(NamedTuple):
    """What an order sells: tasks of a category, of any demand that the tag covers."""

    category: int
    tag: Tag = NO_TAG

    def __str__(self) -> str:
        demands = f" with the tag {','.join(self.tag.names)}" if any(self.tag) else ""
        return f"category {self.category}{demands}"


@dataclass(frozen=True, slots=True)
class OrderForSale:
    """An order that was signed and is, as far as is known, valid on chain.

    Attributes:
        used: Tasks that were bought with it.
        since: When it was signed.
    """

    order_hash: OrderHash
    signed: Signed[WorkerpoolOrder]
    since: UnixSeconds
    used: int = 0

    @property
    def remaining(self) -> int:
        """Tasks that can still be bought with it."""
        return max(self.signed.order.volume - self.used, 0)

    @property
    def ware(self) -> Ware:
        """What it sells."""
        return Ware(self.signed.order.category, self.signed.order.tag)

    @property
    def promised(self) -> NanoRlc:
        """What all that remains would lock of the owner's stake."""
        return NanoRlc(scheduler_stake(self.signed.order.price) * self.remaining)


@dataclass(frozen=True, slots=True)
class PoolSaleTerms:
    """What the pool would sell at a moment.

    Attributes:
        prices: Per task by category.
        trust: By ware the highest that its workers reach and its owner sells; 0: none. What is
            confidential is a ware only where the pool takes such tasks.
        stake: The owner's free stake.
        room: Tasks that could be taken beside those that are open.
        open_tasks: Tasks that are open, and give back room and stake when they end.
        obstacle: Why nothing at all may be sold now; None where it may.
        ending: Why what was signed must never be bought again; None where it may.
    """

    now: UnixSeconds
    prices: Mapping[int, NanoRlc]
    trust: Mapping[Ware, Trust]
    stake: NanoRlc
    room: int
    open_tasks: int = 0
    obstacle: str | None = None
    ending: str | None = None

    def reach(self, ware: Ware) -> Trust:
        """Return the highest trust of a ware."""
        return self.trust.get(ware, Trust(0))

    @property
    def wares(self) -> tuple[Ware, ...]:
        """Return all that has a price, in order."""
        known = {Ware(each) for each in self.prices} | self.trust.keys()
        return tuple(sorted(each for each in known if each.category in self.prices))


@dataclass(frozen=True, slots=True)
class SaleVerdict:
    """What becomes of an order: ``why`` it is not shown; None: it is for sale."""

    why: str | None = None
    closes: bool = False


@dataclass(frozen=True, slots=True)
class ToSign:
    """An order that is missing."""

    category: int
    price: NanoRlc
    trust: Trust
    volume: int
    tag: Tag = NO_TAG


@dataclass(frozen=True, slots=True)
class SalePlan:
    """What to do with orders.

    Attributes:
        verdicts: Of every order.
        sign: What is missing.
        lacks: Why no more is signed of a ware of which more could be sold.
    """

    verdicts: Mapping[OrderHash, SaleVerdict]
    sign: tuple[ToSign, ...] = ()
    lacks: Mapping[Ware, str] = field(default_factory=dict)


def room_of(slots: int, open_tasks: int) -> int:
    """Return how many tasks more the workers could do in time, a worker for each."""
    return max(TASKS_PER_SLOT * slots - open_tasks, 0)


def plan_sale(orders: Sequence[OrderForSale], terms: PoolSaleTerms) -> SalePlan:
    """Decide about every order, and what is missing.

    Args:
        orders: All that are valid, in the order in which they were signed.
        terms: What the pool would sell now.
    """
    verdicts = {each.order_hash: _verdict(each, terms) for each in orders}
    valid = [each for each in orders if each.remaining]
    kept = [each for each in valid if not verdicts[each.order_hash].closes]
    free = terms.stake - sum(each.promised for each in valid)
    missing = [each for each in terms.wares if _is_short(each, kept, free, terms)]
    sign, lacks = list[ToSign](), dict[Ware, str]()
    for place, ware in enumerate(missing):
        share = free // (len(missing) - place)
        own = [each for each in valid if each.ware == ware]
        found = _new_order(ware, own, terms, share)
        if isinstance(found, ToSign):
            sign.append(found)
            free -= scheduler_stake(found.price) * found.volume
        else:
            lacks[ware] = found
            verdicts |= _in_the_way(own, terms)
    return SalePlan(verdicts, tuple(sign), lacks)


def _verdict(order: OrderForSale, terms: PoolSaleTerms) -> SaleVerdict:
    if not order.remaining:
        return SaleVerdict("it is used up, or closed on chain")
    outdated = _outdated(order, terms)
    if outdated is not None:
        return SaleVerdict(outdated, closes=True)
    return SaleVerdict(_hidden(order, terms))


def _outdated(order: OrderForSale, terms: PoolSaleTerms) -> str | None:
    """Say why an order must never be bought again; None: it may."""
    own = order.signed.order
    if terms.ending is not None:
        return terms.ending
    price = terms.prices.get(own.category)
    if price is None:
        return f"category {own.category} is not sold any more"
    if price != own.price:
        return f"the price is {show_rlc(price)} RLC now, not {show_rlc(own.price)}"
    least = min(map(scheduler_stake, terms.prices.values()))
    if least <= terms.stake < order.promised:
        return _uncovered(order, terms)
    return None


def _uncovered(order: OrderForSale, terms: PoolSaleTerms) -> str:
    return (
        f"what remains of it would lock {show_rlc(order.promised)} RLC of the owner's stake, of "
        f"which {show_rlc(terms.stake)} are free"
    )


def _hidden(order: OrderForSale, terms: PoolSaleTerms) -> str | None:
    """Say why an order is not shown now; None: it is."""
    if terms.obstacle is not None:
        return terms.obstacle
    if terms.stake < order.promised:
        return _uncovered(order, terms)
    reach = terms.reach(order.ware)
    if order.signed.order.trust > reach:
        return f"the workers that are there reach trust {reach} at most"
    return None if terms.room else _FULL


_FULL: Final = "there is no room: as many tasks are open as the workers can do in time"


def _is_short(ware: Ware, kept: Sequence[OrderForSale], free: int, terms: PoolSaleTerms) -> bool:
    """Whether nothing sells a ware as well as could be, or too little is left of what does."""
    own = [each for each in kept if each.ware == ware]
    fit = [each for each in own if each.signed.order.trust == terms.reach(ware)]
    best = max((each.remaining for each in fit), default=0)
    cover = _cover(ware.category, free + sum(each.promised for each in own), terms)
    is_fresh = any(each.remaining * RENEWED_BELOW > each.signed.order.volume for each in fit)
    return not is_fresh or best * RENEWED_BELOW <= min(MOST_VOLUME, terms.room, cover)


def _cover(category: int, stake: int, terms: PoolSaleTerms) -> int:
    """Return for how many tasks of a category a stake is enough, as far as that matters."""
    lock = scheduler_stake(terms.prices[category])
    return max(stake, 0) // lock if lock else MOST_VOLUME


def _new_order(
    ware: Ware, own: Sequence[OrderForSale], terms: PoolSaleTerms, share: int
) -> ToSign | str:
    """Return the order that a ware lacks, or why there is none."""
    category, tag = ware
    price = terms.prices[category]
    if terms.obstacle is not None:
        return terms.obstacle
    trust = terms.reach(ware)
    if not trust:
        return "no worker that is there could do it"
    if len(own) >= MOST_ORDERS:
        return f"{MOST_ORDERS} orders of this kind are valid already"
    left = terms.room - sum(each.remaining for each in own)
    if left <= 0:
        return "what was signed before takes all the room" if terms.room else _FULL
    volume = min(MOST_VOLUME, left, _cover(category, share, terms))
    hindrance = _too_small(category, volume, share, terms)
    return hindrance or ToSign(category, price, trust, volume, tag)


def _too_small(category: int, volume: int, share: int, terms: PoolSaleTerms) -> str | None:
    """Say why an order for so few tasks is not signed now; None: it is."""
    if volume <= 0:
        lock = show_rlc(scheduler_stake(terms.prices[category]))
        return (
            f"each task locks {lock} RLC of the owner's stake, and no more is left for "
            "it: the owner must deposit (`poolhand account deposit`)"
        )
    whole = min(terms.room, _cover(category, share, terms)) + terms.open_tasks
    if terms.open_tasks and volume * RENEWED_BELOW < min(MOST_VOLUME, whole):
        return (
            f"{terms.open_tasks} task(s) are open, and there is room or stake for {volume} more: "
            "an order is signed when it can sell a fourth of what could be sold without them"
        )
    return None


def _in_the_way(
    own: Sequence[OrderForSale], terms: PoolSaleTerms
) -> Mapping[OrderHash, SaleVerdict]:
    """Close the oldest order that takes the place of one that workers could serve better."""
    if terms.obstacle is not None or not terms.room:
        return {}
    for each in own:
        trust, reach = each.signed.order.trust, terms.reach(each.ware)
        if 0 < reach != trust and terms.now >= each.since + STANDS_IN_THE_WAY:
            told = f"it sells trust {trust}, and {reach} could be sold"
            return {each.order_hash: SaleVerdict(told, closes=True)}
    return {}
