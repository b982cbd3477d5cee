"""Files that no deal names yet, and whose makes way where room is short: pure.

Anybody makes wallets, so room is nobody's for being asked for: it is shared by what is at stake.
Whoever has least nRLC in the hub for each byte of its unbought files gives its oldest. That many
wallets have a stake together helps none of them: it is divided by all that they have here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds

KEPT_AMONG_EQUALS: Final = Seconds(600)
"""For which a file is kept where who comes has no more at stake: in that time a deal is made."""


@dataclass(frozen=True, slots=True)
class LeftInput:
    """A file: whose it is, and the sha256 of its content (32 bytes)."""

    owner: Address
    sha256: bytes


@dataclass(slots=True)
class _Holder:
    """Who has unbought files; ``files``, the oldest first, by size, time and turn of coming."""

    files: dict[LeftInput, tuple[int, UnixSeconds, int]] = field(default_factory=dict)
    size: int = 0
    stake: NanoRlc = NanoRlc(0)
    version: int = 0


class UnboughtInputs:
    """Those of all requesters."""

    def __init__(self) -> None:
        self._holders: dict[Address, _Holder] = {}
        self._ranks: list[tuple[float, int, int, Address]] = []
        self._versions, self._turns = count(1), count(1)

    def __contains__(self, known: LeftInput) -> bool:
        holder = self._holders.get(known.owner)
        return holder is not None and known in holder.files

    def add(self, known: LeftInput, size: int, brought: UnixSeconds) -> None:
        """Count a file (bytes) as the newest of its owner; one that is here is so anew."""
        self.remove(known)
        holder = self._holders.setdefault(known.owner, _Holder())
        holder.files[known] = size, brought, next(self._turns)
        holder.size += size
        self._rank(known.owner, holder)

    def remove(self, known: LeftInput) -> None:
        """Count a file no more: it is bought, or gone; repeatable."""
        holder = self._holders.get(known.owner)
        if holder is None or known not in holder.files:
            return
        holder.size -= holder.files.pop(known)[0]
        if holder.files:
            self._rank(known.owner, holder)
        else:
            del self._holders[known.owner]

    def of(self, owner: Address) -> dict[LeftInput, UnixSeconds]:
        """Return the files of an owner, the oldest first, with when they were brought."""
        holder = self._holders.get(owner)
        return {known: at for known, (_, at, _) in holder.files.items()} if holder else {}

    def tell_stake(self, owner: Address, stake: NanoRlc) -> None:
        """Tell what an owner has at stake."""
        holder = self._holders.get(owner)
        if holder is not None:
            holder.stake = stake
            self._rank(owner, holder)

    def weakest(self) -> Address | None:
        """Return who has least at stake for each byte, of equals who has the oldest file."""
        while self._ranks:
            _, _, version, owner = self._ranks[0]
            holder = self._holders.get(owner)
            if holder is not None and holder.version == version:
                return owner
            heappop(self._ranks)
        return None

    def making_way(
        self, comer: Address, stake: NanoRlc, size: int, now: UnixSeconds
    ) -> LeftInput | None:
        """Return the file that goes first for one of ``comer``; None where none does.

        Args:
            comer: Who brings a file; its own make no way, for it is about to buy.
            stake: That it has.
            size: Of its file (bytes).
            now: Unix seconds.
        """
        owner = self.weakest()
        if owner is None or owner == comer:
            return None
        holder, own = self._holders[owner], self._holders.get(comer)
        theirs, ours = holder.stake / holder.size, stake / (size + (own.size if own else 0))
        oldest, (_, brought, _) = next(iter(holder.files.items()))
        is_old = now >= brought + KEPT_AMONG_EQUALS
        return oldest if theirs < ours or (theirs == ours and is_old) else None

    def _rank(self, owner: Address, holder: _Holder) -> None:
        holder.version = next(self._versions)
        heappush(self._ranks, self._entry(owner, holder))
        if len(self._ranks) > 4 * len(self._holders) + 64:  # most are out of date
            self._ranks = [self._entry(*each) for each in self._holders.items()]
            heapify(self._ranks)

    def _entry(self, owner: Address, holder: _Holder) -> tuple[float, int, int, Address]:
        _, _, turn = next(iter(holder.files.values()))
        return holder.stake / holder.size, turn, holder.version, owner
