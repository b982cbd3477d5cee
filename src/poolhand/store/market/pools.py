"""Rows of pools that are registered, and what they answered last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, insert, select, update

from poolhand.domain.ids import Address
from poolhand.domain.market.filters import Slice
from poolhand.domain.market.profiles import PoolProfile
from poolhand.store.market import counts
from poolhand.store.market.database import BookConnection
from poolhand.store.market.schema import POOLS_TABLE

_UNASKED: Final[dict[str, Any]] = {
    "asked": 0, "seen": None, "trouble": "it was not asked yet", "live": "",
}  # fmt: skip
"""What is known of a pool before it was asked for the first time."""


@dataclass(frozen=True, slots=True)
class PoolRow:
    """A registered pool; moments are milliseconds since 1970.

    Attributes:
        registered: When its profile was given last.
        seen: When it last answered; None: never.
        trouble: Why it did not answer when it was asked last; empty: it did.
        live: What it answered last, as JSON text; empty: nothing yet.
    """

    profile: PoolProfile
    registered: int
    seen: int | None
    trouble: str
    live: str


def put(connection: BookConnection, profile: PoolProfile, now: int) -> None:
    """Register a pool, or give it another profile; what it answered stays while its URL does."""
    known = find(connection, profile.workerpool)
    said = {
        "owner": _hex(profile.owner),
        "name": profile.name,
        "description": profile.description,
        "url": profile.url,
        "results_url": profile.results_url,
        "registered": now,
    }
    if known is None or known.profile.url != profile.url:
        said |= _UNASKED
    if known is None:
        counts.change(connection, {(counts.COUNT_OF_POOLS, ""): 1})
        connection.execute(insert(POOLS_TABLE).values(workerpool=_hex(profile.workerpool), **said))
    else:
        where = POOLS_TABLE.c.workerpool == _hex(profile.workerpool)
        connection.execute(update(POOLS_TABLE).where(where).values(**said))


def remove(connection: BookConnection, workerpool: Address) -> None:
    """Forget a pool; repeatable."""
    gone = connection.execute(
        delete(POOLS_TABLE).where(POOLS_TABLE.c.workerpool == _hex(workerpool))
    )
    counts.change(connection, {(counts.COUNT_OF_POOLS, ""): -gone.rowcount})


def find(connection: BookConnection, workerpool: Address) -> PoolRow | None:
    """Return a pool."""
    asked = select(POOLS_TABLE).where(POOLS_TABLE.c.workerpool == _hex(workerpool))
    row = connection.execute(asked).first()
    return None if row is None else _read(row)


def page(connection: BookConnection, part: Slice) -> tuple[Sequence[PoolRow], int]:
    """Return a part of the pools, those that answered last first, and how many there are."""
    order = (POOLS_TABLE.c.seen.desc().nulls_last(), POOLS_TABLE.c.workerpool)
    asked = select(POOLS_TABLE).order_by(*order).limit(part.size).offset(part.skip)
    count = counts.number_of(connection, (counts.COUNT_OF_POOLS, ""))
    return [_read(row) for row in connection.execute(asked)], count


def longest_unasked(
    connection: BookConnection, before: int, most: int, seen_since: int = 0
) -> Sequence[PoolProfile]:
    """Return pools that were not asked since a moment, those first that were not for longest.

    Half of the places are kept for pools that have answered since ``seen_since``: strangers may
    register any number that never answer.
    """
    is_due = POOLS_TABLE.c.asked < before
    since = POOLS_TABLE.c.seen >= seen_since
    there = (
        select(POOLS_TABLE)
        .where(is_due, since, POOLS_TABLE.c.seen < before)
        .order_by(POOLS_TABLE.c.seen)
    )
    every = select(POOLS_TABLE).where(is_due).order_by(POOLS_TABLE.c.asked)
    found = [*connection.execute(there.limit(most // 2)), *connection.execute(every.limit(most))]
    return list(dict.fromkeys(_read(row).profile for row in found))[:most]


def set_back(connection: BookConnection, now: int) -> None:
    """Take moments that are still to come for now: the machine's clock was set back."""
    for moment in (POOLS_TABLE.c.asked, POOLS_TABLE.c.seen):
        connection.execute(update(POOLS_TABLE).where(moment > now).values({moment: now}))


def begin(connection: BookConnection, workerpools: Iterable[Address], now: int) -> None:
    """Note that pools are being asked: whatever comes of it, it is others' turn first."""
    names = [_hex(each) for each in workerpools]
    connection.execute(
        update(POOLS_TABLE).where(POOLS_TABLE.c.workerpool.in_(names)).values(asked=now)
    )


def answered(connection: BookConnection, workerpool: Address, live: str, now: int) -> None:
    """Note what a pool answered."""
    _note(connection, workerpool, asked=now, seen=now, trouble="", live=live)


def failed(connection: BookConnection, workerpool: Address, trouble: str, now: int) -> None:
    """Note that a pool did not answer, and why."""
    _note(connection, workerpool, asked=now, trouble=trouble)


def _note(connection: BookConnection, workerpool: Address, **values: object) -> None:
    where = POOLS_TABLE.c.workerpool == _hex(workerpool)
    connection.execute(update(POOLS_TABLE).where(where).values(**values))


def _read(row: Row) -> PoolRow:  # type: ignore[type-arg]
    profile = PoolProfile(
        Address.parse(row.workerpool),
        Address.parse(row.owner),
        row.name,
        row.description,
        row.url,
        row.results_url,
    )
    return PoolRow(profile, row.registered, row.seen, row.trouble, row.live)


def _hex(address: Address) -> str:
    return "0x" + address.hex()
