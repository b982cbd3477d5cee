"""The workers that the pool's owner keeps from work, over restarts: drained ones and banned ones.

Nothing goes through all of them: whether one is among them is looked up, a page of them is cut out.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from poolhand.domain.errors import Refused
from poolhand.domain.exclusion import Exclusion, ExclusionKind
from poolhand.domain.ids import Address
from poolhand.domain.units import UnixSeconds
from poolhand.ports.journal import EventLog
from poolhand.scheduler.journaled_map import JournaledMap, MapCodec

MOST_EXCLUDED: Final = 10_000
"""Workers that are kept from work at most: none of them is ever forgotten."""


class TooManyExcluded(Refused):
    """So many workers are kept from work that no further one is remembered."""

    http_status = 409

    def __init__(self) -> None:
        super().__init__(
            f"{MOST_EXCLUDED} workers are drained or banned already: let some in again with "
            "`poolhand pool readmit`, or name those that may come with --workers"
        )


class Exclusions:
    """Remembers them.

    Args:
        journal: A stream for each; None forgets at a restart.
        most: How many are remembered.
    """

    def __init__(self, journal: EventLog | None, most: int = MOST_EXCLUDED) -> None:
        self._journal, self._most = journal, most
        codec = MapCodec(Address.parse, _encoded, _decoded)
        self._known: JournaledMap[Address, Exclusion] = JournaledMap(journal, codec, most)
        self._order: list[Address] = []

    def __len__(self) -> int:
        return len(self._known)

    def recover(self) -> None:
        """Read what was decided before the program ended."""
        self._known.recover()
        self._order = sorted(self._known)

    def of(self, worker: Address) -> Exclusion | None:
        """Return what was decided of a worker; None: it works like any other."""
        return self._known.get(worker)

    def is_banned(self, worker: Address) -> bool:
        """Whether a worker is not let in."""
        found = self.of(worker)
        return found is not None and found.kind is ExclusionKind.BAN

    def page(self, after: Address | None, most: int) -> Sequence[tuple[Address, Exclusion]]:
        """Return some, in order of their addresses.

        Args:
            after: Those that come after this address, whether it is here or not; None: the first.
            most: How many at most.
        """
        first = 0 if after is None else bisect_right(self._order, after)
        chosen = self._order[first : first + most]
        return [(each, found) for each in chosen if (found := self.of(each)) is not None]

    async def put(self, worker: Address, exclusion: Exclusion) -> None:
        """Keep a worker from work; holds at once, and returns once it would survive a crash.

        Raises:
            TooManyExcluded: There is no room for a further one.
        """
        if self.of(worker) is None:
            if len(self) >= self._most:
                raise TooManyExcluded
            insort(self._order, worker)
        self._known.put(worker, exclusion, durably=True)
        await self._durable()

    async def lift(self, worker: Address) -> bool:
        """Let a worker work again; False where nothing kept it from that."""
        if self.of(worker) is None:
            return False
        del self._order[bisect_left(self._order, worker)]
        self._known.drop(worker)
        await self._durable()
        return True

    async def _durable(self) -> None:
        if self._journal is not None:
            await self._journal.durable()


def _encoded(exclusion: Exclusion) -> Mapping[str, Any]:
    return asdict(exclusion)


def _decoded(record: Mapping[str, Any]) -> Exclusion:
    since = UnixSeconds(int(record["since"]))
    return Exclusion(ExclusionKind(record["kind"]), str(record["reason"]), since)
