"""What a pool remembers of an app: whether it has run here, and for whom it failed since.

One buyer's failures say little of an app: arguments and data are the buyer's, and a rival of the
app's owner may buy on purpose what must fail. So an app rests for everybody only once it failed for
several buyers; of an app that has run here, only the word of buyers counts that have paid for
something here, and of any app only theirs makes a rest longer: a fresh wallet costs nothing, and a
task that fails costs its buyer nothing either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.reputation import FIRST_REST_OF_WALLET, LONGEST_REST_OF_WALLET
from poolhand.domain.units import UnixSeconds

FAILING_BUYERS: Final = 3
"""Buyers for which an app has to fail, one after the other, before nobody is sold it."""
MOST_DOUBTERS: Final = 16
"""Buyers that are counted; more change nothing."""


@dataclass(frozen=True, slots=True)
class AppRecord:
    """Of one app.

    Attributes:
        settled: Its tasks that were settled.
        doubters: Buyers for which it failed since, each once.
        rests_until: Nobody new is sold it until then (block time).
        payers: How many of the doubters had paid for something here.
    """

    settled: int = 0
    doubters: tuple[Address, ...] = ()
    rests_until: UnixSeconds = UnixSeconds(0)
    payers: int = 0

    @property
    def works(self) -> bool:
        """Whether it has run here, and no several buyers say otherwise."""
        return self.settled > 0 and len(self.doubters) < FAILING_BUYERS

    def is_resting(self, now: UnixSeconds) -> bool:
        """Whether nobody new is sold it."""
        return now < self.rests_until


UNKNOWN_APP: Final = AppRecord()


def app_ran(known: AppRecord) -> AppRecord:
    """Return the record after a task of the app was settled: old doubts are over."""
    return AppRecord(known.settled + 1)


def app_failed(known: AppRecord, buyer: Address, at: UnixSeconds, *, has_paid: bool) -> AppRecord:
    """Return the record after a task of the app failed.

    Args:
        known: Before it.
        buyer: For whom it failed.
        at: When (block time).
        has_paid: Whether the buyer ever had a task settled here, of whatever app.
    """
    is_heard = has_paid or not known.settled
    if not is_heard or buyer in known.doubters or len(known.doubters) == MOST_DOUBTERS:
        return known
    doubters = (*known.doubters, buyer)
    payers = known.payers + has_paid
    if len(doubters) < FAILING_BUYERS:
        return replace(known, doubters=doubters, payers=payers)
    rest = min(FIRST_REST_OF_WALLET << max(payers - FAILING_BUYERS, 0), LONGEST_REST_OF_WALLET)
    until = UnixSeconds(max(known.rests_until, at + rest))
    return replace(known, doubters=doubters, rests_until=until, payers=payers)
