"""``matchOrders`` of the fake hub: its conditions in its order, then the deal it records.

Source: PoCo 6.1, IexecPoco1Facet.
"""

from __future__ import annotations

from collections.abc import Iterator

from poolhand.chain.errors import OrdersRefused, OrderUnsigned
from poolhand.chain.fake.state import Log, State
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import StakeTooLow
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.onchain import EventKind
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import MatchOrders, Order
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.signatures import BadSignature, recover
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds, show_rlc

_Check = tuple[int, bool]


def match_orders(state: State, domain: Domain, call: MatchOrders, now: UnixSeconds) -> list[Log]:
    """Record a deal and lock what it costs.

    Raises:
        OrdersRefused: A condition fails; ``number`` says which.
        OrderUnsigned: A signature is not 65 bytes.
        StakeTooLow: Payer or pool owner cannot lock enough.
    """
    tag = _tag(call)
    for number, holds in (*_terms(state, call, tag), *_restrictions(call)):
        _demand(number, holds)
    _check_owners(state, domain, call)
    hashes = _hashes(domain, call)
    volume = min(order.volume - state.consumed.get(key, 0) for key, order in hashes)
    _demand(0x60, volume > 0)
    deal = _deal(state, call, tag, hashes[-1][0], volume, now)
    _lock(state, deal)
    state.deals[deal.deal_id] = deal
    for key, _ in hashes:
        state.consumed[key] = state.consumed.get(key, 0) + volume
    return [Log(EventKind.SCHEDULER_NOTICE, deal_id=deal.deal_id, worker=deal.workerpool.address)]


def _demand(number: int, holds: bool) -> None:
    if not holds:
        raise OrdersRefused(number)


def _tag(call: MatchOrders) -> Tag:
    return call.app.order.tag.union(call.dataset.order.tag, call.request.order.tag)


def _terms(state: State, call: MatchOrders, tag: Tag) -> Iterator[_Check]:
    app, dataset = call.app.order, call.dataset.order
    pool, request = call.workerpool.order, call.request.order
    yield 0x00, request.category == pool.category
    yield 0x01, request.category in state.categories
    yield 0x02, request.trust <= pool.trust
    yield 0x03, request.app_max_price >= app.price
    yield 0x04, request.dataset_max_price >= dataset.price
    yield 0x05, request.workerpool_max_price >= pool.price
    yield 0x06, pool.tag.covers(tag)
    yield 0x07, tag.needs_tee == app.tag.needs_tee
    yield 0x10, request.app == app.app
    yield 0x11, request.dataset == dataset.dataset
    yield 0x12, _allows(request.workerpool, pool.workerpool)


def _restrictions(call: MatchOrders) -> Iterator[_Check]:
    app, dataset = call.app.order, call.dataset.order
    pool, request = call.workerpool.order, call.request.order
    yield 0x13, _allows(app.dataset_restrict, dataset.dataset)
    yield 0x14, _allows(app.workerpool_restrict, pool.workerpool)
    yield 0x15, _allows(app.requester_restrict, request.requester)
    yield 0x16, _allows(dataset.app_restrict, app.app)
    yield 0x17, _allows(dataset.workerpool_restrict, pool.workerpool)
    yield 0x18, _allows(dataset.requester_restrict, request.requester)
    yield 0x19, _allows(pool.app_restrict, app.app)
    yield 0x1A, _allows(pool.dataset_restrict, dataset.dataset)
    yield 0x1B, _allows(pool.requester_restrict, request.requester)


def _allows(restriction: Address, account: Address) -> bool:
    return restriction.is_zero or restriction == account


def _check_owners(state: State, domain: Domain, call: MatchOrders) -> None:
    app, dataset, pool, request = call.app, call.dataset, call.workerpool, call.request
    owner = _registered(0x20, state.owner_of_app(app.order.app))
    _check_signature(domain, 0x21, owner, app.order, app.signature)
    if not dataset.order.dataset.is_zero:
        owner = _registered(0x30, state.owner_of_dataset(dataset.order.dataset))
        _check_signature(domain, 0x31, owner, dataset.order, dataset.signature)
    owner = _registered(0x40, state.owner_of_pool(pool.order.workerpool))
    _check_signature(domain, 0x41, owner, pool.order, pool.signature)
    _check_signature(domain, 0x50, request.order.requester, request.order, request.signature)


def _registered(number: int, owner: Address | None) -> Address:
    if owner is None:
        raise OrdersRefused(number)
    return owner


def _check_signature(
    domain: Domain, number: int, owner: Address, order: Order, signature: bytes
) -> None:
    if len(signature) not in (64, 65):
        raise OrderUnsigned(f"the order of {owner} is not signed: sign it and try again")
    try:
        signer = recover(order_hash(domain, order), signature)
    except BadSignature as fault:
        raise OrdersRefused(number) from fault
    _demand(number, signer == owner)


def _hashes(domain: Domain, call: MatchOrders) -> list[tuple[OrderHash, Order]]:
    orders: list[Order] = [call.app.order]
    if not call.dataset.order.dataset.is_zero:
        orders.append(call.dataset.order)
    orders += [call.workerpool.order, call.request.order]
    return [(order_hash(domain, order), order) for order in orders]


def _deal(
    state: State,
    call: MatchOrders,
    tag: Tag,
    request_hash: OrderHash,
    volume: int,
    now: UnixSeconds,
) -> Deal:
    app, pool, request = call.app.order, call.workerpool.order, call.request.order
    policy = state.pools[pool.workerpool]
    first = state.consumed.get(request_hash, 0)
    return Deal(
        deal_id=deal_id(request_hash, first),
        app=Resource(app.app, state.apps[app.app].owner, app.price),
        dataset=_dataset(state, call),
        workerpool=Resource(pool.workerpool, policy.owner, pool.price),
        trust=Trust(max(request.trust, 1)),
        category=request.category,
        tag=tag,
        requester=request.requester,
        beneficiary=request.beneficiary,
        callback=request.callback,
        params=request.params,
        start_time=now,
        bot_first=first,
        bot_size=volume,
        worker_stake=NanoRlc(pool.price * policy.worker_stake_percent // 100),
        scheduler_percent=policy.scheduler_percent,
        sponsor=request.requester,
    )


def _dataset(state: State, call: MatchOrders) -> Resource:
    order = call.dataset.order
    if order.dataset.is_zero:
        return Resource(ZERO_ADDRESS, ZERO_ADDRESS, NanoRlc(0))
    return Resource(order.dataset, state.datasets[order.dataset].owner, order.price)


def _lock(state: State, deal: Deal) -> None:
    owner = deal.workerpool.owner
    promised = scheduler_stake(deal.workerpool.price) * deal.bot_size
    for who, amount in ((deal.sponsor, deal.price * deal.bot_size), (owner, promised)):
        if state.stake_of(who) < amount:
            missing = show_rlc(NanoRlc(amount - state.stake_of(who)))
            raise StakeTooLow(f"{who} lacks {missing} RLC of free stake for this deal: deposit it")
        state.lock(who, amount)
