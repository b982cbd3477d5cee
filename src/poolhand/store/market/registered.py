"""Rows of apps, datasets and workerpools: who created them, and who owns them now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.filters import Slice
from poolhand.domain.market_events import AssetMoved, OrderSort
from poolhand.domain.units import BlockNumber
from poolhand.store.market import counts
from poolhand.store.market.schema import ASSET_STEPS, POOLS_TABLE
from poolhand.store.market.where import beside_index, hexed

_A: Final = ASSET_STEPS.c
_NEWEST: Final = (_A.block.desc(), _A.log_index.desc())
_NOBODY: Final = hexed(ZERO_ADDRESS)
"""Who had an asset before it was created."""
MOST_LEADING: Final = 200
"""Pools that lead a list because they answer: more than a market asks in the time that counts."""


@dataclass(frozen=True, slots=True)
class RegisteredAsset:
    """An asset, its owner, and the block in which it was created."""

    sort: OrderSort
    asset: Address
    owner: Address
    created: BlockNumber


def put_assets(connection: Connection, moves: Iterable[AssetMoved]) -> None:
    """Keep who came to own what; one that is there stays as it is."""
    created: Counter[counts.Counted] = Counter()
    for each in moves:
        place = {"block": each.place.block, "log_index": each.place.log_index}
        known = select(_A.n).where(*(_A[name] == value for name, value in place.items()))
        if connection.scalar(known) is not None:
            continue
        told = {
            "sort": each.sort.value,
            "asset": hexed(each.asset),
            "source": hexed(each.source),
            "owner": hexed(each.target),
            "tx_hash": hexed(each.place.tx_hash),
        }
        connection.execute(insert(ASSET_STEPS).values({**place, **told}))
        created[each.sort.value, ""] += each.source == ZERO_ADDRESS
    counts.change(connection, created)


def forget_after(connection: Connection, mark: BlockNumber) -> None:
    """Drop what blocks after a mark told."""
    gone = _A.block > mark
    asked = select(_A.sort).where(gone, beside_index(_A.source) == _NOBODY)
    created = Counter((sort, "") for sort in connection.scalars(asked))
    counts.change(connection, {each: -number for each, number in created.items()})
    connection.execute(delete(ASSET_STEPS).where(gone))


def newest_assets(
    connection: Connection, sort: OrderSort, part: Slice
) -> tuple[list[RegisteredAsset], int]:
    """Return a part of the assets of a sort, the newest first, and how many there are."""
    return _part(connection, sort, part, ())


def pools_there_first(
    connection: Connection, part: Slice, since: int
) -> tuple[list[RegisteredAsset], int]:
    """Return a part of the workerpools, and how many there are.

    First are those that answered the market since a moment (milliseconds since 1970), by address;
    then the others, the newest first.
    """
    asked = select(POOLS_TABLE.c.workerpool).where(
        POOLS_TABLE.c.seen > since, POOLS_TABLE.c.trouble == ""
    )
    leading = connection.scalars(asked.order_by(POOLS_TABLE.c.workerpool).limit(MOST_LEADING)).all()
    return _part(connection, OrderSort.WORKERPOOL, part, leading)


def _part(
    connection: Connection, sort: OrderSort, part: Slice, leading: Sequence[str]
) -> tuple[list[RegisteredAsset], int]:
    """Return a part of a list that begins with some assets; the others are by age."""
    first = leading[part.skip : part.skip + part.size]
    asked = select(_A.asset).where(_A.sort == sort.value, _A.source == _NOBODY)
    others = asked.where(_A.asset.not_in(leading)) if leading else asked
    others = others.order_by(*_NEWEST).offset(max(0, part.skip - len(leading)))
    names = [*first, *connection.scalars(others.limit(part.size - len(first)))]
    count = counts.number_of(connection, (sort.value, ""))
    found = [find_asset(connection, Address.parse(name)) for name in names]
    return [each for each in found if each is not None], count


def find_asset(connection: Connection, asset: Address) -> RegisteredAsset | None:
    """Return an asset with whoever owns it now; None: none of this address was created."""
    asked = select(_A.sort, _A.owner, _A.block).where(_A.asset == hexed(asset))
    asked = asked.limit(1)  # an asset may have changed hands a million times
    newest = connection.execute(asked.order_by(*_NEWEST)).first()
    oldest = connection.execute(asked.order_by(_A.block, _A.log_index)).first()
    if newest is None or oldest is None:
        return None
    return RegisteredAsset(
        OrderSort(newest.sort), asset, Address.parse(newest.owner), BlockNumber(oldest.block)
    )
