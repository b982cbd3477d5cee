"""What the pool remembers of wallets, apps and requesters, over restarts and within bounds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import asdict
from typing import Any, Final

from poolhand.domain.ids import Address
from poolhand.domain.reputation import NEWCOMER, VOUCHED, Reputation, blamed, praised
from poolhand.domain.units import UnixSeconds
from poolhand.ports.journal import Journal

MOST_KNOWN: Final = 10_000
"""Addresses that are remembered; of more, who was not heard of for longest is a newcomer again."""


class Reputations:
    """Reputations by address; only what matters to a decision is written down.

    Args:
        journal: Of one stream per address; None forgets at a restart.
        vouched: Wallets for which the owner gives its word: they begin as if proved.
        tolerated: Faults in a row that cost nobody a turn.
        most: How many are remembered.
    """

    def __init__(
        self,
        journal: Journal | None,
        vouched: Collection[Address] = (),
        tolerated: int = 0,
        most: int = MOST_KNOWN,
    ) -> None:
        self._journal, self._vouched, self._most = journal, frozenset(vouched), most
        self._tolerated = tolerated
        self._known: OrderedDict[Address, Reputation] = OrderedDict()

    def recover(self) -> None:
        """Read what was remembered; of each address only the newest record is kept."""
        counts: dict[str, int] = {}
        for stream, record in self._journal.read() if self._journal else ():
            self._known[Address.parse(stream)] = _decode(record)
            counts[stream] = counts.get(stream, 0) + 1
        for stream, count in counts.items():
            if count > 1 and self._journal:
                self._journal.forget(stream)
                self._write(Address.parse(stream))
        self._forget_oldest()

    def of(self, address: Address) -> Reputation:
        """Return what is known of an address."""
        first = VOUCHED if address in self._vouched else NEWCOMER
        return self._known.get(address, first)

    def praise(self, address: Address) -> Reputation:
        """Remember that a task was settled."""
        return self._remember(address, praised(self.of(address)))

    def blame(self, address: Address, at: UnixSeconds) -> Reputation:
        """Remember a fault."""
        return self._remember(address, blamed(self.of(address), at, self._tolerated))

    def _remember(self, address: Address, now: Reputation) -> Reputation:
        before = self.of(address)
        self._known[address] = now
        self._known.move_to_end(address)
        if _decides(before) != _decides(now):
            self._write(address)
        self._forget_oldest()
        return now

    def _write(self, address: Address) -> None:
        if self._journal is not None:
            self._journal.append(str(address), asdict(self._known[address]))

    def _forget_oldest(self) -> None:
        while len(self._known) > self._most:
            address, _ = self._known.popitem(last=False)
            if self._journal is not None:
                self._journal.forget(str(address))


def _decides(known: Reputation) -> tuple[bool, int, int, int]:
    return known.settled > 0, known.faults, known.credit, known.rests_until


def _decode(record: dict[str, Any]) -> Reputation:
    return Reputation(
        int(record["settled"]),
        int(record["faults"]),
        int(record["credit"]),
        UnixSeconds(int(record["rests_until"])),
    )
