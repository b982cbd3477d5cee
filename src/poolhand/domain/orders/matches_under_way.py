"""What matches that are sent and not mined will use, and who may have how many of them. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from poolhand.domain.eip712 import Domain
from poolhand.domain.errors import Unavailable
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, OrderHash
from poolhand.domain.market.requests import MatchQuota
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.matching import Facts, Match
from poolhand.domain.orders.model import MatchOrders, Order
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds

PURCHASES_COUNTED_FOR: Final = Seconds(3600)
"""Over which the purchases of one requester are counted."""
REST_AFTER_FAILED_MATCH: Final = Seconds(300)
"""For which nothing is sent for a requester whose last match failed on chain: its stake went away
between our look and our block, and it has cost us gas."""
MOST_RESTING: Final = 10_000
K = TypeVar("K")


class TooManyPurchases(Unavailable):
    """As many purchases were sent as are in an hour."""

    http_status = 429


@dataclass(frozen=True, slots=True)
class MatchTakes:
    """What a match takes of orders and stakes until a block has it.

    Attributes:
        requester: Whose request it is.
        volume: Tasks that it takes of each of the orders.
        locks: Stake by owner (nRLC).
    """

    deal_id: DealId
    requester: Address
    volume: int
    orders: tuple[OrderHash, ...]
    locks: Mapping[Address, NanoRlc]

    @classmethod
    def of(cls, orders: MatchOrders, terms: Match, domain: Domain, owner: Address) -> MatchTakes:
        """Return what a match takes of orders signed under a domain; ``owner`` is the pool's."""
        requester = orders.request.order.requester
        locks: Counter[Address] = Counter({requester: terms.payer_locks})
        locks[owner] += terms.workerpool_locks
        names = tuple(order_hash(domain, each) for each in _used(orders))
        locked = {who: NanoRlc(stake) for who, stake in locks.items()}
        return cls(terms.deal_id, requester, terms.volume, names, locked)


class MatchesUnderWay:
    """Counts what matches take that no block has yet, so that all of them can be mined."""

    def __init__(self) -> None:
        self._of: dict[DealId, MatchTakes] = {}
        self._tasks: Counter[OrderHash] = Counter()
        self._locks: Counter[Address] = Counter()

    def __contains__(self, name: DealId) -> bool:
        """Whether a deal is under way."""
        return name in self._of

    def uses(self, order: OrderHash) -> bool:
        """Whether something that is under way takes tasks of an order."""
        return order in self._tasks

    def begin(self, takes: MatchTakes) -> None:
        """Count a match that is about to be sent, or was sent before a restart."""
        self.end(takes.deal_id)
        self._of[takes.deal_id] = takes
        self._tasks.update(_tasks_of(takes))
        self._locks.update(takes.locks)

    def end(self, name: DealId) -> None:
        """Count a match no longer: it is mined, or never will be; repeatable."""
        takes = self._of.pop(name, None)
        if takes is not None:
            _take(self._tasks, _tasks_of(takes))
            _take(self._locks, takes.locks)

    def seen(self, facts: Facts) -> Facts:
        """Return what the chain knows as it will be once all of them are mined."""
        consumed = {name: used + self._tasks[name] for name, used in facts.consumed.items()}
        free = {
            owner: NanoRlc(stake - self._locks[owner]) for owner, stake in facts.free_stake.items()
        }
        return replace(facts, consumed=consumed, free_stake=free)


def _tasks_of(takes: MatchTakes) -> Counter[OrderHash]:
    return Counter(dict.fromkeys(takes.orders, takes.volume))


def _take(counts: Counter[K], away: Mapping[K, int]) -> None:
    counts.subtract(away)
    for key in away:
        if not counts[key]:
            del counts[key]


def _used(orders: MatchOrders) -> Iterator[Order]:
    yield from (orders.app.order, orders.workerpool.order, orders.request.order)
    if not orders.dataset.order.dataset.is_zero:
        yield orders.dataset.order


@dataclass(slots=True)
class SendingQuota:
    """How many purchases are sent for one requester in an hour, and for all of them.

    Attributes:
        each, everybody: How many.
    """

    each: int
    everybody: int
    _given: MatchQuota = field(init=False)
    _in_all: MatchQuota = field(init=False)
    _rests: OrderedDict[Address, UnixSeconds] = field(default_factory=OrderedDict, init=False)

    def __post_init__(self) -> None:
        self._given = MatchQuota(self.each, PURCHASES_COUNTED_FOR)
        self._in_all = MatchQuota(self.everybody, PURCHASES_COUNTED_FOR)

    def check(self, requester: Address, now: UnixSeconds) -> None:
        """Check that one more may be sent.

        Raises:
            TooManyPurchases: It has to wait, or to send for itself.
        """
        if now < self._rests.get(requester, UnixSeconds(0)):
            why = f"the last purchase of {requester} that was sent failed on chain"
        elif not self._given.admits(requester, now):
            why = f"{self.each} purchases were sent for {requester} within an hour"
        elif not self._in_all.admits(ZERO_ADDRESS, now):
            why = f"{self.everybody} purchases were sent here within an hour"
        else:
            return
        raise TooManyPurchases(f"{why}: wait, or send this one yourself")

    def count(self, requester: Address, now: UnixSeconds) -> None:
        """Count one."""
        self._given.count(requester, now)
        self._in_all.count(ZERO_ADDRESS, now)

    def failed(self, requester: Address, now: UnixSeconds) -> None:
        """Note that a match of a requester failed on chain, and so cost gas for nothing."""
        self._rests[requester] = UnixSeconds(now + REST_AFTER_FAILED_MATCH)
        self._rests.move_to_end(requester)
        while len(self._rests) > MOST_RESTING:
            self._rests.popitem(last=False)
