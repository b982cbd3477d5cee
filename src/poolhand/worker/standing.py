"""How a worker stands with its pool and with its operator, for decisions and the status page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds
from poolhand.worker.owner_messages import OwnerMessages


class Hold(StrEnum):
    """Who keeps the worker from taking anything new; several may at once."""

    DRAIN = "draining"
    OPERATOR = "paused"
    SCHEDULE = "schedule"
    IN_USE = "in-use"
    BATTERY = "battery"
    PROGRAM = "program"
    HEAT = "heat"
    DISK = "disk"
    ENGINE_DISK = "engine-disk"
    CLUSTER = "cluster"
    PRICE = "coin-price"
    GAS = "gas"
    CHAIN = "chain-stalled"
    RESULTS = "results-forbidden"


CHOSEN_HOLDS: Final = frozenset(
    {
        Hold.DRAIN,
        Hold.OPERATOR,
        Hold.SCHEDULE,
        Hold.IN_USE,
        Hold.BATTERY,
        Hold.PROGRAM,
        Hold.HEAT,
    }
)
"""Those that the operator has ordered, or set."""


@dataclass(slots=True)
class Offers:
    """What was offered since the program started; declined ones by the code of the reason."""

    seen: int = 0
    accepted: int = 0
    declined: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class WorkerStanding:
    """What the member knows of its position.

    Attributes:
        connected: Whether there is a session that is attached.
        problem: Why not, in the pool's or the transport's words.
        away_since: When the last session broke, or the first try to connect failed.
        next_try: When the pool is tried again; None when only a person can help.
        refused: Whether the pool turned this worker down, for now or for good.
        idle: The pool's reasons for giving nothing, see ``domain.task.idle``.
        holds: Why nothing new is taken, each with its sentence.
        ends: When those of them end of which that is known.
        longest: The longest computing time for which a task is taken; None: any.
        least_reward: For which a task is taken (nRLC).
        hosts: That apps can reach where their orders ask for them.
        hosts_lack: Why they can reach none of those that are allowed; None: nothing is known to.
        offers: Counted.
        owner_messages: What the pool's owner says.
    """

    connected: bool = False
    problem: str | None = "not connected yet"
    away_since: UnixSeconds | None = None
    next_try: UnixSeconds | None = None
    refused: bool = False
    idle: Mapping[str, int] = field(default_factory=dict)
    holds: dict[Hold, str] = field(default_factory=dict)
    ends: dict[Hold, UnixSeconds] = field(default_factory=dict)
    longest: Seconds | None = None
    least_reward: NanoRlc = NanoRlc(0)
    hosts: tuple[NetworkHost, ...] = ()
    hosts_lack: str | None = None
    offers: Offers = field(default_factory=Offers)
    owner_messages: OwnerMessages = field(default_factory=OwnerMessages)

    @property
    def has_conditions(self) -> bool:
        """Whether the pool must be told which tasks are taken."""
        return self.longest is not None or self.least_reward > 0 or bool(self.hosts)

    @property
    def paused(self) -> str | None:
        """Why nothing new is taken; None when it is."""
        return next((self.holds[each] for each in Hold if each in self.holds), None)

    @property
    def paused_until(self) -> UnixSeconds | None:
        """When what ``paused`` names ends; None when that is not known, or nothing does."""
        return next((self.ends.get(each) for each in Hold if each in self.holds), None)

    def hold(self, kind: Hold, reason: str | None, ends: UnixSeconds | None = None) -> None:
        """Note why nothing new is taken, and when that ends if it is known; None: it is gone."""
        self.holds.pop(kind, None)
        self.ends.pop(kind, None)
        if reason is not None:
            self.holds[kind] = reason
            if ends is not None:
                self.ends[kind] = ends

    def limit(self, longest: Seconds | None, least_reward: NanoRlc) -> bool:
        """Note which tasks are taken; True where that is news."""
        if (self.longest, self.least_reward) == (longest, least_reward):
            return False
        self.longest, self.least_reward = longest, least_reward
        return True

    def allow(self, hosts: tuple[NetworkHost, ...], lack: str | None = None) -> bool:
        """Note which hosts apps can reach, or why none; True where other hosts are news."""
        self.hosts_lack = lack
        if self.hosts == hosts:
            return False
        self.hosts = hosts
        return True

    def is_held(self, kind: Hold) -> bool:
        """Whether one of them keeps the worker from taking anything new."""
        return kind in self.holds

    def joined(self) -> None:
        """Note that there is a session."""
        self.connected, self.problem = True, None
        self.away_since = self.next_try = None
        self.refused = False

    def left(self, reason: str, now: UnixSeconds, retry_in: float | None) -> None:
        """Note that there is none; ``retry_in`` seconds, None: not before a person has acted."""
        self.connected, self.problem = False, reason
        if self.away_since is None:
            self.away_since = now
        self.next_try = None if retry_in is None else UnixSeconds(now + round(retry_in))
        self.refused = self.refused or retry_in is None
