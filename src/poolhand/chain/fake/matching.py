"""``matchOrders`` of the fake hub: the domain's matcher decides, then the deal is recorded.

Source: PoCo 6.1, IexecPoco1Facet.
"""

from __future__ import annotations

from dataclasses import replace

from poolhand.chain.errors import NotOwner, OrdersRefused, OrderUnsigned
from poolhand.chain.fake.state import Log, State
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import PoolhandError, StakeTooLow
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.onchain import EventKind
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.matching import Facts, Match, Mismatch
from poolhand.domain.orders.matching import match_orders as decide
from poolhand.domain.orders.model import (
    AppOrder,
    CloseOrder,
    DatasetOrder,
    MatchOrders,
    Order,
    RequestOrder,
    WorkerpoolOrder,
)
from poolhand.domain.orders.reasons import Reason
from poolhand.domain.units import NanoRlc, UnixSeconds


def match_orders(
    state: State,
    domain: Domain,
    call: MatchOrders,
    now: UnixSeconds,
    sponsor: Address | None = None,
) -> list[Log]:
    """Record a deal and lock what it costs: of a sponsor, where there is one.

    Raises:
        OrdersRefused: A condition fails; ``number`` says which.
        OrderUnsigned: A signature is not 64 or 65 bytes.
        StakeTooLow: Payer or pool owner cannot lock enough.
    """
    terms = decide(call, replace(_facts(state, domain, call), sponsor=sponsor))
    if not isinstance(terms, Match):
        raise _refusal(terms[0])
    deal = _deal(state, call, terms, now, sponsor or call.request.order.requester)
    state.lock(deal.sponsor, terms.payer_locks)
    state.lock(deal.workerpool.owner, terms.workerpool_locks)
    state.deals[deal.deal_id] = deal
    for order in _orders(call):
        key = order_hash(domain, order)
        state.consumed[key] = state.consumed.get(key, 0) + terms.volume
    return [Log(EventKind.SCHEDULER_NOTICE, deal_id=deal.deal_id, worker=deal.workerpool.address)]


def close_order(state: State, domain: Domain, sender: Address, call: CloseOrder) -> None:
    """Cancel an order; repeatable.

    Raises:
        NotOwner: It is not the sender's.

    Source: PoCo 6.x, IexecOrderManagementFacet.manageWorkerpoolOrder and its like.
    """
    if _signer(state, call.order) != sender:
        raise NotOwner(f"the order is not {sender}'s: its owner or requester cancels it")
    state.consumed[order_hash(domain, call.order)] = call.order.volume


def _signer(state: State, order: Order) -> Address | None:
    match order:
        case RequestOrder():
            return order.requester
        case AppOrder():
            sold = state.apps.get(order.app)
        case DatasetOrder():
            sold = state.datasets.get(order.dataset)  # type: ignore[assignment]
        case WorkerpoolOrder():
            sold = state.pools.get(order.workerpool)  # type: ignore[assignment]
    return None if sold is None else sold.owner


def _facts(state: State, domain: Domain, call: MatchOrders) -> Facts:
    signed = (call.app, call.dataset, call.workerpool, call.request)
    owners = {each: _signer(state, each.order) for each in signed}
    names = {each: order_hash(domain, each.order) for each in signed}
    return Facts(
        domain=domain,
        categories=len(state.categories),
        app=state.apps.get(call.app.order.app),
        dataset=state.datasets.get(call.dataset.order.dataset),
        workerpool=state.pools.get(call.workerpool.order.workerpool),
        consumed=state.consumed,
        vouched={
            names[each]: state.takes(owner, names[each], each.signature)
            for each, owner in owners.items()
            if owner in state.signers
        },
        is_member=state.has_member,
        free_stake={owner: NanoRlc(amount) for owner, amount in state.stake.items()},
    )


def _refusal(found: Mismatch) -> PoolhandError:
    reason = found.reason
    if reason.code is not None:
        return OrdersRefused(reason.code, found.sentence)
    kind = OrderUnsigned if reason is Reason.UNSIGNED else StakeTooLow
    return kind(found.sentence)


def _orders(call: MatchOrders) -> list[Order]:
    orders: list[Order] = [call.app.order, call.workerpool.order, call.request.order]
    return orders if call.dataset.order.dataset.is_zero else [*orders, call.dataset.order]


def _deal(state: State, call: MatchOrders, terms: Match, now: UnixSeconds, payer: Address) -> Deal:
    app, pool, request = call.app.order, call.workerpool.order, call.request.order
    policy = state.pools[pool.workerpool]
    return Deal(
        deal_id=terms.deal_id,
        app=Resource(app.app, state.apps[app.app].owner, app.price),
        dataset=_dataset(state, call),
        workerpool=Resource(pool.workerpool, policy.owner, pool.price),
        trust=terms.trust,
        category=request.category,
        tag=terms.tag,
        requester=request.requester,
        beneficiary=request.beneficiary,
        callback=request.callback,
        params=request.params,
        start_time=now,
        bot_first=terms.bot_first,
        bot_size=terms.volume,
        worker_stake=terms.worker_stake,
        scheduler_percent=policy.scheduler_percent,
        sponsor=payer,
    )


def _dataset(state: State, call: MatchOrders) -> Resource:
    order = call.dataset.order
    if order.dataset.is_zero:
        return Resource(ZERO_ADDRESS, ZERO_ADDRESS, NanoRlc(0))
    return Resource(order.dataset, state.datasets[order.dataset].owner, order.price)
