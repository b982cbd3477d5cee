"""What a worker knows of one replicate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.ids import ResultDigest
from poolhand.domain.replicate.events import FOR_THE_STAKE, Action, Entry, Offer
from poolhand.domain.replicate.status import FINAL, Status
from poolhand.domain.units import BlockNumber, UnixSeconds


@dataclass(frozen=True, slots=True)
class Trouble:
    """What nobody expected of a replicate.

    Attributes:
        words: Of the newest trouble, for a person.
        faults: Stages that raised, at ``faulted_at`` the newest.
        unsure: A contribution may be on its way to the chain though its stage is over.
        falls: Sudden ends of the program, one after another, while the same stage was at work.
        on_trial: That stage is at work again, without any other that is under suspicion.
        quarantined: Only what saves its stake is begun any more.
    """

    words: str = ""
    faults: int = 0
    faulted_at: UnixSeconds = UnixSeconds(0)
    unsure: bool = False
    falls: int = 0
    on_trial: bool = False
    quarantined: bool = False


NO_TROUBLE: Final = Trouble()
SUSPICIOUS: Final = 2
"""Sudden ends of the program under the same stage after which it is not simply begun again."""


@dataclass(frozen=True, slots=True)
class Replicate:
    """All that the worker knows of its attempt.

    Attributes:
        offer: What was accepted.
        history: Every status so far, oldest first; CREATED (the scheduler's) not included.
        acknowledged: How many of them the scheduler has stored.
        set_back: How often it had stored fewer than it said before.
        running: The stage under way.
        parked: The stage that waits for gas.
        active, reveal_asked: What was heard of the chain.
        digest, callback_data, link, enclave_sign: What stages found out.
        deadline: To contribute (Unix seconds), as read when the offer came; 0 when unknown.
        mined_at: Block that last showed our transactions, or that they are gone: what the chain
            said before it tells nothing.
        cleaned: Container and files are gone.
        settled: Nothing that the chain may take back concerns it any more.
        trouble: What nobody expected.
    """

    offer: Offer
    history: tuple[Entry, ...] = ()
    acknowledged: int = 0
    set_back: int = 0
    running: Action | None = None
    parked: Action | None = None
    active: bool = False
    reveal_asked: bool = False
    digest: ResultDigest | None = None
    callback_data: bytes | None = None
    link: str | None = None
    enclave_sign: bytes | None = None
    deadline: UnixSeconds = UnixSeconds(0)
    mined_at: BlockNumber = BlockNumber(0)
    cleaned: bool = False
    settled: bool = False
    trouble: Trouble = NO_TROUBLE

    @property
    def status(self) -> Status:
        """The newest status."""
        return self.history[-1].status if self.history else Status.CREATED

    @property
    def is_over(self) -> bool:
        """Whether nothing but telling and cleaning is left."""
        return self.status in FINAL

    @property
    def is_watched(self) -> bool:
        """Whether it is over, and a re-organisation might yet put its stake at risk again."""
        return self.is_over and self.has_contributed and not self.settled

    @property
    def has_contributed(self) -> bool:
        """Whether a contribution may be on chain, so that stake may be at risk."""
        return self.count(Status.CONTRIBUTING) > 0

    @property
    def is_at_work(self) -> bool:
        """Whether something of it may be at work: a stage, or the cleaning after the end."""
        return self.running is not None or (self.is_over and not self.cleaned)

    @property
    def is_held_back(self) -> bool:
        """Whether its stage waits for its trial, for it may be what ends the program."""
        suspected = self.trouble.falls >= SUSPICIOUS and not self.trouble.on_trial
        return suspected and self.running not in FOR_THE_STAKE

    def count(self, *statuses: Status) -> int:
        """Count entries with one of these statuses."""
        return sum(entry.status in statuses for entry in self.history)
