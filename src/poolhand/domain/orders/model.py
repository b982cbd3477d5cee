"""The four orders of the market, as the hub's ABI has them (without the chain's spellings).

Source: PoCo 6.x, IexecLibOrders_v5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from poolhand.domain.ids import ZERO_ADDRESS, Address, FixedBytes
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc


class Salt(FixedBytes):
    """Thirty-two random bytes that make an order unique."""

    what = "a salt"


@dataclass(frozen=True, slots=True)
class AppOrder:
    """Sells ``volume`` runs of an app at ``price`` each; a zero address restricts nobody."""

    app: Address
    price: NanoRlc
    volume: int
    tag: Tag
    dataset_restrict: Address
    workerpool_restrict: Address
    requester_restrict: Address
    salt: Salt


@dataclass(frozen=True, slots=True)
class DatasetOrder:
    """Sells ``volume`` uses of a dataset at ``price`` each."""

    dataset: Address
    price: NanoRlc
    volume: int
    tag: Tag
    app_restrict: Address
    workerpool_restrict: Address
    requester_restrict: Address
    salt: Salt


@dataclass(frozen=True, slots=True)
class WorkerpoolOrder:
    """Sells ``volume`` tasks of a category computed with at most ``trust``, at ``price`` each."""

    workerpool: Address
    price: NanoRlc
    volume: int
    tag: Tag
    category: int
    trust: Trust
    app_restrict: Address
    dataset_restrict: Address
    requester_restrict: Address
    salt: Salt


@dataclass(frozen=True, slots=True)
class RequestOrder:
    """Buys ``volume`` tasks; prices are the most the requester pays per task."""

    app: Address
    app_max_price: NanoRlc
    dataset: Address
    dataset_max_price: NanoRlc
    workerpool: Address
    workerpool_max_price: NanoRlc
    requester: Address
    volume: int
    tag: Tag
    category: int
    trust: Trust
    beneficiary: Address
    callback: Address
    params: str
    salt: Salt


Order: TypeAlias = AppOrder | DatasetOrder | WorkerpoolOrder | RequestOrder

NO_DATASET_ORDER = DatasetOrder(
    ZERO_ADDRESS, NanoRlc(0), 0, NO_TAG, ZERO_ADDRESS, ZERO_ADDRESS, ZERO_ADDRESS, Salt(bytes(32))
)
"""The placeholder that ``matchOrders`` takes when no dataset is bought; needs no signature."""


OrderT = TypeVar("OrderT", AppOrder, DatasetOrder, WorkerpoolOrder, RequestOrder)


@dataclass(frozen=True, slots=True)
class Signed(Generic[OrderT]):
    """An order and its EIP-712 signature (r ‖ s ‖ v, 65 bytes; empty when presigned on chain)."""

    order: OrderT
    signature: bytes


@dataclass(frozen=True, slots=True)
class MatchOrders:
    """The call that turns four orders into a deal; the requester's stake pays."""

    app: Signed[AppOrder]
    dataset: Signed[DatasetOrder]
    workerpool: Signed[WorkerpoolOrder]
    request: Signed[RequestOrder]


@dataclass(frozen=True, slots=True)
class SponsorMatch:
    """The same call of somebody whose own stake pays: ``sponsorMatchOrders``."""

    orders: MatchOrders


@dataclass(frozen=True, slots=True)
class CloseOrder:
    """The call that cancels an order on chain: nothing more can be bought with it, for ever.

    Its owner, or requester, sends it; an order taken out of a market is valid until then.
    """

    order: Order
