"""What a pool remembers of a wallet: what it has proved, and how often it failed since.

Nobody's word about itself decides. A newcomer is lent little; each task that it settles on chain
doubles that, each fault halves it and costs turns: half a minute at first, twice as long each time,
until it settles a task again. Apps and requesters are remembered by the same rule, but that a
requester's first faults cost it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from poolhand.domain.units import Seconds, UnixSeconds

FIRST_REST_OF_WALLET: Final = Seconds(30)
"""How long the first fault costs its wallet the turn; doubled with each further one."""
REST_AFTER_CHOICE: Final = Seconds(5)
"""How long whoever declines a task by choice lets others go first."""
LONGEST_REST_OF_WALLET: Final = Seconds(6 * 3600)
MOST_CREDIT: Final = 1 << 10
"""Times the newcomer's slots that a wallet may be lent, whatever it has proved."""
REQUESTERS_TRIES: Final = 10
"""Faults in a row that cost a requester nothing: who tries apps out buys some that fail."""
_MOST_FAULTS: Final = 64
"""Faults that are counted; more change nothing."""


@dataclass(frozen=True, slots=True)
class Reputation:
    """Of one wallet.

    Attributes:
        settled: Tasks that it settled on chain.
        faults: Since it last settled one.
        credit: Times the slots of a newcomer that it is believed to have.
        rests_until: Its turn has sunk until then (block time).
    """

    settled: int = 0
    faults: int = 0
    credit: int = 1
    rests_until: UnixSeconds = UnixSeconds(0)

    @property
    def is_proved(self) -> bool:
        """Whether it has settled a task, and has done nothing wrong since."""
        return self.settled > 0 and self.faults == 0

    def is_resting(self, now: UnixSeconds) -> bool:
        """Whether its turn has sunk."""
        return now < self.rests_until

    def slots(self, claimed: int, cpus: int, newcomers: int) -> int:
        """Return how many replicates it may compute at once.

        Args:
            claimed: Slots that it tells of itself.
            cpus: Processors that it tells of itself.
            newcomers: Slots that a newcomer is believed to have.
        """
        return min(claimed, cpus, newcomers * self.credit)


NEWCOMER: Final = Reputation()
VOUCHED: Final = Reputation(settled=1, credit=MOST_CREDIT)
"""Of a wallet for which the pool's owner has given its word."""


def praised(known: Reputation) -> Reputation:
    """Return the reputation after a task was settled: old faults are forgiven."""
    return Reputation(known.settled + 1, 0, min(known.credit * 2, MOST_CREDIT))


def blamed(known: Reputation, at: UnixSeconds, tolerated: int = 0) -> Reputation:
    """Return the reputation after a fault.

    Args:
        known: Before it.
        at: When it happened (block time).
        tolerated: Faults in a row that cost no turn.
    """
    faults = min(known.faults + 1, _MOST_FAULTS)
    counted = faults - tolerated
    until = known.rests_until
    if counted > 0:
        rest = min(FIRST_REST_OF_WALLET << min(counted - 1, 16), LONGEST_REST_OF_WALLET)
        until = UnixSeconds(max(until, at + rest))
    return Reputation(known.settled, faults, max(known.credit // 2, 1), until)


def passed(known: Reputation, at: UnixSeconds) -> Reputation:
    """Return the reputation after an offer was declined by choice, which is no fault.

    It costs a moment all the same: who takes nothing is not asked before all others.

    Args:
        known: Before it.
        at: When it happened (block time).
    """
    return replace(known, rests_until=UnixSeconds(max(known.rests_until, at + REST_AFTER_CHOICE)))
