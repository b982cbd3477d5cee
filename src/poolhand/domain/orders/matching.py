"""The matcher that says why not: four orders and what the chain knows, a deal's terms or reasons.

Every condition of ``matchOrders`` is tried, so that all reasons are told at once; the first is the
one with which the contract would refuse.

Source: PoCo 6.x, IexecPoco1Facet.matchOrders and IexecEscrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from poolhand.domain.deal import App, Dataset, Workerpool
from poolhand.domain.eip712 import Domain
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import Address, DealId, OrderHash
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.groups import IsMember, Membership, is_open, restrictions
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
from poolhand.domain.signatures import BadSignature, recover, widen
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, show_rlc

_NO_CONTRACT: Final = "; an owner that is a contract (ERC-1271) is not asked here"
AnySigned: TypeAlias = (
    Signed[AppOrder] | Signed[DatasetOrder] | Signed[WorkerpoolOrder] | Signed[RequestOrder]
)


def unasked(_group: Address, _account: Address) -> bool:
    """Take nobody for a member: no group contract is asked."""
    return False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the chain knows of four orders at one block.

    Attributes:
        domain: The hub's, under which orders are signed.
        categories: How many the hub has.
        app, dataset, workerpool: The assets ordered; None when not registered.
        consumed: How much of each order is used up (all of it once cancelled); 0 where absent.
        vouched: Orders whose owner answers for them on chain: True when presigned or accepted by
            an owner that is a contract (ERC-1271), False when such a contract refuses. The
            signature of every other order is recovered here.
        free_stake: Of payer and pool owner (nRLC); 0 where absent.
        is_member: Whether an account belongs to a group contract (ERC-734, purpose 4).
        masks_dataset_tag: Whether the hub ignores TEE frameworks of datasets (PoCo 6.2 on).
        sponsor: Who pays; the requester when None.
    """

    domain: Domain
    categories: int
    app: App | None
    dataset: Dataset | None
    workerpool: Workerpool | None
    consumed: Mapping[OrderHash, int] = field(default_factory=dict)
    vouched: Mapping[OrderHash, bool] = field(default_factory=dict)
    free_stake: Mapping[Address, NanoRlc] = field(default_factory=dict)
    is_member: IsMember = unasked
    masks_dataset_tag: bool = False
    sponsor: Address | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Terms of the deal that four orders make. Amounts in nRLC.

    Attributes:
        deal_id: Its name, if the request is matched no further before.
        price: Of one task, for app, dataset and workerpool together.
        volume: Tasks that all orders have left.
        bot_first: Absolute index of the first task.
        worker_stake: What each worker locks to contribute.
        payer_locks, workerpool_locks: What matching locks, for all tasks.
    """

    deal_id: DealId
    price: NanoRlc
    volume: int
    bot_first: int
    tag: Tag
    trust: Trust
    worker_stake: NanoRlc
    payer_locks: NanoRlc
    workerpool_locks: NanoRlc


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One condition that fails; ``detail`` has the values of this case."""

    reason: Reason
    detail: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong, who must act and how."""
        return self.reason.told(self.detail)


def match_orders(orders: MatchOrders, facts: Facts) -> Match | tuple[Mismatch, ...]:
    """Match four orders, or say everything that hinders it, in the contract's order."""
    hindrances = tuple(_hindrances(orders, facts))
    return hindrances or _match(orders, facts)


def terms_unmet(orders: MatchOrders, facts: Facts) -> Iterator[Mismatch]:
    """Yield what hinders four orders by what they say alone: nobody signed or owns anything here.

    Of the facts only categories, groups and the masking of tags are looked at.
    """
    yield from _terms(orders, facts)
    yield from _identities(orders)
    yield from _restrictions(orders, facts)


def _hindrances(orders: MatchOrders, facts: Facts) -> Iterator[Mismatch]:
    yield from terms_unmet(orders, facts)
    yield from _ownership(orders, facts)
    used_up = [_what(order) for order, left in _left(orders, facts) if left <= 0]
    if used_up:
        yield Mismatch(Reason.USED_UP, " and ".join(used_up))
    else:
        yield from _stakes(orders, facts)


