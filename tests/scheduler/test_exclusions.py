"""Whom a pool's owner keeps from work is remembered: over restarts, and never forgotten."""

from __future__ import annotations

import pytest

from poolhand.domain.exclusion import Exclusion, ExclusionKind
from poolhand.domain.ids import Address
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.exclusions import Exclusions, TooManyExcluded
from poolhand.store.memory import MemoryJournal
from poolhand.store.section import Section

AT = UnixSeconds(1_700_000_000)


def address(number):
    return Address(number.to_bytes(20, "big"))


async def test_nobody_who_is_kept_from_work_is_ever_forgotten():
    known = Exclusions(None, most=3)
    made = Exclusion(ExclusionKind.BAN, "", AT)
    for number in (3, 1, 2):
        await known.put(address(number), made)
    with pytest.raises(TooManyExcluded, match="readmit"):
        await known.put(address(4), made)
    await known.put(address(1), Exclusion(ExclusionKind.DRAIN, "again", AT))
    assert [each for each, _ in known.page(None, 9)] == [address(n) for n in (1, 2, 3)]
    assert [each for each, _ in known.page(address(1), 1)] == [address(2)]
    assert await known.lift(address(2))
    await known.put(address(4), made)
    assert not known.is_banned(address(1))
    assert known.is_banned(address(4))


async def test_what_was_decided_last_is_what_a_restart_reads():
    journal = MemoryJournal()
    known = Exclusions(Section(journal, "exclusion"))
    drained, banned = (Exclusion(kind, "why", AT) for kind in ExclusionKind)
    for number in range(4):
        await known.put(address(number), drained)
    await known.put(address(1), banned)
    await known.lift(address(2))
    for _ in range(3):
        known = Exclusions(Section(journal, "exclusion"))
        known.recover()
        assert known.page(None, 9) == [
            (address(0), drained),
            (address(1), banned),
            (address(3), drained),
        ]
