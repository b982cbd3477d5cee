"""Judging orders before money moves: what the matcher and the wish say of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from poolhand.domain.deal import App, Dataset, Workerpool
from poolhand.domain.errors import Refused, StakeTooLow
from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.groups import among, in_question
from poolhand.domain.orders.matching import Facts, Match, Mismatch, match_orders
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    MatchOrders,
    Order,
    RequestOrder,
    Signed,
    WorkerpoolOrder,
)
from poolhand.domain.orders.reasons import Reason
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.units import NanoRlc, show_rlc
from poolhand.ports.chain import Hub
from poolhand.requester.vouching import is_signed, vouched
from poolhand.requester.wish import Wish


class OrdersUnfit(Refused):
    """The orders do not make a deal; ``mismatches`` has each reason."""

    def __init__(self, mismatches: tuple[Mismatch, ...]) -> None:
        super().__init__("; ".join(mismatch.sentence for mismatch in mismatches))
        self.mismatches = mismatches


class PriceTooHigh(Refused):
    """One task costs more than the wish allows."""


class VolumeTooSmall(Refused):
    """The orders have fewer tasks left than are wanted."""


async def facts_of(hub: Hub, orders: MatchOrders, payer: Address | None = None) -> Facts:
    """Gather what the chain knows of four orders; ``payer`` None: the requester's stake pays."""
    domain, dataset = hub.facts.domain, orders.dataset.order.dataset
    signed = (orders.app, orders.dataset, orders.workerpool, orders.request)
    categories, app, data, pool, consumed = await asyncio.gather(
        hub.categories(),
        hub.app(orders.app.order.app),
        _nothing() if dataset.is_zero else hub.dataset(dataset),
        hub.workerpool(orders.workerpool.order.workerpool),
        hub.consumed([order_hash(domain, each.order) for each in signed]),
    )
    requester = orders.request.order.requester
    paying = payer or requester
    owners = (*(each.owner if each else None for each in (app, data, pool)), requester)
    accounts, answers, members = await asyncio.gather(
        hub.accounts({paying, pool.owner} if pool else {paying}),
        vouched(hub, zip(owners, signed, strict=True)),
        hub.members(tuple(in_question(orders))),
    )
    return Facts(
        domain=domain,
        categories=len(categories),
        app=app,
        dataset=data,
        workerpool=pool,
        consumed=consumed,
        vouched=answers,
        is_member=among(members),
        free_stake={owner: account.stake for owner, account in accounts.items()},
        sponsor=paying,
    )


async def _nothing() -> None:
    return None


async def check(
    hub: Hub, wish: Wish, orders: MatchOrders, payer: Address, *, ignore_stake: bool
) -> None:
    """Check that orders make the deal that is wished.

    Args:
        hub: Asked for the facts.
        wish: What is wanted.
        orders: Signed and complete.
        payer: Whose stake pays.
        ignore_stake: The payer's stake is about to be topped up, as far as its RLC goes.

    Raises:
        StakeTooLow: Only the payer's stake is missing; says how much to deposit, or to send.
        OrdersUnfit: Anything else does not fit.
        PriceTooHigh, VolumeTooSmall: The deal would not be what is wished.
    """
    check_price(wish, price_of(orders))
    found = match_orders(orders, await facts_of(hub, orders, payer))
    if isinstance(found, Match):
        check_volume(wish, found.volume)
        return
    stake = tuple(each for each in found if each.reason is Reason.PAYER_STAKE_TOO_LOW)
    if len(stake) < len(found):
        raise OrdersUnfit(tuple(each for each in found if not ignore_stake or each not in stake))
    needed = await _needed(hub, orders, payer)
    await demand_free_stake(hub, payer, needed, deposits=ignore_stake)


def check_price(wish: Wish, price: NanoRlc) -> None:
    """Check the price of one task (nRLC) against the wish; raises PriceTooHigh."""
    if wish.max_price is not None and price > wish.max_price:
        raise PriceTooHigh(
            f"one task costs {show_rlc(price)} RLC, over the limit of "
            f"{show_rlc(wish.max_price)}: raise --max-price, or take a smaller category"
        )
    if wish.budget is not None and price * wish.tasks > wish.budget:
        raise PriceTooHigh(
            f"{wish.tasks} task(s) at {show_rlc(price)} RLC cost "
            f"{show_rlc(NanoRlc(price * wish.tasks))} RLC, over the budget of "
            f"{show_rlc(wish.budget)} RLC: raise it, or ask for fewer tasks or a smaller category"
        )