def _terms(orders: MatchOrders, facts: Facts) -> Iterator[Mismatch]:
    app, dataset = orders.app.order, orders.dataset.order
    pool, request = orders.workerpool.order, orders.request.order
    if request.category != pool.category:
        yield Mismatch(Reason.CATEGORY_DIFFERS, f"{request.category} and {pool.category}")
    if request.category >= facts.categories:
        yield Mismatch(Reason.CATEGORY_UNKNOWN, f"{request.category} of {facts.categories}")
    if request.trust > pool.trust:
        yield Mismatch(Reason.TRUST_TOO_HIGH, f"{pool.trust} under {request.trust}")
    prices = (
        (Reason.APP_TOO_DEAR, app.price, request.app_max_price),
        (Reason.DATASET_TOO_DEAR, dataset.price, request.dataset_max_price),
        (Reason.WORKERPOOL_TOO_DEAR, pool.price, request.workerpool_max_price),
    )
    for reason, price, limit in prices:
        if price > limit:
            yield Mismatch(reason, f"{show_rlc(price)} over {show_rlc(limit)} RLC")
    tag = deal_tag(orders, masks_dataset_tag=facts.masks_dataset_tag)
    if not pool.tag.covers(tag):
        yield Mismatch(Reason.TAG_NOT_OFFERED, _missing(tag, pool.tag))
    if tag.needs_tee != app.tag.needs_tee:
        yield Mismatch(Reason.APP_NOT_TEE)


def deal_tag(orders: MatchOrders, *, masks_dataset_tag: bool) -> Tag:
    """Return the tag of the deal: what app, dataset and request demand together."""
    dataset = orders.dataset.order.tag
    masked = dataset.without_frameworks() if masks_dataset_tag else dataset
    return orders.app.order.tag.union(masked, orders.request.order.tag)


def _missing(demanded: Tag, offered: Tag) -> str:
    missing = Tag((demanded.bits & ~offered.bits).to_bytes(32, "big"))
    return ", ".join(missing.names) or str(missing)


def _identities(orders: MatchOrders) -> Iterator[Mismatch]:
    request = orders.request.order
    if request.app != orders.app.order.app:
        yield Mismatch(Reason.OTHER_APP, f"{request.app}, not {orders.app.order.app}")
    if request.dataset != orders.dataset.order.dataset:
        yield Mismatch(
            Reason.OTHER_DATASET, f"{request.dataset}, not {orders.dataset.order.dataset}"
        )


def _restrictions(orders: MatchOrders, facts: Facts) -> Iterator[Mismatch]:
    for reason, asked in restrictions(orders):
        if not (is_open(asked) or facts.is_member(asked.group, asked.account)):
            yield Mismatch(reason, _apart(facts, asked))


def _apart(facts: Facts, asked: Membership) -> str:
    groups = "; groups are not asked here" if facts.is_member is unasked else ""
    return f"{asked.group}, not {asked.account}{groups}"


def _ownership(orders: MatchOrders, facts: Facts) -> Iterator[Mismatch]:
    app, dataset, pool = orders.app, orders.dataset, orders.workerpool
    if facts.app is None:
        yield Mismatch(Reason.APP_UNREGISTERED, str(app.order.app))
    else:
        yield from _signature(facts, Reason.APP_SIGNATURE, facts.app.owner, app)
    if not dataset.order.dataset.is_zero:
        if facts.dataset is None:
            yield Mismatch(Reason.DATASET_UNREGISTERED, str(dataset.order.dataset))
        else:
            yield from _signature(facts, Reason.DATASET_SIGNATURE, facts.dataset.owner, dataset)
    if facts.workerpool is None:
        yield Mismatch(Reason.WORKERPOOL_UNREGISTERED, str(pool.order.workerpool))
    else:
        yield from _signature(facts, Reason.WORKERPOOL_SIGNATURE, facts.workerpool.owner, pool)
    request = orders.request
    yield from _signature(facts, Reason.REQUEST_SIGNATURE, request.order.requester, request)


