"""The purchases that the pool sends for others, over restarts: written down before they are signed.

What was sent within the last hour is remembered, for it counts against what a requester may have
sent, and is answered again as it was. Whatever is under way is remembered until it has ended.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, get_args

from poolhand.domain.ids import DealId, TxHash
from poolhand.domain.orders.matches_under_way import PURCHASES_COUNTED_FOR
from poolhand.domain.orders.sent_matches import (
    MatchBegun,
    MatchEnded,
    MatchEvent,
    MatchPosted,
    SentMatch,
    followed,
)
from poolhand.domain.units import UnixSeconds
from poolhand.ports.journal import EventLog
from poolhand.wire.journal_json import EventCodec

PURCHASE_CODEC: Final[EventCodec[MatchEvent]] = EventCodec(get_args(MatchEvent))


class PurchaseLog:
    """Matches by the deal that they make.

    Args:
        journal: One stream for each; None forgets at a restart.
    """

    def __init__(self, journal: EventLog | None) -> None:
        self._journal = journal
        self._open: dict[DealId, SentMatch] = {}
        self._ended: OrderedDict[DealId, SentMatch] = OrderedDict()

    def recover(self) -> None:
        """Read what was written down."""
        for stream, record in self._journal.read() if self._journal else ():
            self._follow(DealId.parse(stream), PURCHASE_CODEC.decode(record))
        by_end = sorted(self._ended.items(), key=lambda known: _end_of(known[1]))
        self._ended = OrderedDict(by_end)

    def __iter__(self) -> Iterator[SentMatch]:
        """All that are remembered."""
        yield from self._ended.values()
        yield from self._open.values()

    @property
    def under_way(self) -> tuple[SentMatch, ...]:
        """Those that have not ended."""
        return tuple(self._open.values())

    def made(self, name: DealId) -> TxHash | None:
        """Return the transaction that made a deal, if it was one of these."""
        known = self._open.get(name) or self._ended.get(name)
        return known.made_by if known else None

    def begin(self, begun: MatchBegun) -> None:
        """Note a match that is about to be signed; forget what was long ago."""
        self._forget_old(begun.at)
        self._note(begun.takes.deal_id, begun)

    def posted(self, name: DealId, tx: TxHash) -> None:
        """Note that a match was handed to the network."""
        self._note(name, MatchPosted(tx))

    def end(self, name: DealId, ended: MatchEnded) -> None:
        """Note that a block has a match, or that none will."""
        self._note(name, ended)

    async def durable(self) -> None:
        """Wait until all that was noted would survive the end of the program."""
        if self._journal is not None:
            await self._journal.durable()

    def forget(self, name: DealId) -> None:
        """Forget a match; repeatable."""
        self._open.pop(name, None)
        self._ended.pop(name, None)
        if self._journal is not None:
            self._journal.forget(str(name))

    def _note(self, name: DealId, event: MatchEvent) -> None:
        if self._journal is not None:
            self._journal.add(str(name), PURCHASE_CODEC.encode(event))
        self._follow(name, event)

    def _follow(self, name: DealId, event: MatchEvent) -> None:
        known = followed(self._open.pop(name, None) or self._ended.pop(name, None), event)
        if known is not None:
            (self._open if known.ended is None else self._ended)[name] = known

    def _forget_old(self, now: UnixSeconds) -> None:
        while self._ended:
            name, oldest = next(iter(self._ended.items()))
            if _end_of(oldest) > now - PURCHASES_COUNTED_FOR:
                return
            self.forget(name)


def _end_of(match: SentMatch) -> UnixSeconds:
    return match.ended.at if match.ended else match.begun.at