def check_volume(wish: Wish, volume: int) -> None:
    """Check that the deal would have every task; raises VolumeTooSmall."""
    if volume < wish.tasks:
        raise VolumeTooSmall(
            f"the orders have {volume} tasks left of the {wish.tasks} wanted: ask for fewer "
            "--tasks, or for newer orders"
        )


def price_of(orders: MatchOrders) -> NanoRlc:
    """Return what one task costs (nRLC)."""
    parts = (orders.app.order, orders.dataset.order, orders.workerpool.order)
    return NanoRlc(sum(order.price for order in parts))


async def shortfall(hub: Hub, orders: MatchOrders, payer: Address) -> NanoRlc:
    """Return what the payer's free stake lacks for all tasks (nRLC, 0 when it suffices)."""
    needed = await _needed(hub, orders, payer)
    return NanoRlc(max(0, needed - await _free(hub, payer)))


async def _needed(hub: Hub, orders: MatchOrders, payer: Address) -> NanoRlc:
    """Return what matching locks of the payer's stake (nRLC), who may own the pool as well."""
    request = orders.request.order
    needed = price_of(orders) * request.volume
    pool = await hub.workerpool(orders.workerpool.order.workerpool)
    if pool is not None and pool.owner == payer:
        needed += scheduler_stake(orders.workerpool.order.price) * request.volume
    return NanoRlc(needed)


async def _free(hub: Hub, owner: Address) -> NanoRlc:
    return (await hub.accounts([owner]))[owner].stake


async def demand_free_stake(hub: Hub, owner: Address, needed: NanoRlc, *, deposits: bool) -> None:
    """Refuse a payer whose stake lacks more than may be deposited, and say who must do what.

    Raises:
        StakeTooLow: It does; says how much to deposit, or to send.
    """
    free, held = await _free(hub, owner), (await hub.rlc_balances([owner]))[owner]
    missing = NanoRlc(max(0, needed - free))
    if not missing or (deposits and held >= missing):
        return
    remedy = f"run `poolhand account deposit {show_rlc(missing)}`, or buy with --deposit"
    if held < missing:
        more = show_rlc(NanoRlc(missing - held))
        faucet = f"`poolhand devnet faucet {owner} --rlc {more}`"
        remedy = (
            f"its wallet has {show_rlc(held)} RLC to deposit, so have {more} RLC sent to it "
            f"({faucet} gives them or says where they come from), then {remedy}"
        )
    raise StakeTooLow(
        f"{owner} has {show_rlc(free)} RLC of free stake and lacks "
        f"{show_rlc(missing)} for this purchase: {remedy}"
    )


@dataclass(frozen=True, slots=True)
class OrderState:
    """What the chain says of one order; ``owner`` is None when its asset is not registered."""

    order_hash: OrderHash
    owner: Address | None
    signed_by_owner: bool
    left: int

    @property
    def usable(self) -> bool:
        """Whether it can still be matched."""
        return self.signed_by_owner and self.left > 0


async def order_state(hub: Hub, signed: Signed[Any]) -> OrderState:
    """Look up who may sign an order, and how much of it is left."""
    name = order_hash(hub.facts.domain, signed.order)
    owner = await _owner_of(hub, signed.order)
    used = (await hub.consumed([name]))[name]
    good = owner is not None and await is_signed(hub, owner, signed)
    return OrderState(name, owner, good, max(0, signed.order.volume - used))


async def _owner_of(hub: Hub, order: Order) -> Address | None:
    found: App | Dataset | Workerpool | None
    match order:
        case RequestOrder():
            return order.requester
        case AppOrder():
            found = await hub.app(order.app)
        case DatasetOrder():
            found = await hub.dataset(order.dataset)
        case WorkerpoolOrder():
            found = await hub.workerpool(order.workerpool)
    return found.owner if found else None
