"""A match that a pool sends for a requester, as its journal tells it over restarts. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from poolhand.domain.ids import TxHash
from poolhand.domain.orders.matches_under_way import PURCHASES_COUNTED_FOR, MatchTakes
from poolhand.domain.units import UnixSeconds


@dataclass(frozen=True, slots=True)
class MatchBegun:
    """A match is about to be signed.

    Attributes:
        takes: Of orders and stakes.
        first: How many of its tasks are initialized with it.
        at: When it was counted.
        bot_first: Number of its first task: so many of the request were bought before.
    """

    takes: MatchTakes
    first: int
    at: UnixSeconds
    bot_first: int = 0


@dataclass(frozen=True, slots=True)
class MatchPosted:
    """It was handed to the network."""

    tx: TxHash


@dataclass(frozen=True, slots=True)
class MatchEnded:
    """A block has it, or none ever will.

    Attributes:
        has_failed: It cost gas for nothing.
        by_another: It failed because somebody else had made the deal.
    """

    at: UnixSeconds
    has_failed: bool = False
    by_another: bool = False

    @property
    def is_requesters_fault(self) -> bool:
        """Whether it cost gas for nothing because of whoever asked for it."""
        return self.has_failed and not self.by_another


MatchEvent: TypeAlias = MatchBegun | MatchPosted | MatchEnded


@dataclass(frozen=True, slots=True)
class SentMatch:
    """What is known of one match.

    Attributes:
        begun: Its newest beginning: one that failed may be sent again.
        counted: When it was counted, each time within the window of quotas.
        tx: Its transaction; None where nobody can know that it was signed.
        ended: Its end; None while it is under way.
    """

    begun: MatchBegun
    counted: tuple[UnixSeconds, ...]
    tx: TxHash | None = None
    ended: MatchEnded | None = None

    @property
    def made_by(self) -> TxHash | None:
        """The transaction that makes the deal, as far as is known."""
        return None if self.ended is not None and self.ended.has_failed else self.tx


def followed(match: SentMatch | None, event: MatchEvent) -> SentMatch | None:
    """Return what is known after an event; None where its beginning is not known."""
    if isinstance(event, MatchBegun):
        lately = (
            at for at in (match.counted if match else ()) if at > event.at - PURCHASES_COUNTED_FOR
        )
        return SentMatch(event, (*lately, event.at))
    if match is None:
        return None
    if isinstance(event, MatchPosted):
        return replace(match, tx=event.tx)
    return replace(match, ended=event)
