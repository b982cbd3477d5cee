"""What a pool's owner asks of workers before they get work; ``reliance`` applies it.

Source: the owner's page, ``docs/how-to/who-gets-work.md``, says the same for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.units import NanoRlc, Seconds

TAKE_UP: Final = Seconds(5)
TRIAL_TIME: Final = Seconds(10)
NEWCOMERS_SLOTS: Final = 2
MOST_BACKUPS: Final = 10


@dataclass(frozen=True, slots=True)
class PlacementRules:
    """What the pool's owner asks before work is given, and of whom it is counted on.

    Attributes:
        least_stake: Free stake of every worker, whatever the deal asks for (nRLC).
        take_up: In which an offer has to be taken up.
        trial: After which idle workers are put beside one that has proved nothing.
        newcomers_slots: Replicates at once of a wallet that has proved nothing.
        most_backups: Replicates of one task beyond those that its trust needs.
    """

    least_stake: NanoRlc = NanoRlc(0)
    take_up: Seconds = TAKE_UP
    trial: Seconds = TRIAL_TIME
    newcomers_slots: int = NEWCOMERS_SLOTS
    most_backups: int = MOST_BACKUPS
