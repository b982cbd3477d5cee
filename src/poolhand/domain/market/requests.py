"""Which requests a matcher serves, and with what: the rules of whoever pays the gas for others.

A request is matched whole: with orders that have all of its tasks left, so that one transaction
serves it. Its own prices decide, for they are what it was signed for.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import BookOrder
from poolhand.domain.market.filters import Allowed, BookFilter, usable_by
from poolhand.domain.market.needs import app_tag
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.choosing import Bundle, Candidate
from poolhand.domain.orders.model import RequestOrder, Signed
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds

FIRST_PAUSE_OF_REQUEST: Final = 2
"""Seconds until a request is looked at again for which nothing was found; then twice as long."""
LONGEST_PAUSE_OF_REQUEST: Final = 300
MOST_REQUESTERS: Final = 10_000
"""Requesters whose matches are counted; who was served longest ago is forgotten first."""


def app_filter(
    request: RequestOrder, tasks: int, tag: Tag, pool: Address | None = None
) -> BookFilter:
    """Return which app orders a request may be matched with, at one pool or at any.

    Args:
        request: Open.
        tasks: That they must have left.
        tag: What is in the deal's tag whatever the app asks for, see ``shared_tag``.
        pool: The only one that is meant.
    """
    parties: dict[str, Allowed] = {"app": (request.app,), "dataset": usable_by(request.dataset)}
    return BookFilter(
        OrderSort.APP,
        {**parties, **_buyers(request, pool)},
        min_tag=app_tag(tag),
        max_tag=_covered(request, pool),
        min_volume=tasks,
    )


def dataset_filter(
    request: RequestOrder, tasks: int, pool: Address | None = None
) -> BookFilter | None:
    """Return which dataset orders it may be matched with; None where it wants none."""
    if request.dataset.is_zero:
        return None
    parties: dict[str, Allowed] = {"dataset": (request.dataset,), "app": usable_by(request.app)}
    return BookFilter(
        OrderSort.DATASET,
        {**parties, **_buyers(request, pool)},
        max_tag=_covered(request, pool),
        min_volume=tasks,
    )


def _covered(request: RequestOrder, pool: Address | None) -> Tag | None:
    """Return what app and dataset may ask for; one pool's order for a request has its tag."""
    return None if pool is None else request.tag


def _buyers(request: RequestOrder, pool: Address | None) -> dict[str, Allowed]:
    """Return to whom what is sold may be restricted."""
    computes = {} if pool is None else {"workerpool": usable_by(pool)}
    return {"requester": usable_by(request.requester), **computes}


def pool_filter(request: RequestOrder, tasks: int, tag: Tag) -> BookFilter:
    """Return which workerpool orders it may be matched with, in a deal that has at least a tag."""
    parties: dict[str, Allowed] = {
        "app": usable_by(request.app),
        "dataset": usable_by(request.dataset),
        "requester": usable_by(request.requester),
    }
    if not request.workerpool.is_zero:
        parties["workerpool"] = (request.workerpool,)
    return BookFilter(
        OrderSort.WORKERPOOL,
        parties,
        category=request.category,
        min_trust=request.trust if request.trust > 1 else None,
        min_tag=None if tag == NO_TAG else tag,
        min_volume=tasks,
    )


def for_groups(wanted: BookFilter, *, is_pool: bool) -> BookFilter:
    """Return a filter that also shows orders for others: they may be groups of whom it is meant.

    Args:
        wanted: As above: who may use the orders is left out of it, what they sell is not.
        is_pool: Whether what the request names is a workerpool, no group of them.
    """
    sold = wanted.sort.value
    is_kept = is_pool or wanted.sort is not OrderSort.WORKERPOOL
    parties = {name: allowed for name, allowed in wanted.parties.items() if name == sold}
    return replace(wanted, parties=parties if is_kept else {})


def candidate_of(entry: BookOrder) -> Candidate:
    """Return an order of a market as one to choose from."""
    order: Any = entry.order
    return Candidate(Signed(order, entry.sign), entry.remaining)