def _signature(
    facts: Facts, reason: Reason, owner: Address, signed: AnySigned
) -> Iterator[Mismatch]:
    digest = order_hash(facts.domain, signed.order)
    vouched = facts.vouched.get(digest)
    if vouched:
        return
    if vouched is False and signed.signature:
        yield Mismatch(reason, f"{owner} does not answer for it")
    elif len(signed.signature) not in (64, 65):
        contracts = _NO_CONTRACT if signed.signature else ""
        yield Mismatch(Reason.UNSIGNED, f"{_what(signed.order)} of {owner}{contracts}")
    elif _signer(digest, signed.signature) != owner:
        yield Mismatch(reason, f"{owner}{_NO_CONTRACT}")


def _signer(digest: bytes, signature: bytes) -> Address | None:
    try:
        return recover(digest, widen(signature))
    except BadSignature:
        return None


def _what(order: Order) -> str:
    return type(order).__name__.removesuffix("Order").lower() + " order"


def _left(orders: MatchOrders, facts: Facts) -> Iterator[tuple[Order, int]]:
    """Yield each order and the tasks it has left; no dataset is no order."""
    each: list[Order] = [orders.app.order]
    if not orders.dataset.order.dataset.is_zero:
        each.append(orders.dataset.order)
    for order in (*each, orders.workerpool.order, orders.request.order):
        yield order, order.volume - facts.consumed.get(order_hash(facts.domain, order), 0)


def _match(orders: MatchOrders, facts: Facts) -> Match:
    request, pool_price = orders.request.order, orders.workerpool.order.price
    name = order_hash(facts.domain, request)
    bot_first = facts.consumed.get(name, 0)
    volume = min(left for _, left in _left(orders, facts))
    price = _price(orders)
    percent = facts.workerpool.worker_stake_percent if facts.workerpool else 0
    return Match(
        deal_id=deal_id(name, bot_first),
        price=price,
        volume=volume,
        bot_first=bot_first,
        tag=deal_tag(orders, masks_dataset_tag=facts.masks_dataset_tag),
        trust=Trust(max(request.trust, 1)),
        worker_stake=NanoRlc(pool_price * percent // 100),
        payer_locks=NanoRlc(price * volume),
        workerpool_locks=NanoRlc(scheduler_stake(pool_price) * volume),
    )


def _price(orders: MatchOrders) -> NanoRlc:
    dataset = orders.dataset.order
    data_price = 0 if dataset.dataset.is_zero else dataset.price
    return NanoRlc(orders.app.order.price + data_price + orders.workerpool.order.price)


def _stakes(orders: MatchOrders, facts: Facts) -> Iterator[Mismatch]:
    """Check what both sides lock; a payer who owns the pool locks both from one account."""
    terms = _match(orders, facts)
    payer = facts.sponsor or orders.request.order.requester
    free = facts.free_stake.get(payer, NanoRlc(0))
    if free < terms.payer_locks:
        yield _lacking(Reason.PAYER_STAKE_TOO_LOW, payer, free, terms.payer_locks)
    if facts.workerpool is None:
        return
    owner = facts.workerpool.owner
    needed = terms.workerpool_locks + (terms.payer_locks if owner == payer else 0)
    free = facts.free_stake.get(owner, NanoRlc(0))
    if free < needed:
        yield _lacking(Reason.WORKERPOOL_STAKE_TOO_LOW, owner, free, NanoRlc(needed))


def _lacking(reason: Reason, owner: Address, free: NanoRlc, needed: NanoRlc) -> Mismatch:
    missing = show_rlc(NanoRlc(needed - free))
    return Mismatch(reason, f"{owner} has {show_rlc(free)} RLC and lacks {missing} RLC")