@dataclass(slots=True)
class MatchQuota:
    """How many matches one requester is given in a while, so that nobody spends all of the gas.

    Attributes:
        most: In ``window`` (seconds).
    """

    most: int
    window: Seconds
    _given: OrderedDict[Address, deque[UnixSeconds]] = field(default_factory=OrderedDict)

    def admits(self, requester: Address, now: UnixSeconds) -> bool:
        """Whether a requester may be given one more."""
        times = self._given.get(requester)
        while times and times[0] <= now - self.window:
            times.popleft()
        return not times or len(times) < self.most

    def count(self, requester: Address, now: UnixSeconds) -> None:
        """Count one match."""
        self._given.setdefault(requester, deque()).append(now)
        self._given.move_to_end(requester)
        while len(self._given) > MOST_REQUESTERS:
            self._given.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _PutOff:
    times: int
    pause: int
    until: UnixSeconds


@dataclass(slots=True)
class Backoff:
    """When requests that could not be matched are looked at again."""

    _put_off: dict[OrderHash, _PutOff] = field(default_factory=dict)

    def is_due(self, name: OrderHash, now: UnixSeconds) -> bool:
        """Whether to look at a request."""
        return name not in self._put_off or now >= self._put_off[name].until

    def times(self, name: OrderHash) -> int:
        """Return how often a request was put off."""
        return self._put_off[name].times if name in self._put_off else 0

    def put_off(self, name: OrderHash, now: UnixSeconds) -> None:
        """Look at it later."""
        known = self._put_off.get(name)
        pause = (
            FIRST_PAUSE_OF_REQUEST
            if known is None
            else min(2 * known.pause, LONGEST_PAUSE_OF_REQUEST)
        )
        self._put_off[name] = _PutOff(self.times(name) + 1, pause, UnixSeconds(now + pause))

    def keep_only(self, names: set[OrderHash]) -> None:
        """Forget requests that are not open any more."""
        self._put_off = {name: told for name, told in self._put_off.items() if name in names}


@dataclass(slots=True)
class InUse:
    """Tasks of orders that are being matched: the market does not know of it yet."""

    _tasks: dict[Candidate, int] = field(default_factory=dict)

    def left(self, found: Candidate) -> Candidate:
        """Return an order with what is left of it after what is under way."""
        return Candidate(found.signed, found.left - self._tasks.get(_key(found), 0))

    def take(self, found: Candidate, tasks: int) -> None:
        """Use tasks of an order."""
        self._tasks[_key(found)] = self._tasks.get(_key(found), 0) + tasks


def _key(found: Candidate) -> Candidate:
    return Candidate(found.signed, 0)


@dataclass(frozen=True, slots=True)
class MatchLocks:
    """What one match locks: of whom, how much (nRLC)."""

    locks: Mapping[Address, NanoRlc]

    @classmethod
    def of(cls, bundle: Bundle, tasks: int, payer: Address, pool_owner: Address) -> MatchLocks:
        """Return what ``tasks`` of a bundle lock of who pays and of who owns the pool."""
        paid, staked = bundle.price * tasks, scheduler_stake(bundle.pool.price) * tasks
        if payer == pool_owner:
            return cls({payer: NanoRlc(paid + staked)})
        return cls({payer: NanoRlc(paid), pool_owner: NanoRlc(staked)})


class FreeStakes:
    """Free stake that matches sent together share: each alone could be paid, all of them not.

    Args:
        stakes: What accounts have free, before any of them (nRLC); nothing where absent.
    """

    def __init__(self, stakes: Mapping[Address, NanoRlc]) -> None:
        self._left: dict[Address, int] = dict(stakes)

    def take(self, match: MatchLocks) -> bool:
        """Take what one more match locks; whether there was enough of it, else nothing is taken."""
        if any(self._left.get(owner, 0) < most for owner, most in match.locks.items()):
            return False
        for owner, most in match.locks.items():
            self._left[owner] = self._left.get(owner, 0) - most
        return True
